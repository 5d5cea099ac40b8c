// Attributes of cached objects.
#pragma once

#include "slot.h"

namespace stub {

/** An attribute's bytes, read from the card where it must be; or the code why not. */
struct AttributeValue {
  CK_RV rv = CKR_OK;
  Bytes bytes;
};

AttributeValue readAttribute(Slot& slot, CachedObject& object, CK_ATTRIBUTE_TYPE type);
/** True when every attribute of the template has exactly the object's bytes. */
bool matches(Slot& slot, CachedObject& object, const CK_ATTRIBUTE* attributes, CK_ULONG count);

}  // namespace stub
