// The ways of folding blocks into a SHA-256 state, and which of them this processor runs.
#ifndef HSM_NATIVE_SHA256_IMPLEMENTATION_H_
#define HSM_NATIVE_SHA256_IMPLEMENTATION_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hsm::sha256 {

struct Implementation {
  const char* name;
  // Folds `count` whole blocks of 64 bytes into the state.
  void (*compress)(std::uint32_t state[8], const std::uint8_t* blocks, std::size_t count);
  // The same for two messages side by side: one message alone waits for the latency of each instruction.
  void (*compressPair)(std::uint32_t first[8], const std::uint8_t* firstBlocks, std::uint32_t second[8],
                       const std::uint8_t* secondBlocks, std::size_t count);
};

extern const Implementation kPortable;
// Null where the processor, or the architecture that this was built for, has no instructions for SHA-256.
const Implementation* shaNi();
const Implementation* armv8();

// Those that run here, the fastest first.
std::span<const Implementation* const> implementations();
// The one in use: the fastest, unless another was chosen.
const Implementation& implementation();
// For tests and benches: for the whole process, from the next call on. False when there is none of that name.
bool useImplementation(std::string_view name);

}  // namespace hsm::sha256

#endif  // HSM_NATIVE_SHA256_IMPLEMENTATION_H_
