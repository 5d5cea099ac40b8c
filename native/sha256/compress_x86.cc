// SHA-256 with the SHA extensions of x86-64 (Intel SDM volume 2: SHA256RNDS2, SHA256MSG1, SHA256MSG2).
#include "sha256/implementation.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include "sha256/round_constants.h"

#define HSM_SHA_NI __attribute__((target("sha,sse4.1,ssse3")))

namespace hsm::sha256 {
namespace {

// SHA256RNDS2 wants the eight words as ABEF and CDGH, highest first.
struct State {
  __m128i abef;
  __m128i cdgh;
};

HSM_SHA_NI inline State load(const std::uint32_t words[8]) {
  const __m128i dcba = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
  const __m128i hgfe = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1);
  const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
  return {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xF0)};
}

HSM_SHA_NI inline void store(std::uint32_t words[8], const State& state) {
  const __m128i feba = _mm_shuffle_epi32(state.abef, 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(state.cdgh, 0xB1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(words), _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(words + 4), _mm_alignr_epi8(dchg, feba, 8));
}

// Lanes are independent messages: their instructions fill the gaps that one message's latencies leave.
template <int Lanes>
HSM_SHA_NI inline void run(std::uint32_t* const (&words)[Lanes], const std::uint8_t* (&blocks)[Lanes],
                           std::size_t count) {
  const __m128i bigEndian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  State state[Lanes];
  for (int lane = 0; lane < Lanes; ++lane) state[lane] = load(words[lane]);
  for (; count > 0; --count) {
    State before[Lanes];
    __m128i schedule[Lanes][4];
    for (int lane = 0; lane < Lanes; ++lane) before[lane] = state[lane];
#pragma GCC unroll 16
    for (int group = 0; group < 16; ++group) {  // of four rounds
      const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(kRound + 4 * group));
#pragma GCC unroll 2
      for (int lane = 0; lane < Lanes; ++lane) {
        __m128i* const w = schedule[lane];
        __m128i& now = w[group & 3];
        if (group < 4) {
          const auto* source = reinterpret_cast<const __m128i*>(blocks[lane] + 16 * group);
          now = _mm_shuffle_epi8(_mm_loadu_si128(source), bigEndian);
        } else {
          const __m128i last = w[(group + 3) & 3];
          const __m128i sevenBack = _mm_alignr_epi8(last, w[(group + 2) & 3], 4);
          now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(now, w[(group + 1) & 3]), sevenBack), last);
        }
        const __m128i sum = _mm_add_epi32(now, constants);
        State& s = state[lane];
        s.cdgh = _mm_sha256rnds2_epu32(s.cdgh, s.abef, sum);
        s.abef = _mm_sha256rnds2_epu32(s.abef, s.cdgh, _mm_shuffle_epi32(sum, 0x0E));
      }
    }
    for (int lane = 0; lane < Lanes; ++lane) {
      state[lane].abef = _mm_add_epi32(state[lane].abef, before[lane].abef);
      state[lane].cdgh = _mm_add_epi32(state[lane].cdgh, before[lane].cdgh);
      blocks[lane] += 64;
    }
  }
  for (int lane = 0; lane < Lanes; ++lane) store(words[lane], state[lane]);
}

HSM_SHA_NI void compressShaNi(std::uint32_t state[8], const std::uint8_t* blocks, std::size_t count) {
  std::uint32_t* const words[1] = {state};
  const std::uint8_t* at[1] = {blocks};
  run<1>(words, at, count);
}

HSM_SHA_NI void compressPairShaNi(std::uint32_t first[8], const std::uint8_t* firstBlocks, std::uint32_t second[8],
                                  const std::uint8_t* secondBlocks, std::size_t count) {
  std::uint32_t* const words[2] = {first, second};
  const std::uint8_t* at[2] = {firstBlocks, secondBlocks};
  run<2>(words, at, count);
}

constexpr Implementation kShaNi{"sha-ni", compressShaNi, compressPairShaNi};

}  // namespace

const Implementation* shaNi() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  // Leaf 1: SSSE3 is ECX bit 9, SSE4.1 bit 19. Leaf 7: SHA is EBX bit 29. No state beyond XMM: no XGETBV needed.
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return nullptr;
  if ((ecx & (1U << 9)) == 0 || (ecx & (1U << 19)) == 0) return nullptr;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return nullptr;
  return (ebx & (1U << 29)) != 0 ? &kShaNi : nullptr;
}

}  // namespace hsm::sha256

#else

namespace hsm::sha256 {
const Implementation* shaNi() { return nullptr; }
}  // namespace hsm::sha256

#endif
