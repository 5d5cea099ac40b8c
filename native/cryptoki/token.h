// A token with its own thread: requests in, answers out, none later than its deadline.
#ifndef HSM_NATIVE_CRYPTOKI_TOKEN_H_
#define HSM_NATIVE_CRYPTOKI_TOKEN_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "cryptoki/device.h"
#include "cryptoki/heartbeat.h"
#include "cryptoki/result.h"

namespace hsm {

struct Deadlines {
  std::chrono::milliseconds open{60'000};
  std::chrono::milliseconds read{30'000};  // also list and random
  std::chrono::milliseconds write{60'000};
  std::chrono::milliseconds refresh{60'000};
  std::chrono::milliseconds close{5'000};
};

struct OpenRequest {};
struct ListRequest {};
struct ReadRequest {
  std::vector<ObjectId> ids;
};
struct ApplyRequest {
  std::vector<Operation> operations;
};
struct RefreshRequest {};
struct RandomRequest {
  std::size_t length = 0;
};
struct CloseRequest {};
using Request =
    std::variant<OpenRequest, ListRequest, ReadRequest, ApplyRequest, RefreshRequest, RandomRequest, CloseRequest>;

struct OpenOutcome {
  SlotDescription token;
  Listing listing;
};
struct ApplyOutcome {
  std::vector<OperationOutcome> outcomes;
  std::uint64_t version = 0;  // of the index, afterwards
};
using ReadOutcome = std::vector<Result<SecureBytes>>;
// monostate: closed.
using Outcome = std::variant<std::monostate, Error, OpenOutcome, Listing, ReadOutcome, ApplyOutcome, SecureBytes>;

struct TokenEvent {
  enum class Kind { Changed, Gone, Back, Hung, Life };
  Kind kind = Kind::Changed;
  std::uint64_t version = 0;  // Changed
  std::string text;           // Gone: the reason; Hung: the operation; Life: its name (tokenLifeName)
};

// Where answers go. Called from the token's threads and from the thread that submits; must not call back into
// the token.
class TokenSink {
 public:
  virtual ~TokenSink() = default;
  // Exactly once for each ticket.
  virtual void answer(std::uint64_t ticket, Outcome outcome) = 0;
  virtual void event(TokenEvent event) = 0;
};

// Requests are carried out one at a time, in the order of the calls. A request whose deadline passes is answered
// with Timeout, whether it waits or runs. When a single call into the library does not come back within its
// deadline the token is hung: everything is answered with Timeout at once, for good.
//
// A process that ends closes its tokens first, also when it ends by exit() in the middle of a call.
class Token : public std::enable_shared_from_this<Token> {
 public:
  using Clock = std::chrono::steady_clock;
  using Opener = std::function<Result<std::shared_ptr<Module>>()>;

  // Starts the threads. The opener runs on the token's thread, as part of OpenRequest, which must come first.
  static Result<std::shared_ptr<Token>> start(Opener opener, DeviceOptions options, Deadlines deadlines,
                                              std::size_t queueLimit, std::shared_ptr<TokenSink> sink);

  // Tickets are the caller's, unique for a token. Never blocks.
  void submit(std::uint64_t ticket, Request request);
  // Takes a request back that has not begun; then it is answered no more. False when it is too late.
  bool withdraw(std::uint64_t ticket);
  // Ends after the call that runs now; what waits is answered with TokenGone. Idempotent.
  void close(std::uint64_t ticket);
  // As close, when nobody waits for the answer.
  void abandon();
  // True when the thread has ended (or hangs) within the limit.
  bool waitUntilEnded(std::chrono::milliseconds limit);
  // Version of the index as of the last finished request.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

 private:
  struct Job {
    std::uint64_t ticket;
    Request request;
  };
  struct Waiting {
    Clock::time_point deadline;
  };

  Token(Opener opener, DeviceOptions options, Deadlines deadlines, std::size_t queueLimit,
        std::shared_ptr<TokenSink> sink);

  void work();
  static void closeAllAtExit();
  void mute() { muted_.store(true, std::memory_order_release); }
  void emit(TokenEvent event);
  void watch();
  bool next(Job* job);
  void beginCall(const char* name, std::chrono::milliseconds limit);
  bool spinForWork();
  Outcome run(Request& request);
  void answer(std::uint64_t ticket, Outcome outcome);
  void noteVersion();
  void finish();
  std::chrono::milliseconds limitOf(const Request& request) const;

  Opener opener_;
  DeviceOptions options_;
  const Deadlines deadlines_;
  const std::size_t queueLimit_;
  const std::shared_ptr<TokenSink> sink_;

  mutable std::mutex mutex_;
  std::condition_variable workArrived_;
  std::condition_variable watchChanged_;
  std::condition_variable endedChanged_;
  std::deque<Job> queue_;
  std::map<std::uint64_t, Waiting> waiting_;  // by ticket: submitted and not yet answered
  bool closing_ = false;
  bool hung_ = false;
  bool ended_ = false;
  // Of the request that runs.
  bool running_ = false;
  const char* runningName_ = "";
  std::chrono::milliseconds runningLimit_{0};
  Clock::time_point runningSince_{};
  Clock::time_point watchUntil_ = Clock::time_point::max();

  Heartbeat heartbeat_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint32_t> arrivals_{0};
  std::atomic<bool> muted_{false};

  // Of the token's thread alone.
  std::unique_ptr<Device> device_;
  Clock::time_point idleSince_{};
  bool spin_ = false;
};

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_TOKEN_H_
