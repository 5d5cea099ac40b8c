#include "cryptoki/login.h"

#include <string>

namespace hsm {
namespace {

constexpr CK_FLAGS kPinTriesSpent = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
// A token that says nothing of its counter cannot disprove that a login which was cut short was a wrong try: so often
// such a PIN is sent all the same, and never again.
constexpr int kMostUnfinished = 2;

Error refusal(ErrorClass errorClass, const SlotDescription& token, const std::string& sentence) {
  return Error::own(errorClass, "login", "Token " + token.serialNumber + ": " + sentence);
}

Status mayTry(const SlotDescription& token, std::span<const std::uint8_t> pin, const RefusedPins& refused,
              bool allowFinalTry) {
  if ((token.flags & CKF_TOKEN_INITIALIZED) == 0) {
    return refusal(ErrorClass::Unsupported, token, "it is not initialised.");
  }
  if ((token.flags & CKF_USER_PIN_INITIALIZED) == 0) {
    return refusal(ErrorClass::AuthFailed, token, "no user PIN has been set on it.");
  }
  if ((token.flags & CKF_USER_PIN_LOCKED) != 0) {
    return refusal(ErrorClass::PinLocked, token, "its user PIN is locked; unlock it with the SO PIN.");
  }
  if ((token.flags & CKF_USER_PIN_FINAL_TRY) != 0 && !allowFinalTry) {
    return refusal(ErrorClass::AuthFailed, token,
                   "one try is left before its PIN locks, so no PIN is sent; allow the final try explicitly.");
  }
  if (pin.empty()) return refusal(ErrorClass::BadInput, token, "the PIN is empty.");
  const bool limited = token.maxPinLength > 0 && token.minPinLength <= token.maxPinLength;
  if (limited && (pin.size() < token.minPinLength || pin.size() > token.maxPinLength)) {
    return refusal(ErrorClass::BadInput, token,
                   "the PIN must have " + std::to_string(token.minPinLength) + " to " +
                       std::to_string(token.maxPinLength) + " characters; it was not sent.");
  }
  const std::string remedy =
      refused.path().empty() ? "." : "; give another, or remove " + refused.path() + " if this one is right.";
  if (refused.contains(pin)) {
    return refusal(ErrorClass::AuthFailed, token, "this PIN was refused before and is not sent again" + remedy);
  }
  const int unfinished = refused.unfinished(pin);
  if (unfinished > 0 && ((token.flags & kPinTriesSpent) != 0 || unfinished >= kMostUnfinished)) {
    return refusal(ErrorClass::AuthFailed, token,
                   "a login with this PIN was cut short and may have been a wrong try, so it is not sent again" +
                       remedy);
  }
  return {};
}

}  // namespace

Status logIn(Session& session, const SlotDescription& token, std::span<const std::uint8_t> pin, RefusedPins& refused,
             bool allowFinalTry) {
  if (Status may = mayTry(token, pin, refused, allowFinalTry); !may) return may;
  // Before it is sent: whatever becomes of this process, the next one knows.
  if (Status noted = refused.begin(pin); !noted) return noted;
  const CK_RV rv = session.login(pin);
  if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
    // "Already logged in" is also what a library says whose card is gone: only the session's state decides.
    if (rv == CKR_OK) {
      refused.clear();
    } else {
      refused.withdraw(pin);
    }
    return session.check();
  }
  Error error = Error::call("C_Login", rv);
  if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LOCKED) {
    error.message = "Token " + token.serialNumber + " refused the PIN (" + returnCodeName(rv) +
                    "); it is not sent again.";
    if (Status remembered = refused.add(pin); !remembered) error.message += " " + remembered.error().message;
  } else if (meansSessionLost(rv) || rv == CKR_PIN_LEN_RANGE) {
    refused.withdraw(pin);
  }
  return error;
}

}  // namespace hsm
