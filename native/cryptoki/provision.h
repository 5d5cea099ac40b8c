// The first PIN of a blank token, and the change of a PIN: what may be sent to a token, once, and what was left
// when it went wrong.
#ifndef HSM_NATIVE_CRYPTOKI_PROVISION_H_
#define HSM_NATIVE_CRYPTOKI_PROVISION_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "cryptoki/module.h"
#include "cryptoki/result.h"
#include "cryptoki/secure_bytes.h"

namespace hsm {

// A serial number, or a slot (a blank token of SoftHSM2 has no serial number).
using ProvisionTarget = std::variant<std::string, CK_SLOT_ID>;

struct ProvisionOptions {
  ProvisionTarget target;
  SecureBytes soPin;
  SecureBytes pin;
  // 1 to 32 bytes.
  std::string label;
  std::string lockDirectory;
  // How long a card may stay away after C_InitToken (some end their connection), until somebody puts it in again.
  std::chrono::milliseconds returnLimit{60'000};
};

struct PinChangeOptions {
  ProvisionTarget target;
  SecureBytes oldPin;
  SecureBytes newPin;
  std::string lockDirectory;
  std::string stateDirectory;
  bool allowFinalTry = false;
};

struct PinWork {
  enum class State {
    Done,       // and proven by a login after a fresh C_Initialize
    Untouched,  // certainly nothing on the token was changed
    Unfinished  // something was changed, or may have been
  };
  // How far it came; of Unfinished, the step in which it is unknown what the token holds.
  enum class Step { Look, InitToken, Return, InitPin, SetPin, Verify };

  State state = State::Untouched;
  Step step = Step::Look;
  SlotDescription token;
  std::optional<Error> error;  // of all but Done
};

// Provisions a certainly blank token: C_InitToken, then C_InitPIN, then a login. C_InitToken wipes a smart card
// whatever SO PIN it is given, and answers CKR_OK; so it is called only when the token says that it was never
// initialised, shows neither a PIN nor an object, and says the same again after C_Finalize and C_Initialize.
// A token that is initialised and has no user PIN (this was cut short) gets the PIN only, which keeps its content.
PinWork provision(const std::shared_ptr<Module>& module, ProvisionOptions options);

// Changes the user PIN by one C_SetPIN and proves it by one login after a fresh C_Initialize.
PinWork changePin(const std::shared_ptr<Module>& module, PinChangeOptions options);

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_PROVISION_H_
