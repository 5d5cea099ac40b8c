// A PKCS#11 library in this process.
#ifndef HSM_NATIVE_CRYPTOKI_MODULE_H_
#define HSM_NATIVE_CRYPTOKI_MODULE_H_

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cryptoki/pkcs11.h"
#include "cryptoki/result.h"

namespace hsm {

// A slot that holds a token, as the library describes it; needs no login. Padding blanks are taken off.
struct SlotDescription {
  CK_SLOT_ID slot = 0;
  std::string slotDescription;
  std::string serialNumber;
  std::string label;
  std::string manufacturer;
  std::string model;
  std::string library;  // e.g. "Implementation of PKCS11 2.6"
  CK_FLAGS flags = 0;   // of the token
  bool removable = false;  // CKF_REMOVABLE_DEVICE of the slot
  CK_ULONG minPinLength = 0;
  CK_ULONG maxPinLength = 0;
};

// One instance a library file a process, never unloaded (libraries leave threads and exit handlers behind).
// Loading runs no PKCS#11 function but C_GetFunctionList.
class Module : public std::enable_shared_from_this<Module> {
 public:
  // Opens the library, or finds the instance that is there. BadInput when the file is none.
  static Result<std::shared_ptr<Module>> load(const std::string& path);
  // For function lists that come from elsewhere, e.g. from a test. The list outlives the module.
  static std::shared_ptr<Module> fromFunctionList(CK_FUNCTION_LIST* functions, std::string name);

  // For the end of the process: no thread calls into any loaded library after this. Waits `limit` for each call
  // that runs.
  static void stopAllCalls(std::chrono::milliseconds limit);

  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  const CK_FUNCTION_LIST& functions() const { return *functions_; }
  const std::string& name() const { return name_; }

  // Held while calls are made: C_Finalize of one user must never meet a call of another. A library that hangs
  // keeps it, so take it with a limit.
  std::timed_mutex& calls() { return calls_; }

  // The following want calls() to be held.

  // C_Initialize with OS locking for the first user; Busy when something else in this process initialised the
  // library, because its C_Finalize or ours would pull the ground away from the other.
  Status acquire();
  // C_Finalize after the last user.
  void release();
  // C_Finalize and C_Initialize: drops whatever the library caches.
  Status reinitialize();

  Result<std::vector<SlotDescription>> slots();

  // The token that this module serves in this process: refused while there is another.
  Status claim(const std::string& serialNumber);
  void unclaim();

 private:
  Module(CK_FUNCTION_LIST* functions, std::string name) : functions_(functions), name_(std::move(name)) {}
  Status initialize();

  CK_FUNCTION_LIST* const functions_;
  const std::string name_;
  std::timed_mutex calls_;
  int users_ = 0;
  std::string claimed_;
};

// Slots with tokens of a library, without login. Takes `limit` at most to get at the module.
Result<std::vector<SlotDescription>> listTokens(const std::string& modulePath, std::chrono::milliseconds limit);

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_MODULE_H_
