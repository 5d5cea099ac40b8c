#include "cryptoki/provision.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "cryptoki/lock_file.h"
#include "cryptoki/refused_pins.h"

namespace hsm {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Step = PinWork::Step;

constexpr milliseconds kModuleWait{20'000};
// Between two looks for a card that went away after C_InitToken.
constexpr milliseconds kLookAgain{250};
// A Pico HSM takes a shorter PIN by C_InitPIN, and then refuses it by its length in C_Login.
constexpr std::size_t kShortestPin = 6;
constexpr std::size_t kLongestPin = 15;
constexpr std::size_t kLabelLength = 32;
constexpr CK_FLAGS kPinWasSet = CKF_USER_PIN_INITIALIZED | CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY |
                                CKF_USER_PIN_LOCKED | CKF_USER_PIN_TO_BE_CHANGED;

enum class Stage { Blank, WithoutPin };

// Inputs are only read, but are not const in the ABI.
CK_UTF8CHAR* bytesOf(const SecureBytes& bytes) { return const_cast<CK_UTF8CHAR*>(bytes.data()); }

Error refuse(ErrorClass errorClass, const char* operation, std::string sentence) {
  return Error::own(errorClass, operation, std::move(sentence));
}

// A session that is closed whatever happens.
class Door {
 public:
  Door(const CK_FUNCTION_LIST& functions, CK_SLOT_ID slot, CK_FLAGS flags) : functions_(functions) {
    rv_ = functions_.C_OpenSession(slot, CKF_SERIAL_SESSION | flags, nullptr, nullptr, &session_);
  }
  ~Door() {
    if (rv_ == CKR_OK) (void)functions_.C_CloseSession(session_);
  }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  CK_RV rv() const { return rv_; }
  CK_SESSION_HANDLE session() const { return session_; }

 private:
  const CK_FUNCTION_LIST& functions_;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  CK_RV rv_ = CKR_OK;
};

Result<SlotDescription> find(Module& module, const ProvisionTarget& target) {
  auto slots = module.slots();
  if (!slots) return slots.error();
  std::vector<SlotDescription> found;
  for (SlotDescription& slot : slots.value()) {
    const auto* serialNumber = std::get_if<std::string>(&target);
    const auto* id = std::get_if<CK_SLOT_ID>(&target);
    const bool fits = serialNumber != nullptr ? slot.serialNumber == *serialNumber : slot.slot == *id;
    if (fits) found.push_back(std::move(slot));
  }
  if (found.empty()) return refuse(ErrorClass::TokenGone, "look", "There is no such token.");
  if (found.size() > 1) {
    return refuse(ErrorClass::BadInput, "look", "Several tokens fit; none was touched.");
  }
  return std::move(found[0]);
}

// The token after everything that a library caches was dropped.
Result<SlotDescription> findAnew(Module& module, const ProvisionTarget& target) {
  if (Status status = module.reinitialize(); !status) return status.error();
  return find(module, target);
}

ProvisionTarget same(const SlotDescription& token) {
  if (token.serialNumber.empty()) return token.slot;
  return token.serialNumber;
}

// Fails unless the token shows no object of any class, or says by its code that it was never initialised.
Status showsNothing(Module& module, const SlotDescription& token) {
  const CK_FUNCTION_LIST& functions = module.functions();
  const Door door(functions, token.slot, 0);
  if (door.rv() == CKR_TOKEN_NOT_RECOGNIZED) return {};
  if (door.rv() != CKR_OK) return Error::call("C_OpenSession", door.rv());
  if (const CK_RV rv = functions.C_FindObjectsInit(door.session(), nullptr, 0); rv != CKR_OK) {
    return Error::call("C_FindObjectsInit", rv);
  }
  std::array<CK_OBJECT_HANDLE, 1> first{};
  CK_ULONG count = 0;
  const CK_RV searched = functions.C_FindObjects(door.session(), first.data(), first.size(), &count);
  const CK_RV ended = functions.C_FindObjectsFinal(door.session());
  if (searched != CKR_OK) return Error::call("C_FindObjects", searched);
  if (ended != CKR_OK) return Error::call("C_FindObjectsFinal", ended);
  if (count > 0) {
    return refuse(ErrorClass::BadInput, "look", "The token holds objects: it is not blank, and nothing was touched.");
  }
  return {};
}

Result<Stage> stageOf(Module& module, const SlotDescription& token) {
  if ((token.flags & kPinWasSet) != 0) {
    return refuse(ErrorClass::BadInput, "look",
                  "The token shows a user PIN, so it is not certainly blank, and nothing was touched.");
  }
  if ((token.flags & CKF_WRITE_PROTECTED) != 0) {
    return refuse(ErrorClass::Unsupported, "look", "The token is write-protected.");
  }
  if ((token.flags & CKF_TOKEN_INITIALIZED) != 0) return Stage::WithoutPin;
  if (Status status = showsNothing(module, token); !status) return status.error();
  return Stage::Blank;
}

// Two looks, with all caches dropped in between, must say the same of the same token.
Result<Stage> certainStage(Module& module, const ProvisionTarget& target, SlotDescription* token) {
  auto first = find(module, target);
  if (!first) return first.error();
  auto stage = stageOf(module, first.value());
  if (!stage) return stage.error();
  auto second = findAnew(module, same(first.value()));
  if (!second) return second.error();
  auto again = stageOf(module, second.value());
  if (!again) return again.error();
  const SlotDescription& a = first.value();
  const SlotDescription& b = second.value();
  if (again.value() != stage.value() || a.flags != b.flags || a.serialNumber != b.serialNumber || a.label != b.label ||
      a.slotDescription != b.slotDescription) {
    return refuse(ErrorClass::BadInput, "look", "Two looks at the token differ, and nothing was touched.");
  }
  *token = std::move(second.value());
  return stage;
}

Status checkNewPin(const SecureBytes& pin, const SlotDescription& token) {
  std::size_t least = kShortestPin;
  std::size_t most = kLongestPin;
  // A blank token may name limits that are no limits.
  if (token.maxPinLength >= least && token.minPinLength <= token.maxPinLength) {
    least = std::max<std::size_t>(least, token.minPinLength);
    most = std::min<std::size_t>(most, token.maxPinLength);
  }
  if (pin.size() >= least && pin.size() <= most) return {};
  return refuse(ErrorClass::BadInput, "look",
                "The new PIN must have " + std::to_string(least) + " to " + std::to_string(most) +
                    " characters; nothing was touched.");
}

// One login with the PIN, after a fresh C_Initialize.
Status prove(Module& module, const ProvisionTarget& target, const SecureBytes& pin, SlotDescription* token) {
  auto found = findAnew(module, target);
  if (!found) return found.error();
  *token = std::move(found.value());
  const CK_FUNCTION_LIST& functions = module.functions();
  const Door door(functions, token->slot, CKF_RW_SESSION);
  if (door.rv() != CKR_OK) return Error::call("C_OpenSession", door.rv());
  if (const CK_RV rv = functions.C_Login(door.session(), CKU_USER, bytesOf(pin), pin.size()); rv != CKR_OK) {
    return Error::call("C_Login", rv);
  }
  CK_SESSION_INFO info = {};
  const CK_RV rv = functions.C_GetSessionInfo(door.session(), &info);
  (void)functions.C_Logout(door.session());
  if (rv != CKR_OK) return Error::call("C_GetSessionInfo", rv);
  if (info.state != CKS_RW_USER_FUNCTIONS) {
    return refuse(ErrorClass::TokenGone, "C_GetSessionInfo", "The token took the PIN and dropped the login at once.");
  }
  return {};
}

// Sent nothing that could have changed the token.
bool beforeTheToken(CK_RV rv) {
  switch (rv) {
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_LOCKED:
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_TOO_WEAK:
    case CKR_FUNCTION_NOT_SUPPORTED:
    case CKR_SESSION_READ_ONLY:
    case CKR_TOKEN_WRITE_PROTECTED:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_SESSION_EXISTS:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return true;
    default:
      return false;
  }
}

// Holds the module, the claim and the lock file of one piece of work.
class Hold {
 public:
  explicit Hold(const std::shared_ptr<Module>& module) : module_(module), calls_(module->calls(), kModuleWait) {}
  ~Hold() {
    if (claimed_) module_->unclaim();
    if (acquired_) module_->release();
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  Status begin(const ProvisionTarget& target, const std::string& lockDirectory) {
    if (!calls_.owns_lock()) {
      return refuse(ErrorClass::Busy, "look", module_->name() + " is busy with another call.");
    }
    // First the claim: a token of this library that this process serves would lose its session to C_Finalize.
    if (Status status = module_->claim("being provisioned"); !status) return status;
    claimed_ = true;
    if (Status status = module_->acquire(); !status) return status;
    acquired_ = true;
    auto found = find(*module_, target);
    if (!found) return found.error();
    auto file = LockFile::acquire(lockDirectory, found.value().serialNumber);
    if (!file) return file.error();
    lock_ = std::move(file.value());
    return {};
  }

 private:
  std::shared_ptr<Module> module_;
  std::unique_lock<std::timed_mutex> calls_;
  bool claimed_ = false;
  bool acquired_ = false;
  LockFile lock_;
};

PinWork untouched(PinWork work, Error error) {
  work.state = PinWork::State::Untouched;
  work.error = std::move(error);
  return work;
}

PinWork unfinished(PinWork work, Step step, Error error) {
  work.state = PinWork::State::Unfinished;
  work.step = step;
  work.error = std::move(error);
  return work;
}

// After C_InitToken some cards end their connection; then somebody has to put the card in again.
Result<SlotDescription> awaitReturn(Module& module, const SlotDescription& before, const std::string& label,
                                    milliseconds limit) {
  ProvisionTarget target = same(before);
  if (before.serialNumber.empty()) {
    // SoftHSM2 gives the token its serial number now, and another slot from the next C_Initialize on.
    auto named = find(module, before.slot);
    if (!named) return named.error();
    target = same(named.value());
  }
  const Clock::time_point end = Clock::now() + limit;
  for (;;) {
    auto found = findAnew(module, target);
    if (found && (found.value().flags & CKF_TOKEN_INITIALIZED) != 0) return found;
    if (Clock::now() >= end) {
      if (!found) return found.error();
      return refuse(ErrorClass::Internal, "C_InitToken",
                    "The token answered CKR_OK and is still not initialised as " + label + ".");
    }
    std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace

PinWork provision(const std::shared_ptr<Module>& module, ProvisionOptions options) {
  PinWork work;
  const CK_FUNCTION_LIST& functions = module->functions();
  if (functions.C_InitToken == nullptr || functions.C_InitPIN == nullptr) {
    return untouched(std::move(work), refuse(ErrorClass::Unsupported, "look", "The library has no C_InitToken."));
  }
  if (options.label.empty() || options.label.size() > kLabelLength || options.label.find('\0') != std::string::npos) {
    return untouched(std::move(work), refuse(ErrorClass::BadInput, "look", "A token's label has 1 to 32 bytes."));
  }
  if (options.soPin.empty()) {
    return untouched(std::move(work), refuse(ErrorClass::BadInput, "look", "The SO PIN is empty."));
  }
  Hold hold(module);
  if (Status status = hold.begin(options.target, options.lockDirectory); !status) {
    return untouched(std::move(work), status.error());
  }
  auto stage = certainStage(*module, options.target, &work.token);
  if (!stage) return untouched(std::move(work), stage.error());
  if (Status status = checkNewPin(options.pin, work.token); !status) return untouched(std::move(work), status.error());

  const bool initialises = stage.value() == Stage::Blank;
  if (initialises) {
    std::array<CK_UTF8CHAR, kLabelLength> label{};
    label.fill(' ');
    std::memcpy(label.data(), options.label.data(), options.label.size());
    const CK_RV rv =
        functions.C_InitToken(work.token.slot, bytesOf(options.soPin), options.soPin.size(), label.data());
    if (rv != CKR_OK) {
      Error error = Error::call("C_InitToken", rv);
      if (beforeTheToken(rv)) return untouched(std::move(work), std::move(error));
      return unfinished(std::move(work), Step::InitToken, std::move(error));
    }
    auto back = awaitReturn(*module, work.token, options.label, options.returnLimit);
    if (!back) return unfinished(std::move(work), Step::Return, back.error());
    work.token = std::move(back.value());
    // Another card may have been put in: nothing is done to one that shows a PIN.
    if ((work.token.flags & kPinWasSet) != 0) {
      return unfinished(std::move(work), Step::Return,
                        refuse(ErrorClass::BadInput, "C_InitToken",
                               "The token shows a user PIN that this program did not set."));
    }
  }

  CK_RV rv = CKR_OK;
  const char* function = "C_OpenSession";
  {
    const Door door(functions, work.token.slot, CKF_RW_SESSION);
    rv = door.rv();
    if (rv == CKR_OK) {
      function = "C_Login";
      rv = functions.C_Login(door.session(), CKU_SO, bytesOf(options.soPin), options.soPin.size());
    }
    if (rv == CKR_OK) {
      // Once a login: a smart card tests the SO PIN here, not in C_Login, and the library has forgotten it after.
      function = "C_InitPIN";
      rv = functions.C_InitPIN(door.session(), bytesOf(options.pin), options.pin.size());
      (void)functions.C_Logout(door.session());
    }
  }
  if (rv != CKR_OK) {
    Error error = Error::call(function, rv);
    if (rv == CKR_PIN_INCORRECT) error.message = "The token refused the SO PIN; that spent one of its tries.";
    const bool certain = beforeTheToken(rv) || std::strcmp(function, "C_InitPIN") != 0;
    if (certain && !initialises) return untouched(std::move(work), std::move(error));
    return unfinished(std::move(work), Step::InitPin, std::move(error));
  }
  if (Status status = prove(*module, same(work.token), options.pin, &work.token); !status) {
    return unfinished(std::move(work), Step::Verify, status.error());
  }
  work.state = PinWork::State::Done;
  work.step = Step::Verify;
  return work;
}

PinWork changePin(const std::shared_ptr<Module>& module, PinChangeOptions options) {
  PinWork work;
  const CK_FUNCTION_LIST& functions = module->functions();
  const auto stop = [&work](ErrorClass errorClass, std::string sentence) {
    return untouched(std::move(work), refuse(errorClass, "look", std::move(sentence)));
  };
  if (functions.C_SetPIN == nullptr) return stop(ErrorClass::Unsupported, "The library has no C_SetPIN.");
  Hold hold(module);
  if (Status status = hold.begin(options.target, options.lockDirectory); !status) {
    return untouched(std::move(work), status.error());
  }
  // Drops a count of tries that another process has spent since.
  auto found = findAnew(*module, options.target);
  if (!found) return untouched(std::move(work), found.error());
  work.token = std::move(found.value());
  const SlotDescription& token = work.token;
  if ((token.flags & CKF_TOKEN_INITIALIZED) == 0 || (token.flags & CKF_USER_PIN_INITIALIZED) == 0) {
    return stop(ErrorClass::AuthFailed, "The token has no user PIN yet; provision it.");
  }
  if ((token.flags & CKF_USER_PIN_LOCKED) != 0) {
    return stop(ErrorClass::PinLocked, "The token's user PIN is locked; nothing was sent.");
  }
  if ((token.flags & CKF_USER_PIN_FINAL_TRY) != 0 && !options.allowFinalTry) {
    return stop(ErrorClass::AuthFailed,
                "One try is left before the PIN locks, so nothing was sent; allow the final try explicitly.");
  }
  if (options.oldPin.empty() || (token.maxPinLength > 0 && token.minPinLength <= token.maxPinLength &&
                                 (options.oldPin.size() < token.minPinLength ||
                                  options.oldPin.size() > token.maxPinLength))) {
    return stop(ErrorClass::BadInput, "The PIN cannot be the token's, by its length; nothing was sent.");
  }
  if (Status status = checkNewPin(options.newPin, token); !status) return untouched(std::move(work), status.error());
  if (std::ranges::equal(options.oldPin.span(), options.newPin.span())) {
    return stop(ErrorClass::BadInput, "The new PIN is the old one; nothing was sent.");
  }
  auto opened = RefusedPins::open(options.stateDirectory, token.serialNumber);
  if (!opened) return untouched(std::move(work), opened.error());
  RefusedPins refused = std::move(opened.value());
  if (refused.contains(options.oldPin.span())) {
    return stop(ErrorClass::AuthFailed, "The token refused this PIN before, and it is not sent again.");
  }
  if (refused.unfinished(options.oldPin.span()) > 0) {
    return stop(ErrorClass::AuthFailed,
                "A try with this PIN was cut short and may have been a wrong one; log in with it first.");
  }
  // Before it is sent: whatever becomes of this process, the next one knows.
  if (Status noted = refused.begin(options.oldPin.span()); !noted) return untouched(std::move(work), noted.error());

  CK_RV rv = CKR_OK;
  const char* function = "C_OpenSession";
  {
    const Door door(functions, token.slot, CKF_RW_SESSION);
    rv = door.rv();
    if (rv == CKR_OK) {
      // Without a login before it: that would spend another try where the PIN is wrong.
      function = "C_SetPIN";
      rv = functions.C_SetPIN(door.session(), bytesOf(options.oldPin), options.oldPin.size(),
                              bytesOf(options.newPin), options.newPin.size());
    }
  }
  if (rv != CKR_OK) {
    Error error = Error::call(function, rv);
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID) {
      error.message = "The token refused the present PIN; that spent one of its tries, and it is not sent again.";
      if (Status status = refused.add(options.oldPin.span()); !status) error.message += " " + status.error().message;
    }
    const bool certain = beforeTheToken(rv) || std::strcmp(function, "C_SetPIN") != 0;
    if (certain) {
      if (rv != CKR_PIN_INCORRECT && rv != CKR_PIN_INVALID) refused.withdraw(options.oldPin.span());
      return untouched(std::move(work), std::move(error));
    }
    return unfinished(std::move(work), Step::SetPin, std::move(error));
  }
  if (Status status = prove(*module, same(token), options.newPin, &work.token); !status) {
    // The token may well have said CKR_OK and changed nothing; whoever tries the new PIN again spends another try.
    if (status.error().rv == CKR_PIN_INCORRECT) (void)refused.add(options.newPin.span());
    return unfinished(std::move(work), Step::Verify, status.error());
  }
  refused.clear();
  work.state = PinWork::State::Done;
  work.step = Step::Verify;
  return work;
}

}  // namespace hsm
