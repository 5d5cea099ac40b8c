#include "attributes.h"

#include <cstring>

namespace stub {
namespace {

Bytes number(CK_ULONG value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

CK_ULONG classOf(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::Data:
      return CKO_DATA;
    case ObjectKind::PrivateKey:
      return CKO_PRIVATE_KEY;
    case ObjectKind::PublicKey:
      return CKO_PUBLIC_KEY;
    case ObjectKind::Profile:
      return 9;  // CKO_PROFILE of PKCS#11 3.0.
  }
  return CKO_DATA;
}

AttributeValue invalid() { return {CKR_ATTRIBUTE_TYPE_INVALID, {}}; }

AttributeValue value(Slot& slot, CachedObject& object) {
  if (object.value) return {CKR_OK, *object.value};
  if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return {returnValue(wire), {}};
  if (object.emptyAtBirth) {
    for (int i = 0; i < 2; ++i) {
      if (const Wire wire = slot.card.command(); wire != Wire::Ok) return {returnValue(wire), {}};
    }
    if (slot.card.profile().opensc == 23) object.value = Bytes{};
    return {CKR_OK, {}};
  }
  const bool old = slot.card.profile().opensc == 23;
  const Entry* entry = slot.card.find(object.fileId, object.isPrivate);
  const std::size_t whole = entry != nullptr ? entry->valueLength : 0;
  Bytes bytes;
  const Wire wire = slot.card.readValue(object.fileId, object.isPrivate, bytes);
  if (wire == Wire::NotLoggedIn) return {old ? CKR_GENERAL_ERROR : CKR_USER_NOT_LOGGED_IN, {}};
  if (wire != Wire::Ok) return {returnValue(wire), {}};
  if (bytes.size() == whole) object.value = bytes;
  return {CKR_OK, bytes};
}

}  // namespace

AttributeValue readAttribute(Slot& slot, CachedObject& object, CK_ATTRIBUTE_TYPE type) {
  const bool isProfile = object.kind == ObjectKind::Profile;
  const bool isData = object.kind == ObjectKind::Data;
  switch (type) {
    case CKA_CLASS:
      return {CKR_OK, number(classOf(object.kind))};
    case CKA_PRIVATE:
      return {CKR_OK, {static_cast<unsigned char>(object.isPrivate ? 1 : 0)}};
    case CKA_TOKEN:
      return isProfile && slot.card.profile().opensc == 23 ? invalid() : AttributeValue{CKR_OK, {1}};
    case CKA_LABEL:
      return isProfile ? invalid() : AttributeValue{CKR_OK, object.label};
    case CKA_MODIFIABLE:
      return isProfile ? invalid() : AttributeValue{CKR_OK, {static_cast<unsigned char>(isData ? 1 : 0)}};
    case CKA_ID:
      return isProfile || isData ? invalid() : AttributeValue{CKR_OK, object.id};
    case CKA_APPLICATION:
      return isData ? AttributeValue{CKR_OK, object.application} : invalid();
    case CKA_OBJECT_ID:
      return isData && object.objectId ? AttributeValue{CKR_OK, *object.objectId} : invalid();
    case CKA_VALUE:
      if (object.kind == ObjectKind::PublicKey && object.value) return {CKR_OK, *object.value};
      return isData ? value(slot, object) : invalid();
    default:
      return invalid();
  }
}

bool matches(Slot& slot, CachedObject& object, const CK_ATTRIBUTE* attributes, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; ++i) {
    const CK_ATTRIBUTE& wanted = attributes[i];
    const AttributeValue held = readAttribute(slot, object, wanted.type);
    if (held.rv != CKR_OK || held.bytes.size() != wanted.ulValueLen) return false;
    if (!held.bytes.empty() && std::memcmp(held.bytes.data(), wanted.pValue, held.bytes.size()) != 0) return false;
  }
  return true;
}

}  // namespace stub
