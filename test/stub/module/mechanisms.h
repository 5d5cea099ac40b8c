#pragma once

#include <p11-kit/pkcs11.h>

#include <span>

#include "profile.h"

namespace stub {

struct Mechanism {
  CK_MECHANISM_TYPE type;
  CK_MECHANISM_INFO info;
};

std::span<const Mechanism> mechanismsOf(const Profile& profile);

}  // namespace stub
