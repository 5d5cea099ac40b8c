// C_Initialize, C_Finalize, C_GetInfo, C_GetFunctionList.
#include <cstring>

#include "functions.h"
#include "module.h"

using namespace stub;

namespace {

template <std::size_t size>
void pad(unsigned char (&field)[size], std::string_view text) {
  std::memset(field, ' ', size);
  std::memcpy(field, text.data(), text.size() < size ? text.size() : size);
}

}  // namespace

CK_RV stub_C_Initialize(void* arguments) {
  return guarded("C_Initialize", [&](Module& module) -> CK_RV {
    const auto* args = static_cast<const CK_C_INITIALIZE_ARGS*>(arguments);
    if (args != nullptr && args->pReserved != nullptr) return CKR_ARGUMENTS_BAD;
    if (module.initialised()) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    SharedCard* shared = module.shared();
    if (shared == nullptr) return CKR_GENERAL_ERROR;
    module.slot = std::make_unique<Slot>(*shared);
    module.slot->hasReaders = module.slot->card.join();
    module.slot->detect();
    module.slot->eventPending = false;
    return CKR_OK;
  });
}

CK_RV stub_C_Finalize(void* reserved) {
  return guarded("C_Finalize", [&](Module& module) -> CK_RV {
    if (reserved != nullptr) return CKR_ARGUMENTS_BAD;
    if (!module.initialised()) return CKR_CRYPTOKI_NOT_INITIALIZED;
    if (module.slot->login != LoginUser::None) module.slot->logout();
    module.slot.reset();
    return CKR_OK;
  });
}

CK_RV stub_C_GetInfo(CK_INFO* info) {
  return withSlot("C_GetInfo", [&](Slot& slot) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    *info = {};
    info->cryptokiVersion = {2, 20};
    pad(info->manufacturerID, "OpenSC Project");
    pad(info->libraryDescription, "OpenSC smartcard framework");
    info->libraryVersion = {0, static_cast<unsigned char>(slot.card.profile().opensc)};
    return CKR_OK;
  });
}

STUB_EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  if (list == nullptr) return CKR_ARGUMENTS_BAD;
  *list = functionList();
  return CKR_OK;
}

CK_RV stub_C_GetFunctionList(CK_FUNCTION_LIST** list) { return C_GetFunctionList(list); }
