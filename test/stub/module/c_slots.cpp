// Slots and the token: C_GetSlotList, C_GetSlotInfo, C_GetTokenInfo, mechanisms, C_WaitForSlotEvent, C_InitToken.
#include <time.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "functions.h"
#include "mechanisms.h"
#include "module.h"

using namespace stub;

namespace {

template <std::size_t size>
void pad(unsigned char (&field)[size], std::string_view text) {
  std::memset(field, ' ', size);
  std::memcpy(field, text.data(), std::min(text.size(), size));
}

bool isSlot(const Slot& slot, CK_SLOT_ID id) { return slot.hasReaders && (id == kCardSlot || id == kEmptySlot); }

CK_FLAGS pinFlagsOf(std::uint32_t tries) {
  if (tries >= 3) return 0;
  if (tries == 2) return CKF_USER_PIN_COUNT_LOW;
  return tries == 1 ? CKF_USER_PIN_FINAL_TRY : CKF_USER_PIN_LOCKED;
}

/** Copies a list by the rules of PKCS#11 2.40, section 5.2. */
CK_RV giveList(const std::vector<CK_ULONG>& values, CK_ULONG* target, CK_ULONG* count) {
  const CK_ULONG room = *count;
  *count = static_cast<CK_ULONG>(values.size());
  if (target == nullptr) return CKR_OK;
  if (room < values.size()) return CKR_BUFFER_TOO_SMALL;
  std::copy(values.begin(), values.end(), target);
  return CKR_OK;
}

}  // namespace

CK_RV stub_C_GetSlotList(CK_BBOOL tokenPresent, CK_SLOT_ID* list, CK_ULONG* count) {
  return withSlot("C_GetSlotList", [&](Slot& slot) -> CK_RV {
    if (count == nullptr) return CKR_ARGUMENTS_BAD;
    slot.detect();
    std::vector<CK_ULONG> slots;
    if (slot.hasReaders && (tokenPresent == CK_FALSE || slot.tokenPresent)) slots.push_back(kCardSlot);
    if (slot.hasReaders && tokenPresent == CK_FALSE) slots.push_back(kEmptySlot);
    const CK_RV rv = giveList(slots, list, count);
    const auto lie = takeAnswerFault(&slot.card.shared(), "C_GetSlotList", FaultKind::Count);
    if (lie) *count = *lie;
    return rv;
  });
}

CK_RV stub_C_GetSlotInfo(CK_SLOT_ID id, CK_SLOT_INFO* info) {
  return withSlot("C_GetSlotInfo", [&](Slot& slot) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    if (!isSlot(slot, id)) return CKR_SLOT_ID_INVALID;
    if (const CK_RV rv = slot.detect(); rv != CKR_OK) return rv;
    *info = {};
    pad(info->slotDescription, id == kCardSlot ? "Virtual PCD 00 00" : "Virtual PCD 00 01");
    pad(info->manufacturerID, "");
    info->flags = CKF_REMOVABLE_DEVICE | CKF_HW_SLOT;
    if (id == kCardSlot && slot.tokenPresent) info->flags |= CKF_TOKEN_PRESENT;
    return CKR_OK;
  });
}

