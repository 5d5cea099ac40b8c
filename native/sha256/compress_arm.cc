// SHA-256 with the cryptographic extension of ARMv8 (Arm ARM: SHA256H, SHA256H2, SHA256SU0, SHA256SU1).
#include "sha256/implementation.h"

#if defined(__aarch64__) && defined(__linux__)

#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "sha256/round_constants.h"

#if defined(__clang__)
#define HSM_ARM_SHA2 __attribute__((target("sha2")))
#else
#define HSM_ARM_SHA2 __attribute__((target("+crypto")))
#endif

namespace hsm::sha256 {
namespace {

struct State {
  uint32x4_t abcd;
  uint32x4_t efgh;
};

// Lanes are independent messages: their instructions fill the gaps that one message's latencies leave.
template <int Lanes>
HSM_ARM_SHA2 inline void run(std::uint32_t* const (&words)[Lanes], const std::uint8_t* (&blocks)[Lanes],
                             std::size_t count) {
  State state[Lanes];
  for (int lane = 0; lane < Lanes; ++lane) state[lane] = {vld1q_u32(words[lane]), vld1q_u32(words[lane] + 4)};
  for (; count > 0; --count) {
    State before[Lanes];
    uint32x4_t schedule[Lanes][4];
    for (int lane = 0; lane < Lanes; ++lane) before[lane] = state[lane];
#pragma GCC unroll 16
    for (int group = 0; group < 16; ++group) {  // of four rounds
      const uint32x4_t constants = vld1q_u32(kRound + 4 * group);
#pragma GCC unroll 2
      for (int lane = 0; lane < Lanes; ++lane) {
        uint32x4_t* const w = schedule[lane];
        uint32x4_t& now = w[group & 3];
        if (group < 4) {
          now = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(blocks[lane] + 16 * group)));
        } else {
          now = vsha256su1q_u32(vsha256su0q_u32(now, w[(group + 1) & 3]), w[(group + 2) & 3], w[(group + 3) & 3]);
        }
        const uint32x4_t sum = vaddq_u32(now, constants);
        State& s = state[lane];
        const uint32x4_t abcd = s.abcd;
        s.abcd = vsha256hq_u32(abcd, s.efgh, sum);
        s.efgh = vsha256h2q_u32(s.efgh, abcd, sum);
      }
    }
    for (int lane = 0; lane < Lanes; ++lane) {
      state[lane].abcd = vaddq_u32(state[lane].abcd, before[lane].abcd);
      state[lane].efgh = vaddq_u32(state[lane].efgh, before[lane].efgh);
      blocks[lane] += 64;
    }
  }
  for (int lane = 0; lane < Lanes; ++lane) {
    vst1q_u32(words[lane], state[lane].abcd);
    vst1q_u32(words[lane] + 4, state[lane].efgh);
  }
}

HSM_ARM_SHA2 void compressArmv8(std::uint32_t state[8], const std::uint8_t* blocks, std::size_t count) {
  std::uint32_t* const words[1] = {state};
  const std::uint8_t* at[1] = {blocks};
  run<1>(words, at, count);
}

HSM_ARM_SHA2 void compressPairArmv8(std::uint32_t first[8], const std::uint8_t* firstBlocks, std::uint32_t second[8],
                                    const std::uint8_t* secondBlocks, std::size_t count) {
  std::uint32_t* const words[2] = {first, second};
  const std::uint8_t* at[2] = {firstBlocks, secondBlocks};
  run<2>(words, at, count);
}

constexpr Implementation kArmv8{"armv8", compressArmv8, compressPairArmv8};

}  // namespace

const Implementation* armv8() { return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0 ? &kArmv8 : nullptr; }

}  // namespace hsm::sha256

#else

namespace hsm::sha256 {
const Implementation* armv8() { return nullptr; }
}  // namespace hsm::sha256

#endif
