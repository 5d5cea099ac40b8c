// A token that is open and logged in, and stays so: what runs on the token's own thread, one call at a time.
#ifndef HSM_NATIVE_CRYPTOKI_DEVICE_H_
#define HSM_NATIVE_CRYPTOKI_DEVICE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "cryptoki/heartbeat.h"
#include "cryptoki/lock_file.h"
#include "cryptoki/module.h"
#include "cryptoki/object_index.h"
#include "cryptoki/refused_pins.h"
#include "cryptoki/result.h"
#include "cryptoki/secure_bytes.h"
#include "cryptoki/session.h"
#include "cryptoki/token_selector.h"

namespace hsm {

struct DeviceOptions {
  TokenSelector select;
  SecureBytes pin;
  // True: refresh is C_Finalize, C_Initialize, login and scan (OpenSC caches until then). False: a scan.
  bool refreshReinitializes = false;
  // Most objects of all classes that the token shows.
  std::uint64_t objectCapacity = 0;
  // Most bytes of one value that the token keeps whole.
  std::uint64_t maxValueLength = 0;
  std::string lockDirectory;
  std::string stateDirectory;
  bool allowFinalTry = false;
};

struct CreateOperation {
  std::string label;
  std::string application;
  SecureBytes value;
};

struct DestroyOperation {
  ObjectId id = 0;
};

using Operation = std::variant<CreateOperation, DestroyOperation>;

struct OperationOutcome {
  enum class Kind { Created, Destroyed, Failed, Skipped };
  Kind kind = Kind::Skipped;
  ObjectId id = 0;             // of what was created
  std::optional<Error> error;  // why it failed
};

// Absent: the library does not show it. Present: shown, not logged in. Lost: it was logged in, and is looked for.
enum class TokenLife { Absent, Present, LoggedIn, Lost, Hung, Locked };
const char* tokenLifeName(TokenLife life);

struct DeviceEvent {
  enum class Kind { Gone, Back, Life };
  Kind kind = Kind::Gone;
  std::string reason;                   // Gone
  TokenLife life = TokenLife::Absent;  // Life: what it is from now on
};

class Device {
 public:
  using Clock = std::chrono::steady_clock;

  Device(std::shared_ptr<Module> module, DeviceOptions options, Heartbeat* heartbeat,
         std::function<void(DeviceEvent)> onEvent);
  ~Device();  // closes
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Initialises the library, finds the token, takes its lock, logs in, scans.
  Status open();
  // Logs out, closes, finalises, wipes the PIN.
  void close();

  const SlotDescription& description() const { return token_; }
  const ObjectIndex& index() const { return index_; }

  // The index; fails while the token is lost, because then nobody knows what is on it.
  Result<Listing> list();
  // One outcome an id. A token that was lost is brought back once, and the reading goes on.
  std::vector<Result<SecureBytes>> read(std::span<const ObjectId> ids);
  // In order, stopping at the first that fails; one outcome an operation. After a loss an operation is tried again
  // only when it certainly did not reach the token.
  std::vector<OperationOutcome> apply(std::vector<Operation>& operations);
  Status refresh();
  Result<SecureBytes> random(std::size_t length);

  // When it is worth calling lookAgain: while the token is lost, and, where it can be pulled out, now and then while
  // nobody calls.
  std::optional<Clock::time_point> nextLook() const;
  // Tries to bring a lost token back; notices that one was pulled, without a command to the card.
  void lookAgain();

 private:
  enum class State { Closed, Open, Lost, Failed };

  Status startSession();
  Status restart();
  Result<Scan> look(bool handlesStable);
  Status rescan(bool handlesStable);
  Status bringBack();
  Status usable();
  void enter(TokenLife life);
  // After a failed call: whether the session is gone; if so, notes it.
  bool isLost(const Error& error);
  void lose(const Error& error);
  Status checkOperation(const Operation& operation) const;
  Result<ObjectId> carryOut(const Operation& operation);
  OperationOutcome applyOne(const Operation& operation);

  std::shared_ptr<Module> module_;
  DeviceOptions options_;
  Heartbeat* heartbeat_;
  std::function<void(DeviceEvent)> onEvent_;
  State state_ = State::Closed;
  TokenLife life_ = TokenLife::Absent;
  bool acquired_ = false;
  bool claimed_ = false;
  SlotDescription token_;
  LockFile lock_;
  RefusedPins refused_;
  std::unique_ptr<Session> session_;
  ObjectIndex index_;
  bool scanned_ = false;
  std::optional<Error> trouble_;  // why it is Lost or Failed
  Clock::time_point nextAttempt_{};
  std::chrono::milliseconds backOff_{0};
  Clock::time_point nextIdleLook_{};
};

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_DEVICE_H_
