// Sessions and logins.
#include <string>

#include "functions.h"
#include "module.h"

using namespace stub;

namespace {

constexpr std::size_t kShortestPin = 6;
constexpr std::size_t kLongestPin = 15;

std::string text(const unsigned char* data, CK_ULONG length) {
  return std::string(reinterpret_cast<const char*>(data), length);
}

CK_STATE stateOf(const Slot& slot, const Session& session, bool cardLoggedIn) {
  const bool writes = session.isReadWrite();
  if (slot.login == LoginUser::SecurityOfficer && slot.card.profile().opensc == 23) return CKS_RW_SO_FUNCTIONS;
  const bool user = slot.login == LoginUser::User && cardLoggedIn;
  if (user) return writes ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
  return writes ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
}

CK_RV loginUser(Slot& slot, const std::string& pin) {
  if (pin.size() < kShortestPin || pin.size() > kLongestPin) return CKR_PIN_LEN_RANGE;
  if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
  bool correct = false;
  if (const Wire wire = slot.card.verifyPin(pin, correct); wire != Wire::Ok) return returnValue(wire);
  if (correct) {
    slot.login = LoginUser::User;
    return CKR_OK;
  }
  return slot.card.state().pinTries == 0 ? CKR_PIN_LOCKED : CKR_PIN_INCORRECT;
}

}  // namespace

CK_RV stub_C_OpenSession(CK_SLOT_ID id, CK_FLAGS flags, void*, CK_NOTIFY, CK_SESSION_HANDLE* handle) {
  return withSlot("C_OpenSession", [&](Slot& slot) -> CK_RV {
    if ((flags & CKF_SERIAL_SESSION) == 0) return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
    if (handle == nullptr) return CKR_ARGUMENTS_BAD;
    if (!slot.hasReaders || (id != kCardSlot && id != kEmptySlot)) return CKR_SLOT_ID_INVALID;
    if (id == kEmptySlot) return CKR_TOKEN_NOT_PRESENT;
    if (const CK_RV rv = slot.requireToken(); rv != CKR_OK) return rv;
    if ((flags & CKF_RW_SESSION) == 0 && slot.login == LoginUser::SecurityOfficer) {
      return CKR_SESSION_READ_WRITE_SO_EXISTS;
    }
    *handle = slot.openSession(flags);
    return CKR_OK;
  });
}

CK_RV stub_C_CloseSession(CK_SESSION_HANDLE handle) {
  return withSlot("C_CloseSession", [&](Slot& slot) -> CK_RV {
    return slot.closeSession(handle) ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
  });
}

CK_RV stub_C_CloseAllSessions(CK_SLOT_ID id) {
  return withSlot("C_CloseAllSessions", [&](Slot& slot) -> CK_RV {
    if (!slot.hasReaders || (id != kCardSlot && id != kEmptySlot)) return CKR_SLOT_ID_INVALID;
    if (id == kEmptySlot) return CKR_TOKEN_NOT_PRESENT;
    if (const CK_RV rv = slot.requireToken(); rv != CKR_OK) return rv;
    slot.closeAllSessions();
    return CKR_OK;
  });
}

CK_RV stub_C_GetSessionInfo(CK_SESSION_HANDLE handle, CK_SESSION_INFO* info) {
  return withSession("C_GetSessionInfo", handle, [&](Slot& slot, Session& session) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    const bool old = slot.card.profile().opensc == 23;
    bool loggedIn = false;
    if (!old || slot.login != LoginUser::None) {
      // 0.23 asks the card only when it believes in a login, and gives the session up when the card knows of none.
      Wire wire = slot.card.begin();
      if (wire == Wire::Ok) wire = slot.card.pinStatus(loggedIn);
      if (wire != Wire::Ok || (old && !loggedIn)) {
        slot.login = LoginUser::None;
        slot.sessions.erase(handle);
        return CKR_SESSION_HANDLE_INVALID;
      }
    }
    *info = {kCardSlot, stateOf(slot, session, loggedIn), session.flags, 0};
    return CKR_OK;
  });
}

CK_RV stub_C_Login(CK_SESSION_HANDLE handle, CK_USER_TYPE type, unsigned char* pin, CK_ULONG length) {
  return withSession("C_Login", handle, [&](Slot& slot, Session&) -> CK_RV {
    if (pin == nullptr && length > 0) return CKR_ARGUMENTS_BAD;
    if (type != CKU_USER && type != CKU_SO && type != CKU_CONTEXT_SPECIFIC) return CKR_USER_TYPE_INVALID;
    if (type == CKU_CONTEXT_SPECIFIC) return CKR_OPERATION_NOT_INITIALIZED;
    const LoginUser wanted = type == CKU_SO ? LoginUser::SecurityOfficer : LoginUser::User;
    if (slot.login == wanted) return CKR_USER_ALREADY_LOGGED_IN;
    if (slot.login != LoginUser::None) return CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
    const std::string given = pin == nullptr ? std::string() : text(pin, length);
    if (wanted == LoginUser::User) return loginUser(slot, given);
    // Nothing is sent: only C_InitPIN tests what is remembered here.
    if (given.size() != 16) return CKR_PIN_LEN_RANGE;
    slot.soPin = given;
    slot.login = LoginUser::SecurityOfficer;
    return CKR_OK;
  });
}

CK_RV stub_C_Logout(CK_SESSION_HANDLE handle) {
  return withSession("C_Logout", handle, [&](Slot& slot, Session&) -> CK_RV {
    if (slot.login == LoginUser::None) return CKR_USER_NOT_LOGGED_IN;
    return slot.logout();
  });
}

CK_RV stub_C_InitPIN(CK_SESSION_HANDLE handle, unsigned char* pin, CK_ULONG length) {
  return withSession("C_InitPIN", handle, [&](Slot& slot, Session& session) -> CK_RV {
    if (pin == nullptr && length > 0) return CKR_ARGUMENTS_BAD;
    if (!session.isReadWrite()) return CKR_SESSION_READ_ONLY;
    if (slot.login != LoginUser::SecurityOfficer) return CKR_USER_NOT_LOGGED_IN;
    if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
    bool correct = false;
    const Wire wire = slot.card.resetPin(slot.soPin, text(pin, length), correct);
    slot.soPin.clear();  // Used up: a second call in the same login fails.
    if (wire != Wire::Ok) return returnValue(wire);
    return correct ? CKR_OK : CKR_PIN_INCORRECT;
  });
}

CK_RV stub_C_SetPIN(CK_SESSION_HANDLE handle, unsigned char* before, CK_ULONG beforeLength, unsigned char* after,
                    CK_ULONG afterLength) {
  return withSession("C_SetPIN", handle, [&](Slot& slot, Session& session) -> CK_RV {
    if (before == nullptr || after == nullptr) return CKR_ARGUMENTS_BAD;
    if (!session.isReadWrite()) return CKR_SESSION_READ_ONLY;
    const bool lengthsFit = beforeLength >= kShortestPin && beforeLength <= kLongestPin &&
                            afterLength >= kShortestPin && afterLength <= kLongestPin;
    if (!lengthsFit) return CKR_PIN_LEN_RANGE;
    if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
    bool correct = false;
    const Wire wire = slot.card.changePin(text(before, beforeLength), text(after, afterLength), correct);
    if (wire != Wire::Ok) return returnValue(wire);
    if (correct) return CKR_OK;
    return slot.card.state().pinTries == 0 ? CKR_PIN_LOCKED : CKR_PIN_INCORRECT;
  });
}
