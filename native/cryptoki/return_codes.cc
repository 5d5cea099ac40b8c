#include "cryptoki/return_codes.h"

namespace hsm {

const char* errorClassName(ErrorClass errorClass) {
  switch (errorClass) {
    case ErrorClass::NotFound: return "NotFound";
    case ErrorClass::AuthFailed: return "AuthFailed";
    case ErrorClass::PinLocked: return "PinLocked";
    case ErrorClass::TokenGone: return "TokenGone";
    case ErrorClass::NoSpace: return "NoSpace";
    case ErrorClass::TooLarge: return "TooLarge";
    case ErrorClass::Busy: return "Busy";
    case ErrorClass::Timeout: return "Timeout";
    case ErrorClass::Unsupported: return "Unsupported";
    case ErrorClass::BadInput: return "BadInput";
    case ErrorClass::Corrupt: return "Corrupt";
    case ErrorClass::Internal: return "Internal";
  }
  return "Internal";
}

const char* returnCodeName(CK_RV rv) {
  switch (rv) {
#define HSM_NAME_CKR(name, value) \
  case name: return #name;
    HSM_FOR_EACH_CKR(HSM_NAME_CKR)
#undef HSM_NAME_CKR
    default: return (rv & 0x80000000UL) != 0 ? "CKR_VENDOR_DEFINED" : "CKR_UNKNOWN";
  }
}

ErrorClass classify(CK_RV rv) {
  switch (rv) {
    case CKR_OBJECT_HANDLE_INVALID:
      return ErrorClass::NotFound;
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_EXPIRED:
    case CKR_USER_PIN_NOT_INITIALIZED:
      return ErrorClass::AuthFailed;
    case CKR_PIN_LOCKED:
      return ErrorClass::PinLocked;
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_SLOT_ID_INVALID:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return ErrorClass::TokenGone;
    case CKR_DEVICE_MEMORY:
      return ErrorClass::NoSpace;
    case CKR_DATA_LEN_RANGE:
      return ErrorClass::TooLarge;
    case CKR_SESSION_COUNT:
    case CKR_OPERATION_ACTIVE:
    case CKR_CRYPTOKI_ALREADY_INITIALIZED:
    case CKR_USER_ANOTHER_ALREADY_LOGGED_IN:
      return ErrorClass::Busy;
    case CKR_FUNCTION_NOT_SUPPORTED:
    case CKR_MECHANISM_INVALID:
    case CKR_TEMPLATE_INCONSISTENT:
    case CKR_ATTRIBUTE_TYPE_INVALID:
    case CKR_ATTRIBUTE_SENSITIVE:
    case CKR_ACTION_PROHIBITED:
    case CKR_TOKEN_WRITE_PROTECTED:
    case CKR_SESSION_READ_ONLY:
    case CKR_RANDOM_NO_RNG:
      return ErrorClass::Unsupported;
    default:
      return ErrorClass::Internal;
  }
}

bool meansSessionLost(CK_RV rv) {
  switch (rv) {
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return true;
    default:
      return false;
  }
}

bool mayMeanTokenLost(CK_RV rv) {
  switch (rv) {
    case CKR_DEVICE_REMOVED:
    case CKR_DEVICE_ERROR:
    case CKR_GENERAL_ERROR:
    case CKR_FUNCTION_FAILED:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_SLOT_ID_INVALID:
      return true;
    default:
      return meansSessionLost(rv);
  }
}

}  // namespace hsm
