#include "addon/provision_calls.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "addon/environment.h"
#include "addon/values.h"
#include "cryptoki/provision.h"

namespace hsm::addon {
namespace {

constexpr std::uint64_t kLargestInteger = (1ULL << 53) - 1;
constexpr std::uint64_t kLongestLimit = 3'600'000;

// A copy in locked memory; the caller's buffer is wiped, whatever else is wrong with the call.
std::optional<SecureBytes> pinArgument(Napi::Env env, napi_value value, const char* name) {
  const auto bytes = bytesArgument(env, value, name);
  if (!bytes) return std::nullopt;
  SecureBytes pin(*bytes);
  wipeMemory(bytes->data(), bytes->size());
  return pin;
}

// A string is a serial number, a number is a slot.
std::optional<ProvisionTarget> targetArgument(Napi::Env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_number) {
    const auto slot = integerArgument(env, value, "target", 0, kLargestInteger);
    if (!slot) return std::nullopt;
    return ProvisionTarget(static_cast<CK_SLOT_ID>(*slot));
  }
  auto serialNumber = stringArgument(env, value, "target");
  if (!serialNumber) return std::nullopt;
  return ProvisionTarget(std::move(*serialNumber));
}

struct Finished {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
};

// Runs the work on a thread of its own. The promise is settled at the limit at the latest, with Timeout: the work
// itself cannot be taken back, and what it left is then unknown.
Napi::Value start(Napi::Env env, const char* operation, std::uint64_t limit, std::string modulePath,
                  std::function<PinWork(const std::shared_ptr<Module>&)> work) {
  Environment* environment = Environment::of(env);
  const auto channel = environment->channel();
  const Channel::Pending pending = channel->expect(env);
  if (pending.ticket == 0) return {};
  auto finished = std::make_shared<Finished>();
  const auto finish = [finished] {
    const std::lock_guard lock(finished->mutex);
    finished->done = true;
    finished->changed.notify_all();
  };
  const bool watched = environment->startJob("hsm-pin-watch", [channel, finished, operation, limit,
                                                               ticket = pending.ticket] {
    std::unique_lock lock(finished->mutex);
    const bool done =
        finished->changed.wait_for(lock, std::chrono::milliseconds(limit), [&] { return finished->done; });
    if (done) return;
    const Error error = Error::own(ErrorClass::Timeout, operation,
                                   "The token did not answer in time; it is unknown what it holds now.");
    channel->post(ticket, Outcome(error));
  });
  const bool started =
      watched && environment->startJob("hsm-pin", [channel, finish, ticket = pending.ticket,
                                                   path = std::move(modulePath), work = std::move(work)] {
        auto module = Module::load(path);
        if (module) {
          channel->post(ticket, work(module.value()));
        } else {
          channel->post(ticket, Outcome(module.error()));
        }
        finish();
      });
  if (!started) {
    finish();
    channel->reject(env, pending.ticket,
                    Error::own(ErrorClass::Internal, operation, "The system gives no more threads."));
  }
  return pending.promise;
}

}  // namespace

// provision(modulePath, target, soPin, pin, label, lockDirectory, returnLimit in ms, limit in ms)
Napi::Value provisionToken(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto soPin = pinArgument(env, info[2], "soPin");
  if (!soPin) return {};
  auto pin = pinArgument(env, info[3], "pin");
  if (!pin) return {};
  auto path = stringArgument(env, info[0], "modulePath");
  if (!path) return {};
  auto target = targetArgument(env, info[1]);
  if (!target) return {};
  auto label = stringArgument(env, info[4], "label");
  if (!label) return {};
  auto lockDirectory = stringArgument(env, info[5], "lockDirectory");
  if (!lockDirectory) return {};
  const auto returnLimit = integerArgument(env, info[6], "returnLimit", 0, kLongestLimit);
  if (!returnLimit) return {};
  const auto limit = integerArgument(env, info[7], "limit", 1, kLongestLimit);
  if (!limit) return {};
  auto options = std::make_shared<ProvisionOptions>(
      ProvisionOptions{std::move(*target), std::move(*soPin), std::move(*pin), std::move(*label),
                       std::move(*lockDirectory), std::chrono::milliseconds(*returnLimit)});
  return start(env, "provision", *limit, std::move(*path), [options](const std::shared_ptr<Module>& module) {
    return provision(module, std::move(*options));
  });
}

// changePin(modulePath, target, oldPin, newPin, lockDirectory, stateDirectory, allowFinalTry, limit in ms)
Napi::Value changeTokenPin(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto oldPin = pinArgument(env, info[2], "oldPin");
  if (!oldPin) return {};
  auto newPin = pinArgument(env, info[3], "newPin");
  if (!newPin) return {};
  auto path = stringArgument(env, info[0], "modulePath");
  if (!path) return {};
  auto target = targetArgument(env, info[1]);
  if (!target) return {};
  auto lockDirectory = stringArgument(env, info[4], "lockDirectory");
  if (!lockDirectory) return {};
  auto stateDirectory = stringArgument(env, info[5], "stateDirectory");
  if (!stateDirectory) return {};
  bool allowFinalTry = false;
  if (napi_get_value_bool(env, info[6], &allowFinalTry) != napi_ok) {
    Napi::TypeError::New(env, "allowFinalTry must be a boolean.").ThrowAsJavaScriptException();
    return {};
  }
  const auto limit = integerArgument(env, info[7], "limit", 1, kLongestLimit);
  if (!limit) return {};
  auto options = std::make_shared<PinChangeOptions>(
      PinChangeOptions{std::move(*target), std::move(*oldPin), std::move(*newPin), std::move(*lockDirectory),
                       std::move(*stateDirectory), allowFinalTry});
  return start(env, "changePin", *limit, std::move(*path), [options](const std::shared_ptr<Module>& module) {
    return changePin(module, std::move(*options));
  });
}

}  // namespace hsm::addon
