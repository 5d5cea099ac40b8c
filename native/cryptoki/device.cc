#include "cryptoki/device.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hsm {
namespace {

using std::chrono::milliseconds;

// Longest waits for another user of the same library, e.g. a listing of its tokens.
constexpr milliseconds kModuleWait{20'000};
// Beyond these OpenSC cuts labels silently, and makes objects invisible by their applications.
constexpr std::size_t kLongestLabel = 254;
constexpr std::size_t kLongestApplication = 199;
constexpr std::size_t kRandomChunk = 1024;

}  // namespace

Device::Device(std::shared_ptr<Module> module, DeviceOptions options, Heartbeat* heartbeat,
               std::function<void(DeviceEvent)> onEvent)
    : module_(std::move(module)), options_(std::move(options)), heartbeat_(heartbeat), onEvent_(std::move(onEvent)) {}

Device::~Device() { close(); }

Status Device::open() {
  const std::unique_lock lock(module_->calls(), kModuleWait);
  if (!lock.owns_lock()) {
    return Error::own(ErrorClass::Busy, "open", module_->name() + " is busy with another call.");
  }
  if (Status status = module_->acquire(); !status) return status;
  acquired_ = true;
  auto found = findToken(*module_, options_.select);
  if (!found) return found.error();
  token_ = std::move(found.value());
  if (Status status = module_->claim(token_.serialNumber); !status) return status;
  claimed_ = true;
  auto file = LockFile::acquire(options_.lockDirectory, token_.serialNumber);
  if (!file) return file.error();
  lock_ = std::move(file.value());
  auto refused = RefusedPins::open(options_.stateDirectory, token_.serialNumber);
  if (!refused) return refused.error();
  refused_ = std::move(refused.value());
  enter(TokenLife::Present);
  Status status = startSession();
  if (status) status = rescan(false);
  if (!status) {
    if (status.error().errorClass == ErrorClass::PinLocked) enter(TokenLife::Locked);
    return status;
  }
  state_ = State::Open;
  enter(TokenLife::LoggedIn);
  return {};
}

void Device::close() {
  if (!acquired_) return;
  const std::unique_lock lock(module_->calls(), kModuleWait);
  if (lock.owns_lock()) {
    if (session_ != nullptr && state_ == State::Open) session_->logout();
    session_.reset();
    if (claimed_) module_->unclaim();
    module_->release();
  } else {
    // Another call hangs in the library: nothing can be closed in it any more.
    (void)session_.release();
  }
  acquired_ = false;
  claimed_ = false;
  lock_ = LockFile();
  options_.pin = SecureBytes();
  state_ = State::Closed;
}

Result<Listing> Device::list() {
  const std::unique_lock lock(module_->calls());
  if (Status status = usable(); !status) return status.error();
  return index_.listing();
}

std::vector<Result<SecureBytes>> Device::read(std::span<const ObjectId> ids) {
  const std::unique_lock lock(module_->calls());
  std::vector<Result<SecureBytes>> outcomes;
  outcomes.reserve(ids.size());
  bool triedAgain = false;
  while (outcomes.size() < ids.size()) {
    if (Status status = usable(); !status) {
      outcomes.emplace_back(status.error());
      continue;
    }
    const ObjectId id = ids[outcomes.size()];
    const IndexedObject* object = index_.find(id);
    if (object == nullptr) {
      outcomes.emplace_back(Error::own(ErrorClass::NotFound, "read", "The token has no object with this id."));
      continue;
    }
    auto value = session_->readValue(object->handle);
    if (!value && isLost(value.error())) {
      value.error().errorClass = ErrorClass::TokenGone;
      if (!triedAgain && usable()) {
        triedAgain = true;
        continue;
      }
    }
    outcomes.push_back(std::move(value));
  }
  return outcomes;
}

Status Device::checkOperation(const Operation& operation) const {
  const auto bad = [](ErrorClass errorClass, std::string message) {
    return Error::own(errorClass, "create", std::move(message));
  };
  const auto* create = std::get_if<CreateOperation>(&operation);
  if (create == nullptr) return {};
  if (create->label.empty() || create->label.find('\0') != std::string::npos) {
    return bad(ErrorClass::BadInput, "A label must have at least one byte and no NUL.");
  }
  if (create->label.size() > kLongestLabel) return bad(ErrorClass::BadInput, "A label has at most 254 bytes.");
  if (create->application.empty() || create->application.find('\0') != std::string::npos) {
    return bad(ErrorClass::BadInput, "An application must have at least one byte and no NUL.");
  }
  if (create->application.size() > kLongestApplication) {
    return bad(ErrorClass::BadInput, "An application has at most 199 bytes.");
  }
  if (create->value.empty()) return bad(ErrorClass::BadInput, "A value must not be empty.");
  if (create->value.size() > options_.maxValueLength) {
    return bad(ErrorClass::TooLarge, "A value of " + std::to_string(create->value.size()) +
                                         " bytes is too large: this token keeps " +
                                         std::to_string(options_.maxValueLength) + " in one object.");
  }
  if (index_.size() + index_.otherObjects() >= options_.objectCapacity) {
    return bad(ErrorClass::NoSpace, "The token is full: it shows " + std::to_string(options_.objectCapacity) +
                                        " objects at most.");
  }
  return {};
}

// One call on the token and its trace in the index. The id is that of the object created, or destroyed.
Result<ObjectId> Device::carryOut(const Operation& operation) {
  if (const auto* create = std::get_if<CreateOperation>(&operation)) {
    auto handle = session_->create(create->label, create->application, create->value.span());
    if (!handle) return handle.error();
    ScannedObject object;
    object.handle = handle.value();
    object.label = create->label;
    object.application = create->application;
    object.isPrivate = true;
    return index_.add(std::move(object));
  }
  const ObjectId id = std::get_if<DestroyOperation>(&operation)->id;
  const IndexedObject* object = index_.find(id);
  if (object == nullptr) {
    return Error::own(ErrorClass::NotFound, "destroy", "The token has no object with this id.");
  }
  if (Status status = session_->destroy(object->handle); !status) return status.error();
  index_.remove(id);
  return id;
}

OperationOutcome Device::applyOne(const Operation& operation) {
  using Kind = OperationOutcome::Kind;
  const bool creates = std::holds_alternative<CreateOperation>(operation);
  for (int attempt = 0;; ++attempt) {
    if (Status status = usable(); !status) return {Kind::Failed, 0, status.error()};
    if (Status status = checkOperation(operation); !status) return {Kind::Failed, 0, status.error()};
    auto done = carryOut(operation);
    if (done) return {creates ? Kind::Created : Kind::Destroyed, creates ? done.value() : 0, std::nullopt};
    Error error = done.error();
    if (isLost(error)) {
      const bool reachedNothing = error.rv.has_value() && meansSessionLost(*error.rv);
      error.errorClass = ErrorClass::TokenGone;
      if (reachedNothing && attempt == 0) continue;
      if (!reachedNothing) error.message += " Whether the token carried it out is not known.";
    }
    return {Kind::Failed, 0, std::move(error)};
  }
}

std::vector<OperationOutcome> Device::apply(std::vector<Operation>& operations) {
  const std::unique_lock lock(module_->calls());
  std::vector<OperationOutcome> outcomes(operations.size());
  bool changed = false;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    outcomes[i] = applyOne(operations[i]);
    if (outcomes[i].kind == OperationOutcome::Kind::Failed) break;
    changed = true;
  }
  if (changed) index_.bumpVersion();
  return outcomes;
}

Status Device::refresh() {
  const std::unique_lock lock(module_->calls());
  if (state_ == State::Open && options_.refreshReinitializes) return bringBack();
  // A token that has just been brought back has been scanned.
  const bool wasOpen = state_ == State::Open;
  if (Status status = usable(); !status || !wasOpen) return status;
  Status status = rescan(true);
  if (status) return {};
  if (session_ == nullptr) {
    // Lost on the way to a second look: nothing is known, and nothing is listed, until it has been brought back.
    lose(status.error());
    return *trouble_;
  }
  if (isLost(status.error())) return usable();
  return status;
}

Result<SecureBytes> Device::random(std::size_t length) {
  const std::unique_lock lock(module_->calls());
  SecureBytes bytes(length);
  bool triedAgain = false;
  for (std::size_t done = 0; done < length;) {
    if (Status status = usable(); !status) return status.error();
    const std::size_t step = std::min(kRandomChunk, length - done);
    const auto chunk = session_->random(step);
    if (!chunk) {
      if (!isLost(chunk.error()) || triedAgain) return chunk.error();
      triedAgain = true;
      continue;
    }
    std::memcpy(bytes.data() + done, chunk.value().data(), step);
    done += step;
  }
  return bytes;
}

}  // namespace hsm
