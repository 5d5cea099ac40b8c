// The middleware's view of the card in one process: what it cached, its sessions, its idea of the login.
#pragma once

#include <p11-kit/pkcs11.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "card.h"

namespace stub {

enum class ObjectKind { Data, PrivateKey, PublicKey, Profile };

/** An object as this process knows it; nothing of it is looked at again until C_Finalize. */
struct CachedObject {
  CK_OBJECT_HANDLE handle = 0;
  ObjectKind kind = ObjectKind::Data;
  std::uint32_t fileId = 0;
  bool isPrivate = false;
  Bytes label;
  Bytes application;
  std::optional<Bytes> objectId;
  /** CKA_ID of a key. */
  Bytes id;
  /** Kept after the first read, and from the creation on. */
  std::optional<Bytes> value;
  /** Created here with an empty value: only this process can read it. */
  bool emptyAtBirth = false;
  /** A value was set in place: see C_SetAttributeValue. */
  bool poisoned = false;
};

struct Session {
  CK_FLAGS flags = 0;
  bool searching = false;
  std::vector<CK_OBJECT_HANDLE> found;
  bool isReadWrite() const { return (flags & CKF_RW_SESSION) != 0; }
};

enum class LoginUser { None, User, SecurityOfficer };

constexpr CK_SLOT_ID kCardSlot = 0;
/** A second reader, always empty. */
constexpr CK_SLOT_ID kEmptySlot = 4;

class Slot {
 public:
  explicit Slot(SharedCard& shared);

  /** Looks whether a card came or went: CKR_OK, or CKR_GENERAL_ERROR when pcscd is not ours. */
  CK_RV detect();
  /** CKR_TOKEN_NOT_PRESENT unless a card is bound; looks for one only when none is. */
  CK_RV requireToken();
  Session* session(CK_SESSION_HANDLE handle);
  CachedObject* object(CK_OBJECT_HANDLE handle);
  CK_SESSION_HANDLE openSession(CK_FLAGS flags);
  /** Ends the login when it was the last one; false when the handle is unknown. */
  bool closeSession(CK_SESSION_HANDLE handle);
  void closeAllSessions();
  /** The middleware forgets the login; on 0.23 the card is told. */
  CK_RV logout();
  /** Gives the object a handle and puts it into the list; 0 when the list is full. */
  CK_OBJECT_HANDLE add(CachedObject object);
  void remove(CK_OBJECT_HANDLE handle);
  /** A key pair; the handles of its private and its public half. */
  std::pair<CK_OBJECT_HANDLE, CK_OBJECT_HANDLE> addKeyPair(const Bytes& label, const Bytes& id);
  void tokenRemoved();

  Connection card;
  bool hasReaders = false;
  bool tokenPresent = false;
  /** C_InitToken took the card away; all but 0.27 then fail, rather than say so. */
  bool brokenByInitToken = false;
  bool eventPending = false;
  LoginUser login = LoginUser::None;
  std::string soPin;
  CK_FLAGS pinFlags = 0;
  std::map<CK_SESSION_HANDLE, Session> sessions;
  std::vector<std::unique_ptr<CachedObject>> objects;

 private:
  CK_RV bind();

  bool serviceWasLost_ = false;
  CK_SESSION_HANDLE nextSession_ = 1;
  std::deque<CK_OBJECT_HANDLE> freeHandles_;
};

/** The code that a call ends with when the card's answer stands in its way. */
CK_RV returnValue(Wire wire);

}  // namespace stub
