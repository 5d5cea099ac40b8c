#pragma once

#include <string>
#include <vector>

namespace control {

/** Carries out one command on the card in `folder`; throws std::exception with one sentence when it cannot. */
void run(const std::string& folder, const std::vector<std::string>& words);

}  // namespace control
