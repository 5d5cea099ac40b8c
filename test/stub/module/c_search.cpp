// Searches and attributes.
#include <algorithm>
#include <cstring>

#include "attributes.h"
#include "functions.h"
#include "module.h"

using namespace stub;

namespace {

/** When several attributes fail, the first of these is what the call returns. */
CK_RV worse(CK_RV left, CK_RV right) {
  const auto rank = [](CK_RV rv) {
    if (rv == CKR_OK) return 0;
    if (rv == CKR_BUFFER_TOO_SMALL) return 1;
    if (rv == CKR_ATTRIBUTE_TYPE_INVALID) return 2;
    return rv == CKR_ATTRIBUTE_SENSITIVE ? 3 : 4;
  };
  return rank(right) > rank(left) ? right : left;
}

CK_RV give(CK_ATTRIBUTE& attribute, const AttributeValue& held) {
  if (held.rv != CKR_OK) {
    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return held.rv;
  }
  if (attribute.pValue == nullptr) {
    attribute.ulValueLen = held.bytes.size();
    return CKR_OK;
  }
  if (attribute.ulValueLen < held.bytes.size()) {
    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return CKR_BUFFER_TOO_SMALL;
  }
  attribute.ulValueLen = held.bytes.size();
  std::copy(held.bytes.begin(), held.bytes.end(), static_cast<unsigned char*>(attribute.pValue));
  return CKR_OK;
}

}  // namespace

CK_RV stub_C_FindObjectsInit(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  return withSession("C_FindObjectsInit", handle, [&](Slot& slot, Session& session) -> CK_RV {
    if (attributes == nullptr && count > 0) return CKR_ARGUMENTS_BAD;
    if (session.searching) return CKR_OPERATION_ACTIVE;
    session.searching = true;
    session.found.clear();
    const bool hidesPrivate = slot.login == LoginUser::None;
    for (const auto& object : slot.objects) {
      if (hidesPrivate && object->isPrivate) continue;
      if (matches(slot, *object, attributes, count)) session.found.push_back(object->handle);
    }
    return CKR_OK;
  });
}

CK_RV stub_C_FindObjects(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE* found, CK_ULONG most, CK_ULONG* count) {
  return withSession("C_FindObjects", handle, [&](Slot& slot, Session& session) -> CK_RV {
    if (found == nullptr || count == nullptr || most == 0) return CKR_ARGUMENTS_BAD;
    if (!session.searching) return CKR_OPERATION_NOT_INITIALIZED;
    // Handed out as they were found, whatever became of them since.
    const std::size_t given = std::min<std::size_t>(most, session.found.size());
    std::copy_n(session.found.begin(), given, found);
    session.found.erase(session.found.begin(), session.found.begin() + static_cast<std::ptrdiff_t>(given));
    *count = static_cast<CK_ULONG>(given);
    SharedCard* card = &slot.card.shared();
    if (const auto lie = takeAnswerFault(card, "C_FindObjects", FaultKind::Count)) *count = *lie;
    if (const auto lie = takeAnswerFault(card, "C_FindObjects", FaultKind::Handle)) found[0] = *lie;
    return CKR_OK;
  });
}

CK_RV stub_C_FindObjectsFinal(CK_SESSION_HANDLE handle) {
  return withSession("C_FindObjectsFinal", handle, [&](Slot&, Session& session) -> CK_RV {
    if (!session.searching) return CKR_OPERATION_NOT_INITIALIZED;
    session.searching = false;
    session.found.clear();
    return CKR_OK;
  });
}

CK_RV stub_C_GetAttributeValue(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE objectHandle, CK_ATTRIBUTE* attributes,
                               CK_ULONG count) {
  return withSession("C_GetAttributeValue", handle, [&](Slot& slot, Session&) -> CK_RV {
    if (attributes == nullptr || count == 0) return CKR_ARGUMENTS_BAD;
    CachedObject* object = slot.object(objectHandle);
    if (object == nullptr) return CKR_OBJECT_HANDLE_INVALID;
    CK_RV rv = CKR_OK;
    for (CK_ULONG i = 0; i < count; ++i) {
      rv = worse(rv, give(attributes[i], readAttribute(slot, *object, attributes[i].type)));
    }
    const auto lie = takeAnswerFault(&slot.card.shared(), "C_GetAttributeValue", FaultKind::Length);
    for (CK_ULONG i = 0; lie && i < count; ++i) attributes[i].ulValueLen = *lie;
    return rv;
  });
}
