#ifndef HSM_NATIVE_SHA256_BATCH_H_
#define HSM_NATIVE_SHA256_BATCH_H_

#include <cstdint>
#include <span>

#include "sha256/sha256.h"

namespace hsm {

// The digests of many messages, in their order. Neighbours of as many blocks are hashed side by side, which is
// nearly twice as fast with hardware instructions. `digests` is as long as `messages`.
void sha256Batch(std::span<const std::span<const std::uint8_t>> messages, std::span<Digest> digests);

}  // namespace hsm

#endif  // HSM_NATIVE_SHA256_BATCH_H_
