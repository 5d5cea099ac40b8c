#include "cryptoki/session.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace hsm {
namespace {

constexpr std::size_t kFindBatch = 256;
// A label or an application longer than this is asked for again with its own length.
constexpr std::size_t kNameGuess = 512;
constexpr std::size_t kValueGuess = 8 * 1024;
// Nothing that this program stores comes near; a larger length is a broken library.
constexpr CK_ULONG kLargestAttribute = 64UL * 1024 * 1024;

bool known(CK_ULONG length) { return length != CK_UNAVAILABLE_INFORMATION; }

// What C_GetAttributeValue may say when a part of the attributes could be read (PKCS#11 2.40, 5.7).
bool partial(CK_RV rv) {
  return rv == CKR_BUFFER_TOO_SMALL || rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE;
}

std::string withoutTrailingNul(std::string text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::open(std::shared_ptr<Module> module, CK_SLOT_ID slot,
                                               Heartbeat* heartbeat) {
  heartbeat->beat();
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  const CK_RV rv =
      module->functions().C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle);
  if (rv != CKR_OK) return Error::call("C_OpenSession", rv);
  return std::unique_ptr<Session>(new Session(std::move(module), handle, heartbeat));
}

Session::~Session() { (void)call().C_CloseSession(handle_); }

const CK_FUNCTION_LIST& Session::call() {
  heartbeat_->beat();
  return module_->functions();
}

CK_RV Session::login(std::span<const std::uint8_t> pin) {
  // The parameter is not const in the ABI, but is only read.
  auto* bytes = const_cast<CK_UTF8CHAR*>(pin.data());
  return call().C_Login(handle_, CKU_USER, bytes, pin.size());
}

void Session::logout() { (void)call().C_Logout(handle_); }

Status Session::check() {
  CK_SESSION_INFO info = {};
  const CK_RV rv = call().C_GetSessionInfo(handle_, &info);
  if (rv != CKR_OK) return Error::call("C_GetSessionInfo", rv);
  if (info.state != CKS_RW_USER_FUNCTIONS) {
    return Error{ErrorClass::TokenGone, "C_GetSessionInfo", "The token has dropped the login.",
                 CKR_USER_NOT_LOGGED_IN};
  }
  return {};
}

Result<std::vector<CK_OBJECT_HANDLE>> Session::findAll() {
  CK_RV rv = call().C_FindObjectsInit(handle_, nullptr, 0);
  if (rv == CKR_OPERATION_ACTIVE) {
    // A search that somebody left open on this session; end it rather than fail for ever.
    (void)call().C_FindObjectsFinal(handle_);
    rv = call().C_FindObjectsInit(handle_, nullptr, 0);
  }
  if (rv != CKR_OK) return Error::call("C_FindObjectsInit", rv);
  std::vector<CK_OBJECT_HANDLE> found;
  std::array<CK_OBJECT_HANDLE, kFindBatch> batch{};
  CK_ULONG count = 0;
  do {
    count = 0;
    rv = call().C_FindObjects(handle_, batch.data(), batch.size(), &count);
    if (rv != CKR_OK || count > batch.size()) break;
    found.insert(found.end(), batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(count));
  } while (count > 0);
  // Always, whatever came before: an open search makes the next C_CreateObject fail.
  const CK_RV ended = call().C_FindObjectsFinal(handle_);
  if (rv != CKR_OK) return Error::call("C_FindObjects", rv);
  if (count > batch.size()) {
    return Error::own(ErrorClass::Internal, "C_FindObjects", "The library found more objects than it was asked for.");
  }
  if (ended != CKR_OK) return Error::call("C_FindObjectsFinal", ended);
  return found;
}

Result<Scan> Session::scan() {
  auto handles = findAll();
  if (!handles) return handles.error();
  Scan scan;
  std::string label;
  std::string application;
  for (const CK_OBJECT_HANDLE handle : handles.value()) {
    CK_OBJECT_CLASS objectClass = CK_UNAVAILABLE_INFORMATION;
    CK_BBOOL isPrivate = CK_FALSE;
    label.resize(std::max(label.capacity(), kNameGuess));
    application.resize(std::max(application.capacity(), kNameGuess));
    CK_RV rv = CKR_OK;
    std::array<CK_ATTRIBUTE, 4> wanted{};
    // Twice at most: the second time with the lengths that the library named.
    for (int attempt = 0; attempt < 2; ++attempt) {
      wanted = {{{CKA_CLASS, &objectClass, sizeof objectClass},
                 {CKA_PRIVATE, &isPrivate, sizeof isPrivate},
                 {CKA_LABEL, label.data(), label.size()},
                 {CKA_APPLICATION, application.data(), application.size()}}};
      rv = call().C_GetAttributeValue(handle_, handle, wanted.data(), wanted.size());
      if (rv != CKR_BUFFER_TOO_SMALL) break;
      if (objectClass != CKO_DATA && known(wanted[0].ulValueLen)) break;
      std::array<CK_ATTRIBUTE, 2> lengths = {{{CKA_LABEL, nullptr, 0}, {CKA_APPLICATION, nullptr, 0}}};
      const CK_RV asked = call().C_GetAttributeValue(handle_, handle, lengths.data(), lengths.size());
      if (asked != CKR_OK && !partial(asked)) return Error::call("C_GetAttributeValue", asked);
      for (const CK_ATTRIBUTE& length : lengths) {
        if (!known(length.ulValueLen) || length.ulValueLen > kLargestAttribute) continue;
        std::string& target = length.type == CKA_LABEL ? label : application;
        if (length.ulValueLen > target.size()) target.resize(length.ulValueLen);
      }
    }
    // Destroyed by somebody else since the search.
    if (rv == CKR_OBJECT_HANDLE_INVALID) continue;
    if (rv != CKR_OK && !partial(rv)) return Error::call("C_GetAttributeValue", rv);
    if (!known(wanted[0].ulValueLen) || objectClass != CKO_DATA) {
      ++scan.otherObjects;
      continue;
    }
    ScannedObject object;
    object.handle = handle;
    object.isPrivate = known(wanted[1].ulValueLen) && isPrivate != CK_FALSE;
    if (known(wanted[2].ulValueLen) && wanted[2].ulValueLen <= label.size()) {
      object.label.assign(label, 0, wanted[2].ulValueLen);
    }
    if (known(wanted[3].ulValueLen) && wanted[3].ulValueLen <= application.size()) {
      object.application = withoutTrailingNul(application.substr(0, wanted[3].ulValueLen));
    }
    scan.objects.push_back(std::move(object));
  }
  return scan;
}

Result<SecureBytes> Session::readValue(CK_OBJECT_HANDLE handle) {
  if (buffer_.empty()) buffer_ = SecureBytes(kValueGuess);
  CK_ATTRIBUTE wanted = {CKA_VALUE, buffer_.data(), buffer_.size()};
  CK_RV rv = call().C_GetAttributeValue(handle_, handle, &wanted, 1);
  if (rv == CKR_BUFFER_TOO_SMALL) {
    wanted = {CKA_VALUE, nullptr, 0};
    rv = call().C_GetAttributeValue(handle_, handle, &wanted, 1);
    if (rv != CKR_OK) return Error::call("C_GetAttributeValue", rv);
    if (!known(wanted.ulValueLen) || wanted.ulValueLen > kLargestAttribute) {
      return Error::own(ErrorClass::Corrupt, "C_GetAttributeValue", "The library names no sane length of a value.");
    }
    buffer_ = SecureBytes(std::bit_ceil(wanted.ulValueLen + 1));
    wanted = {CKA_VALUE, buffer_.data(), buffer_.size()};
    rv = call().C_GetAttributeValue(handle_, handle, &wanted, 1);
  }
  if (rv != CKR_OK) return Error::call("C_GetAttributeValue", rv);
  if (!known(wanted.ulValueLen) || wanted.ulValueLen > buffer_.size()) {
    return Error::own(ErrorClass::Corrupt, "C_GetAttributeValue", "The library gave a value without a sane length.");
  }
  SecureBytes value(buffer_.span().first(wanted.ulValueLen));
  wipeMemory(buffer_.data(), wanted.ulValueLen);
  return value;
}

Result<CK_OBJECT_HANDLE> Session::create(const std::string& label, const std::string& application,
                                         std::span<const std::uint8_t> value) {
  CK_OBJECT_CLASS objectClass = CKO_DATA;
  CK_BBOOL yes = CK_TRUE;
  // Inputs are only read, but not const in the ABI. std::string keeps a NUL behind its bytes: OpenSC takes the
  // application by strlen and ignores the length.
  auto* labelBytes = const_cast<char*>(label.c_str());
  auto* applicationBytes = const_cast<char*>(application.c_str());
  auto* valueBytes = const_cast<std::uint8_t*>(value.data());
  std::array<CK_ATTRIBUTE, 6> attributes = {{{CKA_CLASS, &objectClass, sizeof objectClass},
                                             {CKA_TOKEN, &yes, sizeof yes},
                                             {CKA_PRIVATE, &yes, sizeof yes},
                                             {CKA_LABEL, labelBytes, label.size()},
                                             {CKA_APPLICATION, applicationBytes, application.size()},
                                             {CKA_VALUE, valueBytes, value.size()}}};
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  const CK_RV rv = call().C_CreateObject(handle_, attributes.data(), attributes.size(), &handle);
  if (rv != CKR_OK) return Error::call("C_CreateObject", rv);
  if (handle == CK_INVALID_HANDLE) {
    return Error{ErrorClass::NoSpace, "C_CreateObject", "The token took the object but gave it no handle: it is full.",
                 rv};
  }
  return handle;
}

Status Session::destroy(CK_OBJECT_HANDLE handle) {
  const CK_RV rv = call().C_DestroyObject(handle_, handle);
  if (rv != CKR_OK) return Error::call("C_DestroyObject", rv);
  return {};
}

Result<SecureBytes> Session::random(std::size_t length) {
  SecureBytes bytes(length);
  const CK_RV rv = call().C_GenerateRandom(handle_, bytes.data(), bytes.size());
  if (rv != CKR_OK) return Error::call("C_GenerateRandom", rv);
  return bytes;
}

}  // namespace hsm
