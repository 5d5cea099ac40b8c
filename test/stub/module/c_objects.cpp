// Creating, changing and destroying objects.
#include <signal.h>

#include <algorithm>
#include <cstring>

#include "functions.h"
#include "module.h"

using namespace stub;

namespace {

const CK_ATTRIBUTE* findAttribute(const CK_ATTRIBUTE* attributes, CK_ULONG count, CK_ATTRIBUTE_TYPE type) {
  // The last one of a type counts.
  for (CK_ULONG i = count; i > 0; --i) {
    if (attributes[i - 1].type == type) return &attributes[i - 1];
  }
  return nullptr;
}

Bytes bytesOf(const CK_ATTRIBUTE& attribute) {
  const auto* data = static_cast<const unsigned char*>(attribute.pValue);
  return data == nullptr ? Bytes{} : Bytes(data, data + attribute.ulValueLen);
}

/** A flag counts only when it has the length of a CK_BBOOL. */
std::optional<bool> flagOf(const CK_ATTRIBUTE* attribute) {
  if (attribute == nullptr || attribute->ulValueLen != sizeof(CK_BBOOL)) return std::nullopt;
  return *static_cast<const CK_BBOOL*>(attribute->pValue) != CK_FALSE;
}

/** Labels end at a NUL, and at their greatest length. */
Bytes labelOf(const CK_ATTRIBUTE* attribute) {
  if (attribute == nullptr) return {};
  Bytes label = bytesOf(*attribute);
  label.erase(std::find(label.begin(), label.end(), 0), label.end());
  if (label.size() > kLongestText) label.resize(kLongestText);
  return label;
}

/** The length that was given is not looked at: the application reaches to the next NUL in memory. */
Bytes applicationOf(const CK_ATTRIBUTE* attribute, const Bytes& label) {
  if (attribute == nullptr) return label;
  if (attribute->pValue == nullptr) return {};
  const char* start = static_cast<const char*>(attribute->pValue);
  Bytes application(start, start + strnlen(start, kMaxName));
  if (application.size() > kLongestText) application.resize(kLongestText);
  return application;
}

CK_RV createData(Slot& slot, const CK_ATTRIBUTE* attributes, CK_ULONG count, CK_OBJECT_HANDLE* handle) {
  NewEntry entry;
  entry.isPrivate = flagOf(findAttribute(attributes, count, CKA_PRIVATE)).value_or(false);
  entry.label = labelOf(findAttribute(attributes, count, CKA_LABEL));
  entry.application = applicationOf(findAttribute(attributes, count, CKA_APPLICATION), entry.label);
  const CK_ATTRIBUTE* objectId = findAttribute(attributes, count, CKA_OBJECT_ID);
  if (objectId != nullptr) entry.objectId = bytesOf(*objectId);
  const CK_ATTRIBUTE* value = findAttribute(attributes, count, CKA_VALUE);
  if (value != nullptr) entry.value = bytesOf(*value);
  if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
  if (entry.objectId && entry.objectId->empty()) {
    const Wire wire = slot.card.command();
    return wire == Wire::Ok ? CKR_ATTRIBUTE_VALUE_INVALID : returnValue(wire);
  }
  CachedObject object;
  if (const Wire wire = slot.card.create(entry, object.fileId); wire != Wire::Ok) return returnValue(wire);
  object.isPrivate = entry.isPrivate;
  object.label = entry.label;
  object.application = entry.application;
  object.objectId = entry.objectId;
  object.emptyAtBirth = entry.value->empty();
  if (!object.emptyAtBirth) object.value = entry.value;
  // Beyond the most objects that the middleware lists, this is 0, and still CKR_OK.
  *handle = slot.add(object);
  if (const auto lie = takeAnswerFault(&slot.card.shared(), "C_CreateObject", FaultKind::Handle)) *handle = *lie;
  return CKR_OK;
}

CK_RV setLabel(Slot& slot, CachedObject& object, const CK_ATTRIBUTE& attribute) {
  if (attribute.ulValueLen > kLongestText) {
    const Wire wire = slot.card.command();
    return wire == Wire::Ok ? CKR_ARGUMENTS_BAD : returnValue(wire);
  }
  object.label = labelOf(&attribute);  // First here, whatever the card says.
  const Wire wire = slot.card.rename(object.fileId, object.isPrivate, object.label);
  if (wire == Wire::Ok || !slot.card.profile().writesAreChecked()) return CKR_OK;
  return wire == Wire::Removed ? CKR_DEVICE_REMOVED : CKR_GENERAL_ERROR;
}

CK_RV setValue(Slot& slot, CachedObject& object, const CK_ATTRIBUTE& attribute) {
  const Bytes value = bytesOf(attribute);
  const Wire wire = slot.card.rewriteInVain(value);
  if (wire != Wire::Ok && wire != Wire::Incomplete) return returnValue(wire);
  object.value = value;
  object.poisoned = true;
  return CKR_ARGUMENTS_BAD;
}

}  // namespace

