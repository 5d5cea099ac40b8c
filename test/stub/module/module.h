// The one instance of the middleware in this process, and what every C_ function goes through.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "fault.h"
#include "slot.h"

#define STUB_EXPORT extern "C" __attribute__((visibility("default")))

namespace stub {

class Module {
 public:
  static Module& instance();

  /** The card, opened on first use; nullptr when HSM_STUB_CARD names no usable folder (told on stderr). */
  SharedCard* shared();
  bool initialised() const { return slot != nullptr; }

  std::mutex mutex;
  /** Present between C_Initialize and C_Finalize. */
  std::unique_ptr<Slot> slot;

 private:
  std::optional<SharedCard> shared_;
  std::string folder_;
};

/** Runs `work` under the module's lock, unless a fault was asked for that takes its place. */
template <typename Work>
CK_RV guarded(const char* function, Work&& work) {
  Module& module = Module::instance();
  const std::lock_guard guard(module.mutex);
  const std::optional<Fault> fault = takeFault(module.shared(), function);
  if (fault && fault->afterwards == 0) {
    if (const std::optional<CK_RV> rv = actOn(*fault)) return *rv;
  }
  const CK_RV rv = std::forward<Work>(work)(module);
  if (SharedCard* card = module.shared()) card->endTransaction();
  if (fault && fault->afterwards != 0) {
    if (const std::optional<CK_RV> other = actOn(*fault)) return *other;
  }
  return rv;
}

/** As `guarded`, for calls that need C_Initialize: `work` gets the slot. */
template <typename Work>
CK_RV withSlot(const char* function, Work&& work) {
  return guarded(function, [&](Module& module) -> CK_RV {
    if (!module.initialised()) return CKR_CRYPTOKI_NOT_INITIALIZED;
    return std::forward<Work>(work)(*module.slot);
  });
}

/** As `withSlot`, for calls on a session. */
template <typename Work>
CK_RV withSession(const char* function, CK_SESSION_HANDLE handle, Work&& work) {
  return withSlot(function, [&](Slot& slot) -> CK_RV {
    Session* session = slot.session(handle);
    if (session == nullptr) return CKR_SESSION_HANDLE_INVALID;
    return std::forward<Work>(work)(slot, *session);
  });
}

}  // namespace stub
