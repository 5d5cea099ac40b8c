// How a token is logged in, scanned, lost and brought back.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "cryptoki/device.h"
#include "cryptoki/login.h"

namespace hsm {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstBackOff{250};
// Looking for a token that is not there asks the reader, not a card: often, so that it is soon back.
constexpr milliseconds kAbsentBackOff{1'000};
constexpr milliseconds kLongestBackOff{15'000};
constexpr milliseconds kIdleLook{1'000};
// Looks at a token that does not show the same things twice, before it is given up for now.
constexpr int kConfirmations = 3;

using NameCounts = std::unordered_map<std::string, std::size_t>;

// What was known and is not in the scan, by name.
NameCounts missingFrom(const Scan& scan, const ObjectIndex& known) {
  NameCounts missing;
  for (const auto& [id, object] : known.objects()) ++missing[nameKey(object)];
  for (const ScannedObject& object : scan.objects) {
    const auto found = missing.find(nameKey(object));
    if (found != missing.end() && --found->second == 0) missing.erase(found);
  }
  return missing;
}

bool allIn(const NameCounts& part, const NameCounts& whole) {
  return std::all_of(part.begin(), part.end(), [&whole](const auto& entry) {
    const auto found = whole.find(entry.first);
    return found != whole.end() && entry.second <= found->second;
  });
}

}  // namespace

const char* tokenLifeName(TokenLife life) {
  switch (life) {
    case TokenLife::Absent: return "absent";
    case TokenLife::Present: return "present";
    case TokenLife::LoggedIn: return "loggedIn";
    case TokenLife::Lost: return "lost";
    case TokenLife::Hung: return "hung";
    case TokenLife::Locked: return "locked";
  }
  return "";
}

void Device::enter(TokenLife life) {
  if (life == life_) return;
  life_ = life;
  onEvent_(DeviceEvent{DeviceEvent::Kind::Life, {}, life});
}

// Session and login on the token that token_ describes.
Status Device::startSession() {
  auto session = Session::open(module_, token_.slot, heartbeat_);
  if (!session) return session.error();
  session_ = std::move(session.value());
  return logIn(*session_, token_, options_.pin.span(), refused_, options_.allowFinalTry);
}

// Close, finalise, initialise, find by serial number, log in: nothing of what the library knew before is left.
Status Device::restart() {
  session_.reset();
  heartbeat_->beat();
  if (Status status = module_->reinitialize(); !status) return status;
  TokenSelector same = options_.select;
  if (!token_.serialNumber.empty()) same = TokenSelector{token_.serialNumber, std::nullopt, std::nullopt};
  heartbeat_->beat();
  auto found = findToken(*module_, same);
  if (!found) {
    if (found.error().errorClass == ErrorClass::TokenGone) enter(TokenLife::Absent);
    return found.error();
  }
  token_ = std::move(found.value());
  if (life_ != TokenLife::LoggedIn) enter(TokenLife::Present);
  Status status = startSession();
  if (!status) session_.reset();
  return status;
}

Result<Scan> Device::look(bool handlesStable) {
  auto scanned = session_->scan();
  if (!scanned) return scanned;
  if (!handlesStable) {
    // Where label and application do not tell objects apart, their values do (ObjectIndex::replace).
    NameCounts now;
    NameCounts before;
    for (const ScannedObject& object : scanned.value().objects) ++now[nameKey(object)];
    for (const auto& [id, object] : index_.objects()) ++before[nameKey(object)];
    for (ScannedObject& object : scanned.value().objects) {
      const std::string key = nameKey(object);
      if (now[key] < 2 && before[key] < 2) continue;
      if (const auto value = session_->readValue(object.handle); value) {
        object.fingerprint = Sha256::of(value.value().span());
      }
    }
  }
  // A dropped login makes private objects vanish without an error: a scan counts only while it holds.
  if (Status status = session_->check(); !status) return status.error();
  return scanned;
}

// What a search does not show counts as gone only when a second one does not show it either, in a library that was
// started anew and in a login that is proven: libraries have answered CKR_OK and nothing for tokens that were full.
// On failure the index is what it was.
Status Device::rescan(bool handlesStable) {
  auto scan = look(handlesStable);
  if (!scan) return scan.error();
  NameCounts missing = missingFrom(scan.value(), index_);
  bool stable = handlesStable;
  bool certain = missing.empty() && (scanned_ || !scan.value().objects.empty());
  for (int i = 0; !certain && i < kConfirmations; ++i) {
    if (Status status = restart(); !status) return status;
    stable = false;
    auto again = look(false);
    if (!again) {
      session_.reset();
      return again.error();
    }
    NameCounts still = missingFrom(again.value(), index_);
    certain = allIn(still, missing);
    scan = std::move(again);
    missing = std::move(still);
  }
  if (!certain) {
    session_.reset();
    return Error::own(ErrorClass::TokenGone, "C_FindObjects",
                      "The token shows other objects at every look; none of it is believed.");
  }
  index_.replace(std::move(scan.value().objects), scan.value().otherObjects, stable);
  scanned_ = true;
  nextIdleLook_ = Clock::now() + kIdleLook;
  return {};
}

Status Device::bringBack() {
  Status status = restart();
  if (status) status = rescan(false);
  if (status) {
    const bool wasLost = state_ == State::Lost;
    state_ = State::Open;
    trouble_.reset();
    backOff_ = milliseconds{0};
    enter(TokenLife::LoggedIn);
    if (wasLost) onEvent_(DeviceEvent{DeviceEvent::Kind::Back, {}, life_});
    return {};
  }
  session_.reset();
  const ErrorClass reason = status.error().errorClass;
  const bool forGood = reason == ErrorClass::AuthFailed || reason == ErrorClass::PinLocked;
  if (reason == ErrorClass::PinLocked) enter(TokenLife::Locked);
  if (life_ == TokenLife::LoggedIn) enter(TokenLife::Lost);
  if (state_ == State::Open) onEvent_(DeviceEvent{DeviceEvent::Kind::Gone, status.error().message, life_});
  state_ = forGood ? State::Failed : State::Lost;
  trouble_ = status.error();
  const milliseconds longest = life_ == TokenLife::Absent ? kAbsentBackOff : kLongestBackOff;
  backOff_ = backOff_.count() == 0 ? kFirstBackOff : std::min(backOff_ * 2, longest);
  nextAttempt_ = Clock::now() + backOff_;
  return status;
}

Status Device::usable() {
  if (state_ == State::Open) return {};
  if (state_ == State::Lost && Clock::now() >= nextAttempt_) {
    if (Status status = bringBack(); status) return {};
  }
  if (trouble_.has_value()) {
    Error error = *trouble_;
    if (state_ == State::Lost) error.errorClass = ErrorClass::TokenGone;
    return error;
  }
  return Error::own(ErrorClass::TokenGone, "open", "The token is closed.");
}

bool Device::isLost(const Error& error) {
  if (!error.rv.has_value() || session_ == nullptr) return false;
  // Invalid handles are also what a session without login sees of private objects.
  if (!mayMeanTokenLost(*error.rv) && *error.rv != CKR_OBJECT_HANDLE_INVALID) return false;
  if (!meansSessionLost(*error.rv)) {
    if (const Status state = session_->check(); state) return false;
  }
  lose(error);
  return true;
}

void Device::lose(const Error& error) {
  state_ = State::Lost;
  trouble_ = error;
  trouble_->errorClass = ErrorClass::TokenGone;
  nextAttempt_ = Clock::now();
  if (life_ != TokenLife::Absent) enter(TokenLife::Lost);
  onEvent_(DeviceEvent{DeviceEvent::Kind::Gone, error.message, life_});
}

std::optional<Device::Clock::time_point> Device::nextLook() const {
  if (state_ == State::Lost) return nextAttempt_;
  if (state_ == State::Open && token_.removable) return nextIdleLook_;
  return std::nullopt;
}

void Device::lookAgain() {
  const std::unique_lock lock(module_->calls());
  if (state_ == State::Lost) (void)usable();
  if (state_ != State::Open || !token_.removable) return;
  nextIdleLook_ = Clock::now() + kIdleLook;
  heartbeat_->beat();
  // The cheapest question: the reader answers it. C_GetSessionInfo costs a command to the card.
  CK_SLOT_INFO info = {};
  const CK_RV rv = module_->functions().C_GetSlotInfo(token_.slot, &info);
  if (rv == CKR_OK && (info.flags & CKF_TOKEN_PRESENT) == 0) {
    lose(Error::call("C_GetSlotInfo", CKR_TOKEN_NOT_PRESENT));
  } else if (rv != CKR_OK) {
    (void)isLost(Error::call("C_GetSlotInfo", rv));
  }
}

}  // namespace hsm
