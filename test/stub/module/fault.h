// Misbehaviour on cue: what tests ask a function to do instead of its work.
#pragma once

#include <p11-kit/pkcs11.h>

#include <optional>

#include "shared.h"

namespace stub {

/** The fault that is due in this call of `function`, if any; counts the call. */
std::optional<Fault> takeFault(SharedCard* card, const char* function);
/** Hangs, crashes, or gives the code to return; nothing for faults that change the answer of a call. */
std::optional<CK_RV> actOn(const Fault& fault);
/** A due fault of `kind` for an answer that the function is about to give: its parameter. */
std::optional<std::uint64_t> takeAnswerFault(SharedCard* card, const char* function, FaultKind kind);

}  // namespace stub
