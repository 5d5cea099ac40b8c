// One PKCS#11 call, played with the raw arguments of a command.
#pragma once

#include "wire.h"

namespace player {

struct Answer {
  CK_RV rv = CKR_OK;
  Json out;
};

/** Plays the function `name`; unknown names end the player (exit code 2). */
Answer play(CK_FUNCTION_LIST& module, const std::string& name, Words& words);

}  // namespace player
