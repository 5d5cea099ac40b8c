#include "cryptoki/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <map>
#include <utility>

namespace hsm {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Module>> modules;
};

// Never destroyed: a thread that hangs in a library may outlive main.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

template <std::size_t N>
std::string trimmed(const CK_UTF8CHAR (&field)[N]) {
  std::size_t length = N;
  while (length > 0 && (field[length - 1] == ' ' || field[length - 1] == 0)) --length;
  return std::string(reinterpret_cast<const char*>(field), length);
}

std::string versionText(const CK_VERSION& version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor);
}

Error notALibrary(const std::string& path, const std::string& why) {
  return Error::own(ErrorClass::BadInput, "load", path + " is not a PKCS#11 library: " + why + ".");
}

bool complete(const CK_FUNCTION_LIST& list) {
  return list.C_Initialize != nullptr && list.C_Finalize != nullptr && list.C_GetInfo != nullptr &&
         list.C_GetSlotList != nullptr && list.C_GetSlotInfo != nullptr && list.C_GetTokenInfo != nullptr &&
         list.C_OpenSession != nullptr && list.C_CloseSession != nullptr && list.C_GetSessionInfo != nullptr &&
         list.C_Login != nullptr && list.C_Logout != nullptr && list.C_CreateObject != nullptr &&
         list.C_DestroyObject != nullptr && list.C_GetAttributeValue != nullptr &&
         list.C_FindObjectsInit != nullptr && list.C_FindObjects != nullptr &&
         list.C_FindObjectsFinal != nullptr && list.C_GenerateRandom != nullptr;
}

}  // namespace

Result<std::shared_ptr<Module>> Module::load(const std::string& path) {
  char resolved[PATH_MAX];
  if (path.empty() || realpath(path.c_str(), resolved) == nullptr) {
    return Error::own(ErrorClass::BadInput, "load", "There is no PKCS#11 library at " + path + ".");
  }
  struct stat status = {};
  if (stat(resolved, &status) != 0 || !S_ISREG(status.st_mode)) return notALibrary(path, "it is no regular file");
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  if (const auto found = known.modules.find(resolved); found != known.modules.end()) return found->second;
  void* library = dlopen(resolved, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    return notALibrary(path, reason == nullptr ? "it cannot be loaded" : reason);
  }
  const auto getFunctionList = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  if (getFunctionList == nullptr) {
    dlclose(library);
    return notALibrary(path, "it has no C_GetFunctionList");
  }
  CK_FUNCTION_LIST* functions = nullptr;
  const CK_RV rv = getFunctionList(&functions);
  if (rv != CKR_OK) return notALibrary(path, std::string("C_GetFunctionList says ") + returnCodeName(rv));
  if (functions == nullptr || functions->version.major < 2 || functions->version.major > 3 || !complete(*functions)) {
    return notALibrary(path, "its function list is not that of PKCS#11 2 or 3");
  }
  std::shared_ptr<Module> module(new Module(functions, path));
  known.modules.emplace(resolved, module);
  return module;
}

std::shared_ptr<Module> Module::fromFunctionList(CK_FUNCTION_LIST* functions, std::string name) {
  return std::shared_ptr<Module>(new Module(functions, std::move(name)));
}

void Module::stopAllCalls(std::chrono::milliseconds limit) {
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  for (const auto& [path, module] : known.modules) (void)module->calls_.try_lock_for(limit);  // never unlocked
}

Status Module::initialize() {
  CK_C_INITIALIZE_ARGS arguments = {};
  arguments.flags = CKF_OS_LOCKING_OK;
  CK_RV rv = functions_->C_Initialize(&arguments);
  // A library without locks of its own is safe here too: calls() serialises.
  if (rv == CKR_CANT_LOCK) rv = functions_->C_Initialize(nullptr);
  if (rv == CKR_OK) return {};
  if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return Error{ErrorClass::Busy, "C_Initialize",
                 name_ + " is already in use by another part of this process (CKR_CRYPTOKI_ALREADY_INITIALIZED).", rv};
  }
  return Error::call("C_Initialize", rv);
}