CK_RV stub_C_CreateObject(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* attributes, CK_ULONG count,
                          CK_OBJECT_HANDLE* object) {
  return withSession("C_CreateObject", handle, [&](Slot& slot, Session& session) -> CK_RV {
    if (attributes == nullptr || count == 0 || object == nullptr) return CKR_ARGUMENTS_BAD;
    const bool poisoned = std::any_of(slot.objects.begin(), slot.objects.end(),
                                      [](const auto& candidate) { return candidate->poisoned; });
    if (poisoned) raise(SIGSEGV);  // What the middleware does after a value was set in place.
    const CK_ATTRIBUTE* type = findAttribute(attributes, count, CKA_CLASS);
    const std::optional<bool> onToken = flagOf(findAttribute(attributes, count, CKA_TOKEN));
    if (type == nullptr) return CKR_TEMPLATE_INCOMPLETE;
    if (type->ulValueLen != sizeof(CK_OBJECT_CLASS)) return CKR_ATTRIBUTE_VALUE_INVALID;
    if (!onToken.value_or(slot.card.profile().opensc != 27)) return CKR_ARGUMENTS_BAD;
    if (!session.isReadWrite()) return CKR_SESSION_READ_ONLY;
    CK_OBJECT_CLASS wanted = 0;
    std::memcpy(&wanted, type->pValue, sizeof wanted);
    if (wanted == CKO_DATA) return createData(slot, attributes, count, object);
    if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
    slot.card.command();
    return CKR_GENERAL_ERROR;
  });
}

CK_RV stub_C_DestroyObject(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE objectHandle) {
  return withSession("C_DestroyObject", handle, [&](Slot& slot, Session& session) -> CK_RV {
    const CachedObject* object = slot.object(objectHandle);
    if (object == nullptr) return CKR_OBJECT_HANDLE_INVALID;
    if (!session.isReadWrite()) return CKR_SESSION_READ_ONLY;
    if (object->kind != ObjectKind::Data) return CKR_FUNCTION_NOT_SUPPORTED;
    if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
    if (object->poisoned) {
      const Wire wire = slot.card.command();
      return wire == Wire::Ok ? CKR_ARGUMENTS_BAD : returnValue(wire);
    }
    // By its file number: whatever stands there now is what goes.
    const CK_RV rv = returnValue(slot.card.destroy(object->fileId, object->isPrivate));
    if (rv == CKR_OK) slot.remove(objectHandle);
    return rv;
  });
}

CK_RV stub_C_SetAttributeValue(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE objectHandle, CK_ATTRIBUTE* attributes,
                               CK_ULONG count) {
  return withSession("C_SetAttributeValue", handle, [&](Slot& slot, Session& session) -> CK_RV {
    if (attributes == nullptr || count == 0) return CKR_ARGUMENTS_BAD;
    CachedObject* object = slot.object(objectHandle);
    if (object == nullptr) return CKR_OBJECT_HANDLE_INVALID;
    if (!session.isReadWrite()) return CKR_SESSION_READ_ONLY;
    if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_RV rv = CKR_OK;
      if (attributes[i].type == CKA_LABEL) {
        rv = setLabel(slot, *object, attributes[i]);
      } else if (attributes[i].type == CKA_VALUE) {
        rv = setValue(slot, *object, attributes[i]);
      } else {
        const Wire wire = slot.card.command();
        rv = wire == Wire::Ok ? CKR_ATTRIBUTE_READ_ONLY : returnValue(wire);
      }
      if (rv != CKR_OK) return rv;
    }
    return CKR_OK;
  });
}
