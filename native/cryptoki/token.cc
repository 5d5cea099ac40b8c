#include "cryptoki/token.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cryptoki/thread.h"

namespace hsm {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// A caller that answers each read with the next one comes back within this time; then a short spin saves the
// sleep and the wake-up (tens of microseconds, as much as a read). Otherwise the thread sleeps at once.
constexpr microseconds kSpin{150};

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

bool moreThanOneProcessor() {
  static const bool answer = sysconf(_SC_NPROCESSORS_ONLN) > 1;
  return answer;
}

const char* nameOf(const Request& request) {
  static constexpr const char* kNames[] = {"open", "list", "read", "apply", "refresh", "random", "close"};
  return kNames[request.index()];
}

Error closedError(const char* operation) {
  return Error::own(ErrorClass::TokenGone, operation, "The token is closed.");
}

Error timeoutError(const char* operation, const char* why) {
  return Error::own(ErrorClass::Timeout, operation, std::string("The token did not answer in time: ") + why + ".");
}

// At exit a call that runs gets this long to end.
constexpr milliseconds kLastWait{3'000};

struct LiveTokens {
  std::mutex mutex;
  std::vector<std::weak_ptr<Token>> tokens;
};

// Never destroyed: it is used while the process ends.
LiveTokens& liveTokens() {
  static LiveTokens* const instance = new LiveTokens;
  return *instance;
}

}  // namespace

Token::Token(Opener opener, DeviceOptions options, Deadlines deadlines, std::size_t queueLimit,
             std::shared_ptr<TokenSink> sink)
    : opener_(std::move(opener)),
      options_(std::move(options)),
      deadlines_(deadlines),
      queueLimit_(queueLimit),
      sink_(std::move(sink)) {}

Result<std::shared_ptr<Token>> Token::start(Opener opener, DeviceOptions options, Deadlines deadlines,
                                            std::size_t queueLimit, std::shared_ptr<TokenSink> sink) {
  std::shared_ptr<Token> token(
      new Token(std::move(opener), std::move(options), deadlines, queueLimit, std::move(sink)));
  // The threads keep the token alive: a hung one must find its memory when its call returns after all.
  const bool started = startDetachedThread("hsm-token", [token] { token->work(); });
  if (started && startDetachedThread("hsm-watch", [token] { token->watch(); })) return token;
  token->abandon();
  return Error::own(ErrorClass::Internal, "open", "The system gives no more threads.");
}

// exit() runs the destructors of a library's static objects while our threads may be in its middle. Node's own
// hooks do not help: process.exit() and an uncaught exception skip them. Handlers run in reverse order, so this one
// is registered anew after a library has been initialised and has registered its own.
void Token::closeAllAtExit() {
  static std::atomic<bool> done{false};
  if (done.exchange(true)) return;
  std::vector<std::shared_ptr<Token>> open;
  {
    LiveTokens& live = liveTokens();
    const std::lock_guard lock(live.mutex);
    for (const auto& known : live.tokens) {
      if (auto token = known.lock()) open.push_back(std::move(token));
    }
  }
  for (const auto& token : open) {
    token->mute();
    token->abandon();
  }
  for (const auto& token : open) (void)token->waitUntilEnded(kLastWait);
  Module::stopAllCalls(kLastWait);
}

milliseconds Token::limitOf(const Request& request) const {
  if (std::holds_alternative<OpenRequest>(request)) return deadlines_.open;
  if (std::holds_alternative<ApplyRequest>(request)) return deadlines_.write;
  if (std::holds_alternative<RefreshRequest>(request)) return deadlines_.refresh;
  if (std::holds_alternative<CloseRequest>(request)) return deadlines_.close;
  return deadlines_.read;
}

void Token::submit(std::uint64_t ticket, Request request) {
  const char* operation = nameOf(request);
  {
    const std::lock_guard lock(mutex_);
    if (!hung_ && !closing_ && queue_.size() < queueLimit_) {
      const Clock::time_point deadline = Clock::now() + limitOf(request);
      waiting_.emplace(ticket, Waiting{deadline});
      queue_.push_back(Job{ticket, std::move(request)});
      arrivals_.fetch_add(1, std::memory_order_release);
      workArrived_.notify_one();
      // The watch wakes by itself when nothing waits for longer than it sleeps already.
      if (deadline < watchUntil_) watchChanged_.notify_one();
      return;
    }
  }
  if (hung_) {
    sink_->answer(ticket, timeoutError(operation, "a call into its library hangs"));
  } else if (closing_) {
    sink_->answer(ticket, closedError(operation));
  } else {
    sink_->answer(ticket, Error::own(ErrorClass::Busy, operation, "Too many requests wait for the token."));
  }
}

bool Token::withdraw(std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  const auto job = std::find_if(queue_.begin(), queue_.end(), [ticket](const Job& j) { return j.ticket == ticket; });
  if (job == queue_.end()) return false;
  queue_.erase(job);
  return waiting_.erase(ticket) > 0;
}

void Token::close(std::uint64_t ticket) {
  std::deque<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (!hung_ && !ended_ && !closing_) {
      closing_ = true;
      dropped.swap(queue_);
      const Clock::time_point deadline = Clock::now() + deadlines_.close;
      waiting_.emplace(ticket, Waiting{deadline});
      queue_.push_back(Job{ticket, CloseRequest{}});
      arrivals_.fetch_add(1, std::memory_order_release);
      workArrived_.notify_one();
      if (deadline < watchUntil_) watchChanged_.notify_one();
      ticket = 0;
    }
  }
  for (const Job& job : dropped) answer(job.ticket, closedError(nameOf(job.request)));
  // Hung, ended, or closing already: there is nothing left to do for this caller.
  if (ticket != 0) sink_->answer(ticket, std::monostate{});
}

