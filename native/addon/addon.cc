// What `hsm_addon.node` exports; described in src/addon.ts.
#include <napi.h>

#include <chrono>
#include <utility>

#include "addon/core_dumps.h"
#include "addon/environment.h"
#include "addon/provision_calls.h"
#include "addon/sha256_object.h"
#include "addon/token_object.h"
#include "addon/usb_object.h"
#include "addon/values.h"

namespace hsm::addon {
namespace {

// listTokens(modulePath, limit in ms): Promise of the slots that hold a token.
Napi::Value listTokensOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto path = stringArgument(env, info[0], "modulePath");
  if (!path) return {};
  const auto limit = integerArgument(env, info[1], "limit", 1, 3'600'000);
  if (!limit) return {};
  Environment* environment = Environment::of(env);
  const auto channel = environment->channel();
  const Channel::Pending pending = channel->expect(env);
  if (pending.ticket == 0) return {};
  const bool started = environment->startJob(
      "hsm-list", [channel, ticket = pending.ticket, path = std::move(*path), limit = *limit] {
        channel->post(ticket, listTokens(path, std::chrono::milliseconds(limit)));
      });
  if (!started) {
    channel->reject(env, pending.ticket,
                    Error::own(ErrorClass::Internal, "listTokens", "The system gives no more threads."));
  }
  return pending.promise;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  if (Environment::create(env) == nullptr) return exports;
  exports.Set("Token", TokenObject::define(env));
  exports.Set("provision", Napi::Function::New<&provisionToken>(env, "provision"));
  exports.Set("changePin", Napi::Function::New<&changeTokenPin>(env, "changePin"));
  exports.Set("disableCoreDumps", Napi::Function::New<&disableCoreDumps>(env, "disableCoreDumps"));
  exports.Set("listTokens", Napi::Function::New<&listTokensOf>(env, "listTokens"));
  defineSha256(env, exports);
  defineUsb(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(hsm_addon, init)

}  // namespace hsm::addon
