// Between JavaScript values and ours. Nothing crosses as a pointer: bytes are copied, numbers are checked.
#ifndef HSM_NATIVE_ADDON_VALUES_H_
#define HSM_NATIVE_ADDON_VALUES_H_

#include <napi.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cryptoki/provision.h"
#include "cryptoki/token.h"

namespace hsm::addon {

// Arguments. Each returns nothing, with a TypeError pending that names the argument, when it does not fit.
std::optional<std::span<std::uint8_t>> bytesArgument(Napi::Env env, napi_value value, const char* name);
std::optional<std::uint64_t> integerArgument(Napi::Env env, napi_value value, const char* name, std::uint64_t least,
                                             std::uint64_t most);
std::optional<std::string> stringArgument(Napi::Env env, napi_value value, const char* name);

struct OpenArguments {
  std::string modulePath;
  DeviceOptions device;
  Deadlines deadlines;
  std::size_t queueLimit = 0;
};
// Also wipes the caller's PIN buffer once it is copied.
std::optional<OpenArguments> openArguments(Napi::Env env, napi_value value);
std::optional<std::vector<ObjectId>> idsArgument(Napi::Env env, napi_value value);
std::optional<std::vector<Operation>> operationsArgument(Napi::Env env, napi_value value);

// Answers. The shapes are those of src/addon.ts. Null, perhaps with an exception pending, when JavaScript has no
// room for them.
napi_value toJs(Napi::Env env, const Error& error);
napi_value toJs(Napi::Env env, Outcome& outcome);
napi_value toJs(Napi::Env env, const PinWork& work);
napi_value toJs(Napi::Env env, const std::vector<SlotDescription>& slots);
napi_value bytesToJs(Napi::Env env, std::span<const std::uint8_t> bytes);

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_VALUES_H_
