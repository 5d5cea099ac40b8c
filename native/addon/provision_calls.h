// `provision` and `changePin` of src/addon.ts.
#ifndef HSM_NATIVE_ADDON_PROVISION_CALLS_H_
#define HSM_NATIVE_ADDON_PROVISION_CALLS_H_

#include <napi.h>

namespace hsm::addon {

Napi::Value provisionToken(const Napi::CallbackInfo& info);
Napi::Value changeTokenPin(const Napi::CallbackInfo& info);

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_PROVISION_CALLS_H_
