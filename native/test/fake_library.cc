#include "fake_library.h"

#include <algorithm>
#include <cstring>

namespace hsm::test {
namespace {

FakeLibrary* current = nullptr;

template <std::size_t N>
void pad(CK_UTF8CHAR (&field)[N], const std::string& text) {
  std::memset(field, ' ', N);
  std::memcpy(field, text.data(), std::min(N, text.size()));
}

void unused() {}

}  // namespace

struct Calls {
  static CK_RV initialize(void* /*arguments*/) {
    if (const CK_RV rv = current->enter("C_Initialize"); rv != CKR_OK) return rv;
    if (current->initialized) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    current->initialized = true;
    if (current->renumbers) {
      std::map<CK_OBJECT_HANDLE, FakeObject> renumbered;
      for (auto& [handle, object] : current->objects) renumbered.emplace(current->nextHandle_++, std::move(object));
      current->objects = std::move(renumbered);
    }
    return current->leave("C_Initialize");
  }
  static CK_RV finalize(void* /*reserved*/) {
    if (const CK_RV rv = current->enter("C_Finalize"); rv != CKR_OK) return rv;
    if (!current->initialized) return CKR_CRYPTOKI_NOT_INITIALIZED;
    current->initialized = false;
    current->sessionOpen = false;
    current->loggedIn = false;
    return CKR_OK;
  }
  static CK_RV getInfo(CK_INFO* info) {
    *info = {};
    info->libraryVersion = {1, 2};
    pad(info->libraryDescription, "Fake library");
    return CKR_OK;
  }
  static CK_RV getSlotList(CK_BBOOL /*present*/, CK_SLOT_ID* slots, CK_ULONG* count) {
    if (const CK_RV rv = current->enter("C_GetSlotList"); rv != CKR_OK) return rv;
    *count = current->present ? 1 : 0;
    if (slots != nullptr && current->present) slots[0] = 7;
    return CKR_OK;
  }
  static CK_RV getSlotInfo(CK_SLOT_ID /*slot*/, CK_SLOT_INFO* info) {
    if (const CK_RV rv = current->enter("C_GetSlotInfo"); rv != CKR_OK) return rv;
    *info = {};
    pad(info->slotDescription, "Fake slot");
    if (current->removable) info->flags |= CKF_REMOVABLE_DEVICE;
    if (current->present) info->flags |= CKF_TOKEN_PRESENT;
    return CKR_OK;
  }
  static CK_RV getTokenInfo(CK_SLOT_ID /*slot*/, CK_TOKEN_INFO* info) {
    if (const CK_RV rv = current->enter("C_GetTokenInfo"); rv != CKR_OK) return rv;
    *info = {};
    pad(info->label, current->label);
    pad(info->serialNumber, current->serialNumber);
    pad(info->manufacturerID, "Fakes");
    pad(info->model, "F");
    info->flags = current->flags;
    info->ulMinPinLen = current->minPinLength;
    info->ulMaxPinLen = current->maxPinLength;
    return CKR_OK;
  }
  static CK_RV openSession(CK_SLOT_ID /*slot*/, CK_FLAGS /*flags*/, void* /*application*/, CK_NOTIFY /*notify*/,
                           CK_SESSION_HANDLE* session) {
    if (const CK_RV rv = current->enter("C_OpenSession"); rv != CKR_OK) return rv;
    if (!current->present) return CKR_TOKEN_NOT_PRESENT;
    current->sessionOpen = true;
    *session = ++current->session_;
    return CKR_OK;
  }
  static CK_RV closeSession(CK_SESSION_HANDLE /*session*/) {
    if (const CK_RV rv = current->enter("C_CloseSession"); rv != CKR_OK) return rv;
    current->sessionOpen = false;
    current->loggedIn = false;
    return CKR_OK;
  }
  static CK_RV getSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
    if (const CK_RV rv = check("C_GetSessionInfo", session); rv != CKR_OK) return rv;
    *info = {};
    info->state = current->loggedIn ? CKS_RW_USER_FUNCTIONS : 2;
    return CKR_OK;
  }
  static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE /*user*/, CK_UTF8CHAR* pin, CK_ULONG length) {
    if (const CK_RV rv = check("C_Login", session); rv != CKR_OK) return rv;
    if (std::string(reinterpret_cast<char*>(pin), length) != current->pin) return CKR_PIN_INCORRECT;
    current->loggedIn = true;
    return current->leave("C_Login");
  }
  static CK_RV logout(CK_SESSION_HANDLE session) {
    if (const CK_RV rv = check("C_Logout", session); rv != CKR_OK) return rv;
    current->loggedIn = false;
    return CKR_OK;
  }
  static CK_RV createObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, CK_ULONG count,
                            CK_OBJECT_HANDLE* handle) {
    if (const CK_RV rv = check("C_CreateObject", session); rv != CKR_OK) return rv;
    if (current->searching) current->createdDuringSearch = true;
    FakeObject object;
    object.isPrivate = false;
    bool onToken = false;
    for (CK_ULONG i = 0; i < count; ++i) {
      const auto* bytes = static_cast<const char*>(attributes[i].pValue);
      const std::string text(bytes, attributes[i].ulValueLen);
      if (attributes[i].type == CKA_LABEL) object.label = text;
      if (attributes[i].type == CKA_VALUE) object.value = text;
      if (attributes[i].type == CKA_PRIVATE) object.isPrivate = *bytes != 0;
      if (attributes[i].type == CKA_TOKEN) onToken = *bytes != 0;
      if (attributes[i].type == CKA_APPLICATION) {
        object.application = text;
        current->behindApplication = bytes[attributes[i].ulValueLen];
      }
    }
    if (!onToken) return CKR_ARGUMENTS_BAD;
    if (current->createGivesHandleZero) {
      *handle = 0;
      return CKR_OK;
    }
    *handle = current->put(std::move(object));
    return current->leave("C_CreateObject");
  }
  static CK_RV destroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle) {
    if (const CK_RV rv = check("C_DestroyObject", session); rv != CKR_OK) return rv;
    if (current->searching) current->destroyedDuringSearch = true;
    if (current->objects.erase(handle) == 0) return CKR_OBJECT_HANDLE_INVALID;
    return current->leave("C_DestroyObject");
  }
  static CK_RV getAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE* attributes,
                                 CK_ULONG count) {
    if (const CK_RV rv = check("C_GetAttributeValue", session); rv != CKR_OK) return rv;
    const auto found = current->objects.find(handle);
    if (found == current->objects.end() || (found->second.isPrivate && !current->loggedIn)) {
      return CKR_OBJECT_HANDLE_INVALID;
    }
    const FakeObject& object = found->second;
    CK_RV result = CKR_OK;
    for (CK_ULONG i = 0; i < count; ++i) {
      std::string value;
      const bool isData = object.objectClass == CKO_DATA;
      switch (attributes[i].type) {
        case CKA_CLASS:
          value.assign(reinterpret_cast<const char*>(&object.objectClass), sizeof object.objectClass);
          break;
        case CKA_PRIVATE: value.assign(1, object.isPrivate ? '\1' : '\0'); break;
        case CKA_LABEL: value = object.label; break;
        case CKA_APPLICATION: value = object.application; break;
        default: value = object.value; break;
      }
      if (!isData && (attributes[i].type == CKA_APPLICATION || attributes[i].type == CKA_VALUE)) {
        attributes[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
        result = CKR_ATTRIBUTE_TYPE_INVALID;
      } else if (attributes[i].pValue == nullptr) {
        attributes[i].ulValueLen = value.size();
      } else if (attributes[i].ulValueLen < value.size()) {
        attributes[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
        result = CKR_BUFFER_TOO_SMALL;
      } else {
        std::memcpy(attributes[i].pValue, value.data(), value.size());
        attributes[i].ulValueLen = current->tellsSillyLength ? 1UL << 40 : value.size();
      }
    }
    if (const CK_RV rv = current->leave("C_GetAttributeValue"); rv != CKR_OK) return rv;
    return result;
  }
  static CK_RV findObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE* /*attributes*/, CK_ULONG /*count*/) {
    if (const CK_RV rv = check("C_FindObjectsInit", session); rv != CKR_OK) return rv;
    if (current->searching) return CKR_OPERATION_ACTIVE;
    current->searching = true;
    current->found_.clear();
    if (current->emptySearches > 0) {
      --current->emptySearches;
      return CKR_OK;
    }
    for (const auto& [handle, object] : current->objects) {
      if (!object.isPrivate || current->loggedIn) current->found_.push_back(handle);
    }
    return CKR_OK;
  }
  static CK_RV findObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* handles, CK_ULONG most, CK_ULONG* count) {
    if (const CK_RV rv = check("C_FindObjects", session); rv != CKR_OK) return rv;
    *count = std::min<CK_ULONG>(most, current->found_.size());
    std::copy_n(current->found_.begin(), *count, handles);
    current->found_.erase(current->found_.begin(), current->found_.begin() + static_cast<std::ptrdiff_t>(*count));
    return CKR_OK;
  }
  static CK_RV findObjectsFinal(CK_SESSION_HANDLE session) {
    current->searching = false;
    return check("C_FindObjectsFinal", session);
  }
  static CK_RV generateRandom(CK_SESSION_HANDLE session, CK_BYTE* bytes, CK_ULONG length) {
    if (const CK_RV rv = check("C_GenerateRandom", session); rv != CKR_OK) return rv;
    std::memset(bytes, 0x5a, length);
    return CKR_OK;
  }

 private:
  static CK_RV check(const char* function, CK_SESSION_HANDLE session) {
    if (const CK_RV rv = current->enter(function); rv != CKR_OK) return rv;
    if (!current->present) return CKR_DEVICE_REMOVED;
    if (!current->sessionOpen || session != current->session_) return CKR_SESSION_HANDLE_INVALID;
    return CKR_OK;
  }
};