Status Module::acquire() {
  if (users_ == 0) {
    if (Status status = initialize(); !status) return status;
  }
  ++users_;
  return {};
}

void Module::release() {
  if (--users_ == 0) (void)functions_->C_Finalize(nullptr);
}

Status Module::reinitialize() {
  // Whatever C_Finalize says, only C_Initialize decides whether the library works again.
  (void)functions_->C_Finalize(nullptr);
  return initialize();
}

Result<std::vector<SlotDescription>> Module::slots() {
  CK_INFO info = {};
  CK_RV rv = functions_->C_GetInfo(&info);
  if (rv != CKR_OK) return Error::call("C_GetInfo", rv);
  const std::string library = trimmed(info.libraryDescription) + " " + versionText(info.libraryVersion);
  std::vector<CK_SLOT_ID> ids;
  // The number of slots may grow between the two calls (a reader plugged in).
  for (int attempt = 0; attempt < 8; ++attempt) {
    CK_ULONG count = 0;
    rv = functions_->C_GetSlotList(CK_TRUE, nullptr, &count);
    if (rv != CKR_OK) return Error::call("C_GetSlotList", rv);
    ids.resize(count);
    if (count == 0) break;
    rv = functions_->C_GetSlotList(CK_TRUE, ids.data(), &count);
    if (rv == CKR_OK) {
      ids.resize(count < ids.size() ? count : ids.size());
      break;
    }
    if (rv != CKR_BUFFER_TOO_SMALL) return Error::call("C_GetSlotList", rv);
    ids.clear();
  }
  std::vector<SlotDescription> found;
  for (const CK_SLOT_ID id : ids) {
    CK_TOKEN_INFO token = {};
    rv = functions_->C_GetTokenInfo(id, &token);
    if (rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_TOKEN_NOT_RECOGNIZED || rv == CKR_DEVICE_REMOVED) continue;
    if (rv != CKR_OK) return Error::call("C_GetTokenInfo", rv);
    CK_SLOT_INFO slot = {};
    if (functions_->C_GetSlotInfo(id, &slot) != CKR_OK) slot = {};
    SlotDescription description;
    description.slot = id;
    description.slotDescription = trimmed(slot.slotDescription);
    description.serialNumber = trimmed(token.serialNumber);
    description.label = trimmed(token.label);
    description.manufacturer = trimmed(token.manufacturerID);
    description.model = trimmed(token.model);
    description.library = library;
    description.flags = token.flags;
    description.removable = (slot.flags & CKF_REMOVABLE_DEVICE) != 0;
    description.minPinLength = token.ulMinPinLen;
    description.maxPinLength = token.ulMaxPinLen;
    found.push_back(std::move(description));
  }
  return found;
}

Status Module::claim(const std::string& serialNumber) {
  if (!claimed_.empty()) {
    return Error::own(ErrorClass::Busy, "open",
                      "This process already serves token " + claimed_ + " of " + name_ +
                          "; a second token of one library needs a process of its own.");
  }
  claimed_ = serialNumber.empty() ? "without a serial number" : serialNumber;
  return {};
}

void Module::unclaim() { claimed_.clear(); }

Result<std::vector<SlotDescription>> listTokens(const std::string& modulePath, std::chrono::milliseconds limit) {
  auto loaded = Module::load(modulePath);
  if (!loaded) return loaded.error();
  Module& module = *loaded.value();
  const std::unique_lock lock(module.calls(), limit);
  if (!lock.owns_lock()) {
    return Error::own(ErrorClass::Busy, "listTokens", module.name() + " is busy with another call.");
  }
  if (Status status = module.acquire(); !status) return status.error();
  auto slots = module.slots();
  module.release();
  return slots;
}

}  // namespace hsm
