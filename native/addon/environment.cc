#include "addon/environment.h"

#include <utility>

#include "cryptoki/thread.h"

namespace hsm::addon {
namespace {

// A call that runs when the environment ends gets this long; one that hangs must not keep the process.
constexpr std::chrono::milliseconds kLastWait{3'000};

}  // namespace

Environment* Environment::create(Napi::Env env) {
  auto environment = std::make_unique<Environment>();
  environment->channel_ = Channel::create(env);
  if (environment->channel_ == nullptr) return nullptr;
  Environment* raw = environment.release();
  env.SetInstanceData<Environment>(raw);
  // Hooks run in reverse order: this one, added after the thread-safe function was made, runs before Node takes
  // that function away.
  napi_add_env_cleanup_hook(env, &Environment::cleanUp, raw);
  return raw;
}

void Environment::track(const std::shared_ptr<Token>& token) {
  std::erase_if(tokens_, [](const std::weak_ptr<Token>& known) { return known.expired(); });
  tokens_.push_back(token);
}

bool Environment::startJob(const char* name, std::function<void()> body) {
  {
    const std::lock_guard lock(jobs_->mutex);
    ++jobs_->running;
  }
  const auto finish = [jobs = jobs_] {
    const std::lock_guard lock(jobs->mutex);
    --jobs->running;
    jobs->done.notify_all();
  };
  const bool started = startDetachedThread(name, [body = std::move(body), finish] {
    body();
    finish();
  });
  if (!started) finish();
  return started;
}

void Environment::cleanUp(void* self) {
  auto* environment = static_cast<Environment*>(self);
  environment->channel_->shut();
  std::vector<std::shared_ptr<Token>> open;
  for (const auto& known : environment->tokens_) {
    if (auto token = known.lock()) {
      token->abandon();
      open.push_back(std::move(token));
    }
  }
  for (const auto& token : open) (void)token->waitUntilEnded(kLastWait);
  std::unique_lock lock(environment->jobs_->mutex);
  (void)environment->jobs_->done.wait_for(lock, kLastWait, [&] { return environment->jobs_->running == 0; });
}

}  // namespace hsm::addon
