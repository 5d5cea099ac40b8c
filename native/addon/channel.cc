#include "addon/channel.h"

#include <utility>

#include "addon/values.h"

namespace hsm::addon {

std::shared_ptr<Channel> Channel::create(Napi::Env env) {
  std::shared_ptr<Channel> channel(new Channel);
  const auto name = Napi::String::New(env, "hsm-secrets-operator");
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, channel.get(),
                                      &Channel::onWake, &channel->wake_);
  if (status != napi_ok) {
    Napi::Error::New(env, "Node gives no thread-safe function.").ThrowAsJavaScriptException();
    return nullptr;
  }
  napi_unref_threadsafe_function(env, channel->wake_);
  return channel;
}

Channel::Pending Channel::expect(Napi::Env env) {
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) {
    return {0, Napi::Promise()};  // the environment is going down, an exception is pending
  }
  const std::uint64_t ticket = nextKey_++;
  if (pending_.empty()) napi_ref_threadsafe_function(env, wake_);
  pending_.emplace(ticket, deferred);
  return {ticket, Napi::Promise(env, promise)};
}

void Channel::pendingDone(Napi::Env env) {
  if (pending_.empty()) napi_unref_threadsafe_function(env, wake_);
}

void Channel::reject(Napi::Env env, std::uint64_t ticket, const Error& error) {
  const auto found = pending_.find(ticket);
  if (found == pending_.end()) return;
  const napi_deferred deferred = found->second;
  pending_.erase(found);
  napi_reject_deferred(env, deferred, toJs(env, error));
  pendingDone(env);
}

std::uint64_t Channel::addTarget(EventTarget* target) {
  const std::uint64_t key = nextKey_++;
  targets_.emplace(key, target);
  return key;
}

void Channel::removeTarget(std::uint64_t key) { targets_.erase(key); }

void Channel::post(std::uint64_t ticket, Settlement settlement) { push(Item{ticket, std::move(settlement)}); }

void Channel::postEvent(std::uint64_t target, TokenEvent event) { push(Item{target, std::move(event)}); }

void Channel::push(Item item) {
  const std::lock_guard lock(mutex_);
  if (shut_) return;
  items_.push_back(std::move(item));
  if (signalled_) return;
  // Under the lock, so that shut() cannot come between: the function must not be called after it is gone.
  signalled_ = napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

void Channel::shut() {
  std::vector<Item> dropped;
  const std::lock_guard lock(mutex_);
  shut_ = true;
  dropped.swap(items_);
}

void Channel::onWake(napi_env env, napi_value /*callback*/, void* context, void* /*data*/) {
  if (env == nullptr) return;  // the environment is going down
  static_cast<Channel*>(context)->drain(Napi::Env(env));
}

// False in an environment that is being ended: Node wakes us once more then, before its own cleanup hooks run.
static bool canRunJavaScript(napi_env env) {
  napi_value yes = nullptr;
  napi_value same = nullptr;
  return napi_get_boolean(env, true, &yes) == napi_ok && napi_coerce_to_bool(env, yes, &same) == napi_ok;
}

void Channel::drain(Napi::Env env) {
  if (!canRunJavaScript(env)) return;
  std::vector<Item> items;
  {
    const std::lock_guard lock(mutex_);
    signalled_ = false;
    items.swap(items_);
  }
  for (Item& item : items) {
    const Napi::HandleScope scope(env);
    if (auto* settlement = std::get_if<Settlement>(&item.content)) {
      settle(env, item.key, std::move(*settlement));
    } else if (const auto target = targets_.find(item.key); target != targets_.end()) {
      target->second->onTokenEvent(env, *std::get_if<TokenEvent>(&item.content));
    }
  }
}

void Channel::settle(Napi::Env env, std::uint64_t ticket, Settlement settlement) {
  const auto found = pending_.find(ticket);
  if (found == pending_.end()) return;
  const napi_deferred deferred = found->second;
  pending_.erase(found);
  const Error* error = nullptr;
  napi_value value = nullptr;
  if (auto* slots = std::get_if<SlotsOutcome>(&settlement)) {
    if (*slots) {
      value = toJs(env, slots->value());
    } else {
      error = &slots->error();
    }
  } else if (const auto* work = std::get_if<PinWork>(&settlement)) {
    value = toJs(env, *work);
  } else if (const auto* text = std::get_if<TextOutcome>(&settlement)) {
    if (*text) {
      value = Napi::String::New(env, text->value());
    } else {
      error = &text->error();
    }
  } else {
    auto* outcome = std::get_if<Outcome>(&settlement);
    error = std::get_if<Error>(outcome);
    if (error == nullptr) value = toJs(env, *outcome);
  }
  if (error != nullptr || value == nullptr) {
    const Error failed = error != nullptr ? *error
                                          : Error::own(ErrorClass::Internal, "answer",
                                                       "The answer does not fit into JavaScript's memory.");
    if (env.IsExceptionPending()) (void)env.GetAndClearPendingException();
    napi_reject_deferred(env, deferred, toJs(env, failed));
  } else {
    napi_resolve_deferred(env, deferred, value);
  }
  pendingDone(env);
}

}  // namespace hsm::addon
