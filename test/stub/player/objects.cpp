// Calls on objects, digests, random bytes and keys.
#include "calls.h"

#include <algorithm>
#include <map>

namespace player {
namespace {

/** A pointer that is not NULL, also to no bytes: NULL is an argument of its own. */
unsigned char* address(Bytes& bytes) {
  if (bytes.capacity() == 0) bytes.reserve(1);
  return bytes.data();
}

using Play = Answer (*)(CK_FUNCTION_LIST&, Words&);

Answer withHandle(CK_RV rv, CK_OBJECT_HANDLE handle) {
  Answer answer{rv, {}};
  if (rv == CKR_OK) answer.out.number("handle", handle);
  return answer;
}

Answer createObject(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  Template attributes = Template::withValues(words);
  CK_OBJECT_HANDLE handle = 0;
  const CK_RV rv = module.C_CreateObject(session, attributes.data(), attributes.size(), &handle);
  return withHandle(rv, handle);
}

Answer copyObject(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  const CK_OBJECT_HANDLE object = words.number();
  Template attributes = Template::withValues(words);
  CK_OBJECT_HANDLE handle = 0;
  const CK_RV rv = module.C_CopyObject(session, object, attributes.data(), attributes.size(), &handle);
  return withHandle(rv, handle);
}

Answer destroyObject(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  return {module.C_DestroyObject(session, words.number()), {}};
}

Answer getObjectSize(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  CK_ULONG size = 0;
  Answer answer{module.C_GetObjectSize(session, words.number(), &size), {}};
  if (answer.rv == CKR_OK) answer.out.number("size", size);
  return answer;
}

Answer getAttributeValue(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  const CK_OBJECT_HANDLE object = words.number();
  Template attributes = Template::withBuffers(words);
  Answer answer{module.C_GetAttributeValue(session, object, attributes.data(), attributes.size()), {}};
  answer.out.raw("attrs", attributes.answer());
  return answer;
}

Answer setAttributeValue(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  const CK_OBJECT_HANDLE object = words.number();
  Template attributes = Template::withValues(words);
  return {module.C_SetAttributeValue(session, object, attributes.data(), attributes.size()), {}};
}

Answer findObjectsInit(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  Template attributes = Template::withValues(words);
  return {module.C_FindObjectsInit(session, attributes.data(), attributes.size()), {}};
}

Answer findObjects(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  const CK_ULONG most = words.number();
  std::vector<CK_OBJECT_HANDLE> handles(most + 1);
  CK_ULONG count = 0;
  Answer answer{module.C_FindObjects(session, handles.data(), most, &count), {}};
  std::string list;
  for (CK_ULONG i = 0; i < std::min(count, most); ++i) {
    list += (i > 0 ? ",\"" : "\"") + std::to_string(handles[i]) + "\"";
  }
  answer.out.number("count", count).raw("handles", "[" + list + "]");
  return answer;
}

Answer findObjectsFinal(CK_FUNCTION_LIST& module, Words& words) {
  return {module.C_FindObjectsFinal(words.number()), {}};
}

Answer digestInit(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  CK_MECHANISM mechanism{words.number(), nullptr, 0};
  return {module.C_DigestInit(session, &mechanism), {}};
}

void addDigest(Answer& answer, const Bytes& buffer, CK_ULONG length, std::optional<CK_ULONG> capacity) {
  answer.out.number("len", length);
  if (answer.rv == CKR_OK && capacity) answer.out.hexBytes("hex", buffer.data(), std::min(length, *capacity));
}

Answer digest(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  Bytes data = words.bytes().value_or(Bytes{});
  const std::optional<CK_ULONG> capacity = words.optionalNumber();
  Bytes buffer(capacity.value_or(0) + 1);
  CK_ULONG length = capacity.value_or(0);
  Answer answer{module.C_Digest(session, address(data), data.size(), capacity ? buffer.data() : nullptr, &length), {}};
  addDigest(answer, buffer, length, capacity);
  return answer;
}

Answer digestUpdate(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  Bytes data = words.bytes().value_or(Bytes{});
  return {module.C_DigestUpdate(session, address(data), data.size()), {}};
}

Answer digestFinal(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  const std::optional<CK_ULONG> capacity = words.optionalNumber();
  Bytes buffer(capacity.value_or(0) + 1);
  CK_ULONG length = capacity.value_or(0);
  Answer answer{module.C_DigestFinal(session, capacity ? buffer.data() : nullptr, &length), {}};
  addDigest(answer, buffer, length, capacity);
  return answer;
}

Answer generateRandom(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  Bytes buffer(words.number());
  Answer answer{module.C_GenerateRandom(session, address(buffer), buffer.size()), {}};
  answer.out.boolean("allzero", std::all_of(buffer.begin(), buffer.end(), [](unsigned char c) { return c == 0; }));
  return answer;
}

Answer seedRandom(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  Bytes seed(words.number(), 7);
  return {module.C_SeedRandom(session, address(seed), seed.size()), {}};
}

Answer generateKey(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  CK_MECHANISM mechanism{words.number(), nullptr, 0};
  Template attributes = Template::withValues(words);
  CK_OBJECT_HANDLE handle = 0;
  const CK_RV rv = module.C_GenerateKey(session, &mechanism, attributes.data(), attributes.size(), &handle);
  return withHandle(rv, handle);
}

Answer generateKeyPair(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  CK_MECHANISM mechanism{words.number(), nullptr, 0};
  Template publicPart = Template::withValues(words);
  Template privatePart = Template::withValues(words);
  CK_OBJECT_HANDLE handles[2] = {0, 0};
  Answer answer{module.C_GenerateKeyPair(session, &mechanism, publicPart.data(), publicPart.size(),
                                         privatePart.data(), privatePart.size(), &handles[0], &handles[1]),
                {}};
  if (answer.rv == CKR_OK) answer.out.number("pub", handles[0]).number("priv", handles[1]);
  return answer;
}

}  // namespace

const std::map<std::string, Play>& objectCalls() {
  static const std::map<std::string, Play> calls = {
      {"C_CreateObject", createObject},
      {"C_CopyObject", copyObject},
      {"C_DestroyObject", destroyObject},
      {"C_GetObjectSize", getObjectSize},
      {"C_GetAttributeValue", getAttributeValue},
      {"C_SetAttributeValue", setAttributeValue},
      {"C_FindObjectsInit", findObjectsInit},
      {"C_FindObjects", findObjects},
      {"C_FindObjectsFinal", findObjectsFinal},
      {"C_DigestInit", digestInit},
      {"C_Digest", digest},
      {"C_DigestUpdate", digestUpdate},
      {"C_DigestFinal", digestFinal},
      {"C_GenerateRandom", generateRandom},
      {"C_SeedRandom", seedRandom},
      {"C_GenerateKey", generateKey},
      {"C_GenerateKeyPair", generateKeyPair},
  };
  return calls;
}

}  // namespace player
