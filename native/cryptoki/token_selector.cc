#include "cryptoki/token_selector.h"

#include <utility>
#include <vector>

namespace hsm {
namespace {

bool matches(const SlotDescription& slot, const TokenSelector& select) {
  if (select.serialNumber) return slot.serialNumber == *select.serialNumber;
  if (select.label) return slot.label == *select.label;
  return select.slot && slot.slot == *select.slot;
}

std::string selectorText(const TokenSelector& select) {
  if (select.serialNumber) return "the serial number " + *select.serialNumber;
  if (select.label) return "the label " + *select.label;
  return select.slot ? "the slot " + std::to_string(*select.slot) : "no selector";
}

}  // namespace

Result<SlotDescription> findToken(Module& module, const TokenSelector& select) {
  auto slots = module.slots();
  if (!slots) return slots.error();
  std::vector<SlotDescription> found;
  for (SlotDescription& slot : slots.value()) {
    if (matches(slot, select)) found.push_back(std::move(slot));
  }
  if (found.size() == 1) return std::move(found[0]);
  if (found.empty()) {
    return Error::own(ErrorClass::TokenGone, "open", module.name() + " shows no token with " + selectorText(select) + ".");
  }
  return Error::own(ErrorClass::BadInput, "open",
                    std::to_string(found.size()) + " tokens have " + selectorText(select) +
                        "; select one by its serial number.");
}

}  // namespace hsm
