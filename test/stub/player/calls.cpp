#include "calls.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

namespace player {
namespace {

using Play = Answer (*)(CK_FUNCTION_LIST&, Words&);

/** NULL for `-` only: no bytes still have an address. */
unsigned char* pointer(std::optional<Bytes>& bytes) {
  if (!bytes) return nullptr;
  bytes->reserve(1);
  return bytes->data();
}

CK_RV createMutex(void** mutex) {
  *mutex = new std::mutex;
  return CKR_OK;
}
CK_RV destroyMutex(void* mutex) {
  delete static_cast<std::mutex*>(mutex);
  return CKR_OK;
}
CK_RV lockMutex(void* mutex) {
  static_cast<std::mutex*>(mutex)->lock();
  return CKR_OK;
}
CK_RV unlockMutex(void* mutex) {
  static_cast<std::mutex*>(mutex)->unlock();
  return CKR_OK;
}

/** `kind` names which members of CK_C_INITIALIZE_ARGS are set: see docs/conformance.md. */
Answer initialize(CK_FUNCTION_LIST& module, Words& words) {
  const std::string kind = words.text();
  CK_C_INITIALIZE_ARGS args{};
  if (kind == "mutex" || kind == "osmutex") {
    args.CreateMutex = createMutex;
    args.DestroyMutex = destroyMutex;
    args.LockMutex = lockMutex;
    args.UnlockMutex = unlockMutex;
  }
  if (kind == "partial") args.CreateMutex = createMutex;
  if (kind == "os" || kind == "osmutex" || kind == "reserved") args.flags = CKF_OS_LOCKING_OK;
  int reserved = 0;
  if (kind == "reserved") args.pReserved = &reserved;
  return {module.C_Initialize(kind == "null" ? nullptr : &args), {}};
}

Answer finalize(CK_FUNCTION_LIST& module, Words& words) {
  int reserved = 0;
  return {module.C_Finalize(words.text() == "reserved" ? &reserved : nullptr), {}};
}

Json& version(Json& out, std::string_view name, const CK_VERSION& value) {
  return out.raw(name, "\"" + std::to_string(value.major) + "." + std::to_string(value.minor) + "\"");
}

Answer getInfo(CK_FUNCTION_LIST& module, Words&) {
  CK_INFO info{};
  Answer answer{module.C_GetInfo(&info), {}};
  version(answer.out, "cryptokiVersion", info.cryptokiVersion);
  answer.out.hexBytes("manufacturerID", info.manufacturerID, sizeof info.manufacturerID)
      .number("flags", info.flags)
      .hexBytes("libraryDescription", info.libraryDescription, sizeof info.libraryDescription);
  version(answer.out, "libraryVersion", info.libraryVersion);
  return answer;
}

std::string numberList(const std::vector<CK_ULONG>& values, std::size_t count) {
  std::string list;
  for (std::size_t i = 0; i < count && i < values.size(); ++i) {
    if (i > 0) list += ',';
    list += "\"" + std::to_string(values[i]) + "\"";
  }
  return "[" + list + "]";
}

Answer getSlotList(CK_FUNCTION_LIST& module, Words& words) {
  const CK_BBOOL present = words.number() != 0 ? CK_TRUE : CK_FALSE;
  const std::optional<CK_ULONG> capacity = words.optionalNumber();
  std::vector<CK_ULONG> slots(capacity.value_or(0) + 1);
  CK_ULONG count = capacity.value_or(0);
  Answer answer{module.C_GetSlotList(present, capacity ? slots.data() : nullptr, &count), {}};
  answer.out.number("count", count);
  if (capacity && answer.rv == CKR_OK) answer.out.raw("slots", numberList(slots, count));
  return answer;
}

Answer getSlotInfo(CK_FUNCTION_LIST& module, Words& words) {
  CK_SLOT_INFO info{};
  Answer answer{module.C_GetSlotInfo(words.number(), &info), {}};
  answer.out.hexBytes("slotDescription", info.slotDescription, sizeof info.slotDescription)
      .hexBytes("manufacturerID", info.manufacturerID, sizeof info.manufacturerID)
      .number("flags", info.flags);
  version(version(answer.out, "hw", info.hardwareVersion), "fw", info.firmwareVersion);
  return answer;
}

Answer getTokenInfo(CK_FUNCTION_LIST& module, Words& words) {
  CK_TOKEN_INFO info{};
  Answer answer{module.C_GetTokenInfo(words.number(), &info), {}};
  answer.out.hexBytes("label", info.label, sizeof info.label)
      .hexBytes("manufacturerID", info.manufacturerID, sizeof info.manufacturerID)
      .hexBytes("model", info.model, sizeof info.model)
      .hexBytes("serialNumber", info.serialNumber, sizeof info.serialNumber)
      .number("flags", info.flags)
      .number("ulMaxSessionCount", info.ulMaxSessionCount)
      .number("ulSessionCount", info.ulSessionCount)
      .number("ulMaxRwSessionCount", info.ulMaxRwSessionCount)
      .number("ulRwSessionCount", info.ulRwSessionCount)
      .number("ulMaxPinLen", info.ulMaxPinLen)
      .number("ulMinPinLen", info.ulMinPinLen)
      .number("ulTotalPublicMemory", info.ulTotalPublicMemory)
      .number("ulFreePublicMemory", info.ulFreePublicMemory)
      .number("ulTotalPrivateMemory", info.ulTotalPrivateMemory)
      .number("ulFreePrivateMemory", info.ulFreePrivateMemory);
  version(version(answer.out, "hw", info.hardwareVersion), "fw", info.firmwareVersion);
  return answer;
}

Answer getMechanismList(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SLOT_ID slot = words.number();
  const std::optional<CK_ULONG> capacity = words.optionalNumber();
  std::vector<CK_ULONG> mechanisms(capacity.value_or(0) + 1);
  CK_ULONG count = capacity.value_or(0);
  Answer answer{module.C_GetMechanismList(slot, capacity ? mechanisms.data() : nullptr, &count), {}};
  answer.out.number("count", count);
  if (capacity && answer.rv == CKR_OK) answer.out.raw("mechs", numberList(mechanisms, count));
  return answer;
}

Answer getMechanismInfo(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SLOT_ID slot = words.number();
  CK_MECHANISM_INFO info{};
  Answer answer{module.C_GetMechanismInfo(slot, words.number(), &info), {}};
  answer.out.number("ulMinKeySize", info.ulMinKeySize)
      .number("ulMaxKeySize", info.ulMaxKeySize)
      .number("flags", info.flags);
  return answer;
}

Answer waitForSlotEvent(CK_FUNCTION_LIST& module, Words& words) {
  CK_SLOT_ID slot = 0;
  Answer answer{module.C_WaitForSlotEvent(words.number(), &slot, nullptr), {}};
  if (answer.rv == CKR_OK) answer.out.number("slot", slot);
  return answer;
}

Answer initToken(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SLOT_ID slot = words.number();
  Bytes pin = words.bytes().value_or(Bytes{});
  Bytes label = words.bytes().value_or(Bytes{});
  label.resize(32, ' ');
  return {module.C_InitToken(slot, pin.data(), pin.size(), label.data()), {}};
}

Answer openSession(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SLOT_ID slot = words.number();
  CK_SESSION_HANDLE session = 0;
  Answer answer{module.C_OpenSession(slot, words.number(), nullptr, nullptr, &session), {}};
  if (answer.rv == CKR_OK) answer.out.number("session", session);
  return answer;
}

Answer closeSession(CK_FUNCTION_LIST& module, Words& words) { return {module.C_CloseSession(words.number()), {}}; }

Answer closeAllSessions(CK_FUNCTION_LIST& module, Words& words) {
  return {module.C_CloseAllSessions(words.number()), {}};
}

Answer getSessionInfo(CK_FUNCTION_LIST& module, Words& words) {
  CK_SESSION_INFO info{};
  Answer answer{module.C_GetSessionInfo(words.number(), &info), {}};
  answer.out.number("slot", info.slotID)
      .number("state", info.state)
      .number("flags", info.flags)
      .number("ulDeviceError", info.ulDeviceError);
  return answer;
}

Answer login(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  const CK_USER_TYPE type = words.number();
  std::optional<Bytes> pin = words.bytes();
  return {module.C_Login(session, type, pointer(pin), pin ? pin->size() : 0), {}};
}

Answer logout(CK_FUNCTION_LIST& module, Words& words) { return {module.C_Logout(words.number()), {}}; }

Answer initPin(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  std::optional<Bytes> pin = words.bytes();
  return {module.C_InitPIN(session, pointer(pin), pin ? pin->size() : 0), {}};
}

Answer setPin(CK_FUNCTION_LIST& module, Words& words) {
  const CK_SESSION_HANDLE session = words.number();
  std::optional<Bytes> before = words.bytes();
  std::optional<Bytes> after = words.bytes();
  return {module.C_SetPIN(session, pointer(before), before ? before->size() : 0, pointer(after),
                          after ? after->size() : 0),
          {}};
}

}  // namespace

// In objects.cpp.
const std::map<std::string, Play>& objectCalls();

Answer play(CK_FUNCTION_LIST& module, const std::string& name, Words& words) {
  static const std::map<std::string, Play> calls = [] {
    std::map<std::string, Play> all = {
        {"C_Initialize", initialize},
        {"C_Finalize", finalize},
        {"C_GetInfo", getInfo},
        {"C_GetSlotList", getSlotList},
        {"C_GetSlotInfo", getSlotInfo},
        {"C_GetTokenInfo", getTokenInfo},
        {"C_GetMechanismList", getMechanismList},
        {"C_GetMechanismInfo", getMechanismInfo},
        {"C_WaitForSlotEvent", waitForSlotEvent},
        {"C_InitToken", initToken},
        {"C_OpenSession", openSession},
        {"C_CloseSession", closeSession},
        {"C_CloseAllSessions", closeAllSessions},
        {"C_GetSessionInfo", getSessionInfo},
        {"C_Login", login},
        {"C_Logout", logout},
        {"C_InitPIN", initPin},
        {"C_SetPIN", setPin},
    };
    all.insert(objectCalls().begin(), objectCalls().end());
    return all;
  }();
  const auto found = calls.find(name);
  if (found == calls.end()) {
    std::fprintf(stderr, "hsmplayer: unknown function %s\n", name.c_str());
    std::_Exit(2);
  }
  return found->second(module, words);
}

}  // namespace player
