#include "profile.h"

#include <array>

namespace stub {
namespace {

constexpr std::array<Profile, 5> kProfiles = {{
    {"opensc-0.27-pico", 27, false, "Pico-HSM", 19, 238, 254, 4045, 256},
    {"opensc-0.26-pico", 26, false, "Pico-HSM", 19, 238, 254, 4045, 256},
    {"opensc-0.23-pico", 23, false, "Pico-HSM (UserPIN)", 24, 255, 256, 4045, 256},
    {"opensc-0.27-pico-devfw", 27, true, "Pico-HSM", 17, 238, 254, 65535, 1024},
    {"opensc-0.23-pico-devfw", 23, true, "Pico-HSM (UserPIN)", 22, 255, 256, 65535, 1024},
}};

}  // namespace

const Profile* findProfile(std::string_view name) {
  for (const Profile& profile : kProfiles) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

const Profile& profileAt(std::uint32_t index) { return kProfiles[index < kProfiles.size() ? index : 0]; }

std::uint32_t profileIndex(const Profile& profile) {
  for (std::uint32_t i = 0; i < kProfiles.size(); ++i) {
    if (kProfiles[i].name == profile.name) return i;
  }
  return 0;
}

}  // namespace stub
