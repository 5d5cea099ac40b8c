#include "addon/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace hsm::addon {

Napi::Value disableCoreDumps(const Napi::CallbackInfo& info) {
  // Both: a limit of 0 does not stop a dump that the kernel pipes into a program, and children inherit only the limit.
  const rlimit none = {0, 0};
  const bool limited = setrlimit(RLIMIT_CORE, &none) == 0;
  const bool undumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
  return Napi::Boolean::New(info.Env(), limited && undumpable);
}

}  // namespace hsm::addon
