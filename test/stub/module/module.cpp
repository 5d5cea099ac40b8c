#include "module.h"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace stub {

Module& Module::instance() {
  // Never destroyed: a thread may still sit in a call while the process ends.
  static Module* const module = new Module;
  return *module;
}

SharedCard* Module::shared() {
  const char* folder = std::getenv("HSM_STUB_CARD");
  // Another folder is another card, from the next C_Initialize on.
  if (shared_ && (initialised() || folder == nullptr || folder_ == folder)) return &*shared_;
  if (folder == nullptr) {
    std::fprintf(stderr, "hsmstub: HSM_STUB_CARD names no folder\n");
    return nullptr;
  }
  const char* name = std::getenv("HSM_STUB_PROFILE");
  const Profile* profile = findProfile(name != nullptr ? name : "opensc-0.27-pico");
  if (profile == nullptr) {
    std::fprintf(stderr, "hsmstub: HSM_STUB_PROFILE \"%s\" is unknown\n", name);
    return nullptr;
  }
  try {
    shared_.reset();
    shared_.emplace(SharedCard::open(folder, *profile));
    folder_ = folder;
  } catch (const std::runtime_error& error) {
    std::fprintf(stderr, "hsmstub: %s\n", error.what());
    return nullptr;
  }
  return &*shared_;
}

}  // namespace stub
