#pragma once

#include <cstdint>
#include <string>

namespace control {

/** The number of a return value given by name (`CKR_...`) or as a number; throws std::runtime_error. */
std::uint64_t returnValueOf(const std::string& name);

}  // namespace control
