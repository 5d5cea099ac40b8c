#ifndef HSM_NATIVE_CRYPTOKI_HEARTBEAT_H_
#define HSM_NATIVE_CRYPTOKI_HEARTBEAT_H_

#include <atomic>
#include <chrono>

namespace hsm {

// When the last call into a library began, for whoever watches whether calls come back.
class Heartbeat {
 public:
  using Clock = std::chrono::steady_clock;

  void beat() { last_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed); }
  Clock::time_point last() const {
    return Clock::time_point(Clock::duration(last_.load(std::memory_order_relaxed)));
  }

 private:
  std::atomic<Clock::rep> last_{0};
};

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_HEARTBEAT_H_
