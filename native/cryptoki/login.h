// When a PIN may be sent to a token, and what its answer means.
#ifndef HSM_NATIVE_CRYPTOKI_LOGIN_H_
#define HSM_NATIVE_CRYPTOKI_LOGIN_H_

#include <cstdint>
#include <span>

#include "cryptoki/module.h"
#include "cryptoki/refused_pins.h"
#include "cryptoki/result.h"
#include "cryptoki/session.h"

namespace hsm {

// Logs the user in, unless the token's flags or an earlier refusal say that a try must not be spent. `token` is
// the token's description of this moment. One call of C_Login at most.
Status logIn(Session& session, const SlotDescription& token, std::span<const std::uint8_t> pin, RefusedPins& refused,
             bool allowFinalTry);

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_LOGIN_H_