void Token::abandon() {
  std::deque<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (!closing_) {
      closing_ = true;
      dropped.swap(queue_);
      queue_.push_back(Job{0, CloseRequest{}});
      arrivals_.fetch_add(1, std::memory_order_release);
      workArrived_.notify_one();
    }
  }
  for (const Job& job : dropped) answer(job.ticket, closedError(nameOf(job.request)));
}

bool Token::waitUntilEnded(milliseconds limit) {
  std::unique_lock lock(mutex_);
  return endedChanged_.wait_for(lock, limit, [this] { return ended_ || hung_; });
}

void Token::answer(std::uint64_t ticket, Outcome outcome) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.erase(ticket) == 0) return;  // answered already, by its deadline
  }
  if (!muted_.load(std::memory_order_acquire)) sink_->answer(ticket, std::move(outcome));
}

void Token::emit(TokenEvent event) {
  if (!muted_.load(std::memory_order_acquire)) sink_->event(std::move(event));
}

bool Token::spinForWork() {
  const std::uint32_t before = arrivals_.load(std::memory_order_acquire);
  {
    const std::lock_guard lock(mutex_);
    if (!queue_.empty()) return true;
  }
  const Clock::time_point end = Clock::now() + kSpin;
  while (arrivals_.load(std::memory_order_acquire) == before) {
    for (int i = 0; i < 32; ++i) relax();
    if (Clock::now() >= end) return false;
  }
  return true;
}

// The next job; false when it is time to look for a lost token again.
bool Token::next(Job* job) {
  if (spin_) (void)spinForWork();
  std::unique_lock lock(mutex_);
  const auto due = [this] { return !queue_.empty(); };
  const auto attempt = device_ == nullptr ? std::nullopt : device_->nextLook();
  if (attempt.has_value()) {
    if (!workArrived_.wait_until(lock, *attempt, due)) {
      beginCall("look", deadlines_.refresh);
      return false;
    }
  } else {
    workArrived_.wait(lock, due);
  }
  spin_ = moreThanOneProcessor() && Clock::now() - idleSince_ < kSpin;
  *job = std::move(queue_.front());
  queue_.pop_front();
  beginCall(nameOf(job->request), limitOf(job->request));
  return true;
}

// Wants the mutex. From here on the watch looks whether calls come back.
void Token::beginCall(const char* name, milliseconds limit) {
  running_ = true;
  runningName_ = name;
  runningLimit_ = limit;
  runningSince_ = Clock::now();
  if (runningSince_ + limit < watchUntil_) watchChanged_.notify_one();
}

void Token::work() {
  for (;;) {
    Job job{0, CloseRequest{}};
    if (!next(&job)) {
      device_->lookAgain();
      {
        const std::lock_guard lock(mutex_);
        running_ = false;
        if (hung_) break;
      }
      noteVersion();
      continue;
    }
    const bool last = std::holds_alternative<CloseRequest>(job.request);
    Outcome outcome = run(job.request);
    const bool failedToOpen =
        std::holds_alternative<OpenRequest>(job.request) && std::holds_alternative<Error>(outcome);
    // Values that were written need not wait for the next job to be wiped.
    job.request = ListRequest{};
    bool late = false;
    {
      const std::lock_guard lock(mutex_);
      running_ = false;
      late = hung_;
      if (failedToOpen) closing_ = true;
    }
    if (last || late || failedToOpen) {
      device_.reset();
      answer(job.ticket, std::move(outcome));
      finish();
      return;
    }
    noteVersion();
    answer(job.ticket, std::move(outcome));
    idleSince_ = Clock::now();
  }
  device_.reset();
  finish();
}

