// The way back into JavaScript: answers from any thread become settled promises and events of one environment.
#ifndef HSM_NATIVE_ADDON_CHANNEL_H_
#define HSM_NATIVE_ADDON_CHANNEL_H_

#include <napi.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <variant>
#include <vector>

#include "cryptoki/provision.h"
#include "cryptoki/token.h"

namespace hsm::addon {

using SlotsOutcome = Result<std::vector<SlotDescription>>;
using TextOutcome = Result<std::string>;
using Settlement = std::variant<Outcome, SlotsOutcome, TextOutcome, PinWork>;

// Receives the events of one token, on the JavaScript thread.
class EventTarget {
 public:
  virtual ~EventTarget() = default;
  virtual void onTokenEvent(Napi::Env env, const TokenEvent& event) = 0;
};

// One for each environment. Everything but post and postEvent belongs to the JavaScript thread. While promises are
// pending it keeps the event loop alive.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  // Null, with an exception pending, when Node cannot give a thread-safe function.
  static std::shared_ptr<Channel> create(Napi::Env env);

  struct Pending {
    std::uint64_t ticket;
    Napi::Promise promise;
  };
  Pending expect(Napi::Env env);
  // Rejects the promise of a request that was withdrawn.
  void reject(Napi::Env env, std::uint64_t ticket, const Error& error);

  std::uint64_t addTarget(EventTarget* target);
  void removeTarget(std::uint64_t key);

  // From any thread; several before the JavaScript thread wakes cost one wake-up.
  void post(std::uint64_t ticket, Settlement settlement);
  void postEvent(std::uint64_t target, TokenEvent event);

  // After this nothing reaches JavaScript any more; what is posted is dropped.
  void shut();

 private:
  struct Item {
    std::uint64_t key;
    std::variant<Settlement, TokenEvent> content;
  };

  Channel() = default;
  static void onWake(napi_env env, napi_value callback, void* context, void* data);
  void push(Item item);
  void drain(Napi::Env env);
  void settle(Napi::Env env, std::uint64_t ticket, Settlement settlement);
  void pendingDone(Napi::Env env);

  napi_threadsafe_function wake_ = nullptr;
  std::unordered_map<std::uint64_t, napi_deferred> pending_;
  std::unordered_map<std::uint64_t, EventTarget*> targets_;
  std::uint64_t nextKey_ = 1;

  std::mutex mutex_;
  std::vector<Item> items_;
  bool signalled_ = false;
  bool shut_ = false;
};

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_CHANNEL_H_
