// Which of the tokens that a library shows is meant.
#ifndef HSM_NATIVE_CRYPTOKI_TOKEN_SELECTOR_H_
#define HSM_NATIVE_CRYPTOKI_TOKEN_SELECTOR_H_

#include <optional>
#include <string>

#include "cryptoki/module.h"
#include "cryptoki/pkcs11.h"
#include "cryptoki/result.h"

namespace hsm {

// Exactly one is set.
struct TokenSelector {
  std::optional<std::string> serialNumber;
  std::optional<std::string> label;
  std::optional<CK_SLOT_ID> slot;
};

// Wants calls() of the module to be held. TokenGone when there is none, BadInput when there are several.
Result<SlotDescription> findToken(Module& module, const TokenSelector& select);

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_TOKEN_SELECTOR_H_