FakeLibrary::FakeLibrary() {
  current = this;
  functions_.version = {2, 40};
  functions_.C_Initialize = Calls::initialize;
  functions_.C_Finalize = Calls::finalize;
  functions_.C_GetInfo = Calls::getInfo;
  functions_.C_GetSlotList = Calls::getSlotList;
  functions_.C_GetSlotInfo = Calls::getSlotInfo;
  functions_.C_GetTokenInfo = Calls::getTokenInfo;
  functions_.C_OpenSession = Calls::openSession;
  functions_.C_CloseSession = Calls::closeSession;
  functions_.C_GetSessionInfo = Calls::getSessionInfo;
  functions_.C_Login = Calls::login;
  functions_.C_Logout = Calls::logout;
  functions_.C_CreateObject = Calls::createObject;
  functions_.C_DestroyObject = Calls::destroyObject;
  functions_.C_GetAttributeValue = Calls::getAttributeValue;
  functions_.C_SetAttributeValue = unused;
  functions_.C_FindObjectsInit = Calls::findObjectsInit;
  functions_.C_FindObjects = Calls::findObjects;
  functions_.C_FindObjectsFinal = Calls::findObjectsFinal;
  functions_.C_GenerateRandom = Calls::generateRandom;
}

FakeLibrary::~FakeLibrary() {
  if (current == this) current = nullptr;
}

CK_OBJECT_HANDLE FakeLibrary::put(FakeObject object) {
  const CK_OBJECT_HANDLE handle = nextHandle_++;
  objects.emplace(handle, std::move(object));
  return handle;
}

std::size_t FakeLibrary::count(const std::string& function) const {
  return static_cast<std::size_t>(std::count(calls.begin(), calls.end(), function));
}

CK_RV FakeLibrary::enter(const std::string& function) {
  calls.push_back(function);
  return intercept ? intercept(function) : CKR_OK;
}

CK_RV FakeLibrary::leave(const std::string& function) { return afterwards ? afterwards(function) : CKR_OK; }

}  // namespace hsm::test
