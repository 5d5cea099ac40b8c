// libFuzzer target: what a PKCS#11 library answers to C_FindObjects and C_GetAttributeValue. It may lie about every
// count, length and return code, but writes only into the buffers that it was given, as the standard says.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "cryptoki/session.h"

namespace {

const std::uint8_t* input = nullptr;
std::size_t left = 0;

std::uint8_t next() {
  if (left == 0) return 0;
  --left;
  return *input++;
}

CK_RV nextReturn() {
  constexpr CK_RV kAnswers[] = {CKR_OK,           CKR_OK,           CKR_OK,
                                CKR_BUFFER_TOO_SMALL, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_SENSITIVE,
                                CKR_DEVICE_REMOVED, CKR_GENERAL_ERROR};
  return kAnswers[next() % 8];
}

CK_ULONG nextLength(CK_ULONG given) {
  const std::uint8_t kind = next();
  switch (kind % 6) {
    case 0: return given;
    case 1: return std::min<CK_ULONG>(given, next());
    case 2: return given + next();
    case 3: return CK_UNAVAILABLE_INFORMATION;
    case 4: return CK_UNAVAILABLE_INFORMATION - 1 - next();
    default: return std::min<CK_ULONG>(given, (CK_ULONG{next()} << 8) | next());
  }
}

CK_RV openSession(CK_SLOT_ID, CK_FLAGS, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
  *session = 1;
  return CKR_OK;
}
CK_RV closeSession(CK_SESSION_HANDLE) { return CKR_OK; }
CK_RV findInit(CK_SESSION_HANDLE, CK_ATTRIBUTE*, CK_ULONG) { return nextReturn(); }
CK_RV findFinal(CK_SESSION_HANDLE) { return nextReturn(); }
CK_RV find(CK_SESSION_HANDLE, CK_OBJECT_HANDLE* objects, CK_ULONG most, CK_ULONG* count) {
  const CK_ULONG found = left == 0 ? 0 : next() % 4;
  for (CK_ULONG i = 0; i < std::min(found, most); ++i) objects[i] = next();
  *count = left > 0 && next() == 0xff ? most + next() : found;
  return nextReturn();
}
CK_RV getAttributes(CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_ATTRIBUTE& attribute = attributes[i];
    const CK_ULONG given = attribute.pValue == nullptr ? 0 : attribute.ulValueLen;
    if (attribute.pValue != nullptr && next() % 4 != 0) {
      const auto written = std::min<CK_ULONG>(given, next());
      std::memset(attribute.pValue, next(), written);
    }
    attribute.ulValueLen = nextLength(given);
  }
  return nextReturn();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input = data;
  left = size;
  static CK_FUNCTION_LIST functions = [] {
    CK_FUNCTION_LIST list{};
    list.C_OpenSession = openSession;
    list.C_CloseSession = closeSession;
    list.C_FindObjectsInit = findInit;
    list.C_FindObjects = find;
    list.C_FindObjectsFinal = findFinal;
    list.C_GetAttributeValue = getAttributes;
    return list;
  }();
  hsm::Heartbeat heartbeat;
  auto session = hsm::Session::open(hsm::Module::fromFunctionList(&functions, "fuzz"), 0, &heartbeat);
  if (!session) return 0;
  (void)session.value()->scan();
  while (left > 0) {
    const auto value = session.value()->readValue(next());
    // Bytes past what was read would be somebody else's memory.
    std::size_t sum = 0;
    if (value) {
      for (const std::uint8_t byte : value.value().span()) sum += byte;
    }
    if (sum == static_cast<std::size_t>(-1)) std::abort();
  }
  return 0;
}
