// Random bytes and key pairs: what of cryptography the stub needs to be a card.
#include <sys/random.h>

#include <algorithm>
#include <tuple>

#include "functions.h"
#include "module.h"

using namespace stub;

namespace {

/** Random bytes that one command fetches. */
constexpr CK_ULONG kRandomChunk = 1024;

Bytes attributeBytes(const CK_ATTRIBUTE* attributes, CK_ULONG count, CK_ATTRIBUTE_TYPE type) {
  for (CK_ULONG i = 0; i < count; ++i) {
    if (attributes[i].type != type || attributes[i].pValue == nullptr) continue;
    const auto* data = static_cast<const unsigned char*>(attributes[i].pValue);
    return Bytes(data, data + attributes[i].ulValueLen);
  }
  return {};
}

}  // namespace

CK_RV stub_C_GenerateRandom(CK_SESSION_HANDLE handle, unsigned char* data, CK_ULONG length) {
  return withSession("C_GenerateRandom", handle, [&](Slot& slot, Session&) -> CK_RV {
    if (data == nullptr && length > 0) return CKR_ARGUMENTS_BAD;
    if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
    for (CK_ULONG offset = 0; offset < length; offset += kRandomChunk) {
      if (const Wire wire = slot.card.command(); wire != Wire::Ok) return returnValue(wire);
      // Up to 256 bytes never come in part (getrandom(2)).
      const CK_ULONG end = std::min(offset + kRandomChunk, length);
      for (CK_ULONG at = offset; at < end; at += 256) {
        if (getrandom(data + at, std::min<CK_ULONG>(256, end - at), 0) < 0) return CKR_GENERAL_ERROR;
      }
    }
    return CKR_OK;
  });
}

CK_RV stub_C_GenerateKeyPair(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_ATTRIBUTE* publicPart,
                             CK_ULONG publicCount, CK_ATTRIBUTE*, CK_ULONG, CK_OBJECT_HANDLE* publicKey,
                             CK_OBJECT_HANDLE* privateKey) {
  return withSession("C_GenerateKeyPair", handle, [&](Slot& slot, Session& session) -> CK_RV {
    if (mechanism == nullptr || publicPart == nullptr || publicKey == nullptr || privateKey == nullptr) {
      return CKR_ARGUMENTS_BAD;
    }
    if (mechanism->mechanism != CKM_EC_KEY_PAIR_GEN) return CKR_MECHANISM_INVALID;
    if (!session.isReadWrite()) return CKR_SESSION_READ_ONLY;
    if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
    const Bytes label = attributeBytes(publicPart, publicCount, CKA_LABEL);
    const Bytes id = attributeBytes(publicPart, publicCount, CKA_ID);
    if (const Wire wire = slot.card.generateKeyPair(label, id); wire != Wire::Ok) return returnValue(wire);
    std::tie(*privateKey, *publicKey) = slot.addKeyPair(label, id);
    return CKR_OK;
  });
}
