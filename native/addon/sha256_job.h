// Hashing off the event loop, on libuv's pool: it is pure computation, which cannot hang there.
#ifndef HSM_NATIVE_ADDON_SHA256_JOB_H_
#define HSM_NATIVE_ADDON_SHA256_JOB_H_

#include <napi.h>

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "sha256/sha256.h"

namespace hsm::addon {

// Feeds the bytes of the Uint8Array `array` to `hash` and resolves with what `finish(false)` gives; `finish(true)` is
// called instead when that failed. Up to 64 KiB at once; else in slices that are copied one at a time, so that the
// thread never sees JavaScript's memory (which can be transferred away meanwhile: that rejects) and the event loop
// never waits for more than the copy of a slice. Null with an exception pending when it cannot begin.
napi_value hashOffThread(Napi::Env env, std::shared_ptr<Sha256> hash, napi_value array,
                         std::span<const std::uint8_t> data, std::function<napi_value(bool failed)> finish);

// The digests of a batch, from a copy of the messages.
napi_value batchOffThread(Napi::Env env, const std::vector<std::span<const std::uint8_t>>& messages,
                          napi_value (*toJs)(Napi::Env env, const std::vector<Digest>& digests));

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_SHA256_JOB_H_