void Token::finish() {
  std::deque<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    ended_ = true;
    dropped.swap(queue_);
    endedChanged_.notify_all();
    watchChanged_.notify_all();
  }
  for (const Job& job : dropped) {
    if (std::holds_alternative<CloseRequest>(job.request)) {
      answer(job.ticket, std::monostate{});
    } else {
      answer(job.ticket, closedError(nameOf(job.request)));
    }
  }
}

void Token::noteVersion() {
  if (device_ == nullptr) return;
  const std::uint64_t now = device_->index().version();
  if (version_.exchange(now, std::memory_order_acq_rel) == now) return;
  emit(TokenEvent{TokenEvent::Kind::Changed, now, {}});
}

Outcome Token::run(Request& request) {
  if (std::holds_alternative<OpenRequest>(request)) {
    auto module = opener_();
    if (!module) return module.error();
    device_ = std::make_unique<Device>(std::move(module.value()), std::move(options_), &heartbeat_,
                                       [this](DeviceEvent event) {
                                         if (event.kind == DeviceEvent::Kind::Life) {
                                           emit(TokenEvent{TokenEvent::Kind::Life, 0, tokenLifeName(event.life)});
                                           return;
                                         }
                                         const bool gone = event.kind == DeviceEvent::Kind::Gone;
                                         emit(TokenEvent{gone ? TokenEvent::Kind::Gone : TokenEvent::Kind::Back, 0,
                                                         std::move(event.reason)});
                                       });
    {
      LiveTokens& live = liveTokens();
      const std::lock_guard lock(live.mutex);
      std::erase_if(live.tokens, [](const std::weak_ptr<Token>& known) { return known.expired(); });
      live.tokens.push_back(weak_from_this());
    }
    const Status status = device_->open();
    (void)std::atexit(&Token::closeAllAtExit);
    if (!status) return status.error();
    return OpenOutcome{device_->description(), device_->index().listing()};
  }
  if (device_ == nullptr) return closedError(nameOf(request));
  if (auto* read = std::get_if<ReadRequest>(&request)) return device_->read(read->ids);
  if (auto* apply = std::get_if<ApplyRequest>(&request)) {
    auto outcomes = device_->apply(apply->operations);
    return ApplyOutcome{std::move(outcomes), device_->index().version()};
  }
  if (std::holds_alternative<RefreshRequest>(request)) {
    if (Status status = device_->refresh(); !status) return status.error();
    return device_->index().listing();
  }
  if (auto* random = std::get_if<RandomRequest>(&request)) {
    auto bytes = device_->random(random->length);
    if (!bytes) return bytes.error();
    return std::move(bytes.value());
  }
  if (std::holds_alternative<CloseRequest>(request)) {
    device_->close();
    return std::monostate{};
  }
  auto listing = device_->list();
  if (!listing) return listing.error();
  return std::move(listing.value());
}

void Token::watch() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    const Clock::time_point now = Clock::now();
    std::vector<std::uint64_t> late;
    Clock::time_point wake = Clock::time_point::max();
    for (const auto& [ticket, waiting] : waiting_) {
      if (waiting.deadline <= now) {
        late.push_back(ticket);
      } else {
        wake = std::min(wake, waiting.deadline);
      }
    }
    if (running_ && !hung_) {
      // A long batch is not a hang: what counts is one call that does not come back.
      // The caller's deadline began a moment before the call: a little less than the limit counts as the limit.
      const Clock::time_point since = std::max(runningSince_, heartbeat_.last());
      if (now - since >= runningLimit_ - runningLimit_ / 16) {
        hung_ = true;
        late.clear();
        for (const auto& [ticket, waiting] : waiting_) late.push_back(ticket);
        endedChanged_.notify_all();
      } else {
        wake = std::min(wake, since + runningLimit_);
      }
    }
    if (!late.empty() || hung_) {
      const std::string operation = runningName_;
      const bool hung = hung_;
      std::deque<Job> dropped;
      if (hung) dropped.swap(queue_);
      std::erase_if(queue_, [&late](const Job& job) {
        return std::find(late.begin(), late.end(), job.ticket) != late.end();
      });
      lock.unlock();
      for (const std::uint64_t ticket : late) {
        answer(ticket, timeoutError(operation.c_str(), hung ? "a call into its library hangs" : "it was busy"));
      }
      if (hung) {
        emit(TokenEvent{TokenEvent::Kind::Life, 0, tokenLifeName(TokenLife::Hung)});
        emit(TokenEvent{TokenEvent::Kind::Hung, 0, operation});
        return;
      }
      lock.lock();
      continue;
    }
    watchUntil_ = wake;
    if (wake == Clock::time_point::max()) {
      watchChanged_.wait(lock);
    } else {
      watchChanged_.wait_until(lock, wake);
    }
    watchUntil_ = Clock::time_point::max();
  }
}

}  // namespace hsm
