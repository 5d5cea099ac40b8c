#include "slot.h"

#include <algorithm>

namespace stub {
namespace {

/** The middleware lists no more objects than this, whatever their class. */
constexpr std::size_t kMostObjects = 128;

constexpr CK_OBJECT_HANDLE kFirstHandle = 0x55d000001000;
CK_OBJECT_HANDLE nextHandle = kFirstHandle;

Bytes bytesOf(const unsigned char* data, std::uint32_t length) { return Bytes(data, data + length); }

}  // namespace

CK_RV returnValue(Wire wire) {
  switch (wire) {
    case Wire::Ok:
      return CKR_OK;
    case Wire::Removed:
      return CKR_DEVICE_REMOVED;
    case Wire::NotLoggedIn:
      return CKR_USER_NOT_LOGGED_IN;
    case Wire::Incomplete:
      return CKR_ARGUMENTS_BAD;
    case Wire::NoFreeNumber:
      return CKR_DEVICE_MEMORY;
    case Wire::TransmitFailed:
    case Wire::NoService:
    case Wire::Refused:
    case Wire::NotFound:
      return CKR_GENERAL_ERROR;
  }
  return CKR_GENERAL_ERROR;
}

Slot::Slot(SharedCard& shared) : card(shared) {
  // Later ones come by the same addresses after C_Finalize, 0.23 does not.
  if (card.profile().opensc != 23) nextHandle = kFirstHandle;
}

CK_RV Slot::detect() {
  if (!hasReaders) return CKR_OK;
  if (!card.serviceAlive()) {
    if (!serviceWasLost_) eventPending = true;
    serviceWasLost_ = true;
    return CKR_GENERAL_ERROR;
  }
  if (!card.cardInReader()) {
    if (tokenPresent) tokenRemoved();
    return CKR_OK;
  }
  if (tokenPresent && card.sameCard()) return CKR_OK;
  if (tokenPresent) tokenRemoved();
  bind();
  return CKR_OK;
}

CK_RV Slot::bind() {
  std::vector<const Entry*> entries;
  const Wire wire = card.bind(entries);
  if (wire != Wire::Ok) return returnValue(wire);
  tokenPresent = true;
  brokenByInitToken = false;
  eventPending = true;
  const std::string serial = card.state().serial;
  const Bytes deviceLabel(serial.begin(), serial.end());
  const bool blank = card.state().blank == BlankState::Blank;
  if (card.profile().showsDeviceKey() && !blank) addKeyPair(deviceLabel, Bytes(20));
  for (const Entry* entry : entries) {
    if (entry->kind == EntryKind::KeyPair) addKeyPair(bytesOf(entry->label, entry->labelLength), bytesOf(entry->objectId, entry->objectIdLength));
  }
  for (const Entry* entry : entries) {
    if (entry->kind != EntryKind::Data) continue;
    CachedObject object;
    object.fileId = entry->fileId;
    object.isPrivate = entry->isPrivate != 0;
    object.label = bytesOf(entry->label, entry->labelLength);
    object.application = bytesOf(entry->application, entry->applicationLength);
    if (entry->hasObjectId != 0) object.objectId = bytesOf(entry->objectId, entry->objectIdLength);
    add(object);
  }
  if (!blank) {
    CachedObject profile;
    profile.kind = ObjectKind::Profile;
    add(profile);
  }
  return CKR_OK;
}

std::pair<CK_OBJECT_HANDLE, CK_OBJECT_HANDLE> Slot::addKeyPair(const Bytes& label, const Bytes& id) {
  CachedObject key;
  key.kind = ObjectKind::PrivateKey;
  key.isPrivate = true;
  key.label = label;
  key.id = id;
  const CK_OBJECT_HANDLE privateKey = add(key);
  key.kind = ObjectKind::PublicKey;
  key.isPrivate = false;
  key.value = Bytes(67, 4);  // An uncompressed point of P-256 in its OCTET STRING, by length.
  return {privateKey, add(key)};
}

CK_RV Slot::requireToken() {
  if (tokenPresent) return CKR_OK;
  if (brokenByInitToken) return CKR_GENERAL_ERROR;
  if (const CK_RV rv = detect(); rv != CKR_OK) return rv;
  return tokenPresent ? CKR_OK : CKR_TOKEN_NOT_PRESENT;
}

Session* Slot::session(CK_SESSION_HANDLE handle) {
  const auto found = sessions.find(handle);
  return found == sessions.end() ? nullptr : &found->second;
}

CachedObject* Slot::object(CK_OBJECT_HANDLE handle) {
  for (const auto& candidate : objects) {
    if (candidate->handle == handle) return candidate.get();
  }
  return nullptr;
}

CK_SESSION_HANDLE Slot::openSession(CK_FLAGS flags) {
  const CK_SESSION_HANDLE handle = nextSession_++;
  sessions[handle].flags = flags;
  return handle;
}

bool Slot::closeSession(CK_SESSION_HANDLE handle) {
  if (sessions.erase(handle) == 0) return false;
  if (sessions.empty() && login != LoginUser::None) logout();
  return true;
}

void Slot::closeAllSessions() {
  sessions.clear();
  if (login != LoginUser::None) logout();
}

CK_RV Slot::logout() {
  login = LoginUser::None;
  soPin.clear();
  if (!card.profile().logsOut()) return CKR_OK;
  if (const Wire wire = card.begin(); wire != Wire::Ok) return returnValue(wire);
  return returnValue(card.logout());
}

CK_OBJECT_HANDLE Slot::add(CachedObject object) {
  if (objects.size() >= kMostObjects) return 0;
  // Handles are the addresses of objects: those freed are used again.
  if (!freeHandles_.empty() && card.profile().opensc != 23) {
    object.handle = freeHandles_.front();
    freeHandles_.pop_front();
  } else {
    object.handle = nextHandle;
    nextHandle += 0x40;
  }
  objects.push_back(std::make_unique<CachedObject>(std::move(object)));
  return objects.back()->handle;
}

void Slot::remove(CK_OBJECT_HANDLE handle) {
  const auto found = std::find_if(objects.begin(), objects.end(),
                                  [&](const auto& candidate) { return candidate->handle == handle; });
  if (found == objects.end()) return;
  objects.erase(found);
  freeHandles_.push_back(handle);
}

void Slot::tokenRemoved() {
  sessions.clear();
  login = LoginUser::None;
  soPin.clear();
  for (auto object = objects.rbegin(); object != objects.rend(); ++object) freeHandles_.push_back((*object)->handle);
  objects.clear();
  tokenPresent = false;
  eventPending = true;
  card.disconnect();
}

}  // namespace stub
