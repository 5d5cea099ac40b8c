// What the addon keeps for each JavaScript environment (the main thread, each worker thread).
#ifndef HSM_NATIVE_ADDON_ENVIRONMENT_H_
#define HSM_NATIVE_ADDON_ENVIRONMENT_H_

#include <napi.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "addon/channel.h"
#include "cryptoki/token.h"

namespace hsm::addon {

// Closes every token when its environment ends, however it ends, and waits a little for that.
class Environment {
 public:
  // Attaches to the environment. Null, with an exception pending, on failure.
  static Environment* create(Napi::Env env);
  static Environment* of(Napi::Env env) { return env.GetInstanceData<Environment>(); }

  const std::shared_ptr<Channel>& channel() const { return channel_; }
  // Remembers a token, to close it at the end.
  void track(const std::shared_ptr<Token>& token);

  // Work on a thread of its own that the end of the environment waits for.
  bool startJob(const char* name, std::function<void()> body);

 private:
  struct Jobs {
    std::mutex mutex;
    std::condition_variable done;
    int running = 0;
  };

  static void cleanUp(void* self);

  std::shared_ptr<Channel> channel_;
  std::vector<std::weak_ptr<Token>> tokens_;
  std::shared_ptr<Jobs> jobs_ = std::make_shared<Jobs>();
};

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_ENVIRONMENT_H_