CK_RV stub_C_GetTokenInfo(CK_SLOT_ID id, CK_TOKEN_INFO* info) {
  return withSlot("C_GetTokenInfo", [&](Slot& slot) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    if (!isSlot(slot, id)) return CKR_SLOT_ID_INVALID;
    if (id == kEmptySlot) return CKR_TOKEN_NOT_PRESENT;
    if (const CK_RV rv = slot.requireToken(); rv != CKR_OK) return rv;
    bool loggedIn = false;
    // Where the card does not answer, the flags known before stay.
    if (slot.card.begin() == Wire::Ok && slot.card.pinStatus(loggedIn) == Wire::Ok) {
      slot.pinFlags = pinFlagsOf(slot.card.state().pinTries);
    }
    *info = {};
    pad(info->label, slot.card.profile().tokenLabel);
    pad(info->manufacturerID, "Pol Henarejos");
    pad(info->model, "PKCS#15 emulated");
    pad(info->serialNumber, slot.card.state().serial);
    info->flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED | slot.pinFlags;
    if (slot.card.state().blank == BlankState::Blank) info->flags &= ~static_cast<CK_FLAGS>(CKF_TOKEN_INITIALIZED);
    const bool withoutPin =
        slot.card.state().blank == BlankState::Blank || slot.card.state().blank == BlankState::WithoutPin;
    if (withoutPin) info->flags &= ~static_cast<CK_FLAGS>(CKF_USER_PIN_INITIALIZED);
    info->ulMaxPinLen = 15;
    info->ulMinPinLen = 6;
    info->ulTotalPublicMemory = info->ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
    info->ulTotalPrivateMemory = info->ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
    info->hardwareVersion = {24, 13};
    info->firmwareVersion = {6, 6};
    return CKR_OK;
  });
}

CK_RV stub_C_GetMechanismList(CK_SLOT_ID id, CK_MECHANISM_TYPE* list, CK_ULONG* count) {
  return withSlot("C_GetMechanismList", [&](Slot& slot) -> CK_RV {
    if (count == nullptr) return CKR_ARGUMENTS_BAD;
    if (!isSlot(slot, id)) return CKR_SLOT_ID_INVALID;
    std::vector<CK_ULONG> mechanisms;
    for (const Mechanism& mechanism : mechanismsOf(slot.card.profile())) mechanisms.push_back(mechanism.type);
    return giveList(mechanisms, list, count);
  });
}

CK_RV stub_C_GetMechanismInfo(CK_SLOT_ID id, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  return withSlot("C_GetMechanismInfo", [&](Slot& slot) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    if (!isSlot(slot, id)) return CKR_SLOT_ID_INVALID;
    for (const Mechanism& mechanism : mechanismsOf(slot.card.profile())) {
      if (mechanism.type != type) continue;
      *info = mechanism.info;
      return CKR_OK;
    }
    return CKR_MECHANISM_INVALID;
  });
}

CK_RV stub_C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID* slotId, void* reserved) {
  constexpr timespec kPause{0, 10'000'000};
  while (true) {
    const CK_RV rv = withSlot("C_WaitForSlotEvent", [&](Slot& slot) -> CK_RV {
      if (slotId == nullptr || reserved != nullptr) return CKR_ARGUMENTS_BAD;
      slot.detect();
      if (!slot.eventPending) return CKR_NO_EVENT;
      slot.eventPending = false;
      *slotId = kCardSlot;
      return CKR_OK;
    });
    if (rv != CKR_NO_EVENT || (flags & CKF_DONT_BLOCK) != 0) return rv;
    nanosleep(&kPause, nullptr);
  }
}

CK_RV stub_C_InitToken(CK_SLOT_ID id, unsigned char* pin, CK_ULONG pinLength, unsigned char* label) {
  return withSlot("C_InitToken", [&](Slot& slot) -> CK_RV {
    if (pin == nullptr || label == nullptr) return CKR_ARGUMENTS_BAD;
    if (!isSlot(slot, id)) return CKR_SLOT_ID_INVALID;
    if (id == kEmptySlot) return CKR_TOKEN_NOT_PRESENT;
    if (const CK_RV rv = slot.requireToken(); rv != CKR_OK) return rv;
    if (!slot.sessions.empty()) return CKR_SESSION_EXISTS;
    if (const Wire wire = slot.card.begin(); wire != Wire::Ok) return returnValue(wire);
    const std::string soPin(reinterpret_cast<const char*>(pin), pinLength);
    const Wire wire = slot.card.initialise(soPin);
    slot.tokenRemoved();
    slot.brokenByInitToken = slot.card.profile().opensc != 27 || slot.card.profile().developmentFirmware;
    return returnValue(wire);
  });
}
