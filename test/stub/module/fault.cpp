#include "fault.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>

namespace stub {
namespace {

bool changesAnswer(FaultKind kind) {
  return kind == FaultKind::Length || kind == FaultKind::Count || kind == FaultKind::Handle;
}

std::optional<Fault> take(SharedCard* card, const char* function, bool (*wanted)(FaultKind)) {
  if (card == nullptr) return std::nullopt;
  const SharedCard::Lock lock(*card);
  for (Fault& fault : card->state().faults) {
    if (fault.kind == FaultKind::None || !wanted(fault.kind) || std::strcmp(fault.function, function) != 0) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    const Fault due = fault;
    if (fault.times > 0 && --fault.times == 0) fault.kind = FaultKind::None;
    return due;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Fault> takeFault(SharedCard* card, const char* function) {
  return take(card, function, [](FaultKind kind) { return !changesAnswer(kind); });
}

std::optional<CK_RV> actOn(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::ReturnValue:
      return static_cast<CK_RV>(fault.parameter);
    case FaultKind::Hang:
      if (fault.parameter == 0) {
        while (true) pause();
      }
      usleep(static_cast<useconds_t>(fault.parameter * 1000));
      return std::nullopt;
    case FaultKind::Crash:
      // A real fault, as a broken module's would be; handlers of the host see it so.
      raise(SIGSEGV);
      return CKR_GENERAL_ERROR;
    default:
      return std::nullopt;
  }
}

std::optional<std::uint64_t> takeAnswerFault(SharedCard* card, const char* function, FaultKind kind) {
  std::optional<Fault> due;
  switch (kind) {
    case FaultKind::Length:
      due = take(card, function, [](FaultKind other) { return other == FaultKind::Length; });
      break;
    case FaultKind::Count:
      due = take(card, function, [](FaultKind other) { return other == FaultKind::Count; });
      break;
    case FaultKind::Handle:
      due = take(card, function, [](FaultKind other) { return other == FaultKind::Handle; });
      break;
    default:
      break;
  }
  if (!due) return std::nullopt;
  return due->parameter;
}

}  // namespace stub
