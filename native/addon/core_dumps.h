// A core dump would hold what the process knows: PINs and values.
#ifndef HSM_NATIVE_ADDON_CORE_DUMPS_H_
#define HSM_NATIVE_ADDON_CORE_DUMPS_H_

#include <napi.h>

namespace hsm::addon {

// disableCoreDumps(): true when this process leaves no core dump from now on, and no other process of its user may
// look into its memory.
Napi::Value disableCoreDumps(const Napi::CallbackInfo& info);

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_CORE_DUMPS_H_
