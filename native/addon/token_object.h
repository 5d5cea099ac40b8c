// `Token` of src/addon.ts: a token as a JavaScript object.
#ifndef HSM_NATIVE_ADDON_TOKEN_OBJECT_H_
#define HSM_NATIVE_ADDON_TOKEN_OBJECT_H_

#include <napi.h>

#include <memory>

#include "addon/channel.h"
#include "cryptoki/token.h"

namespace hsm::addon {

class TokenObject : public Napi::ObjectWrap<TokenObject>, private EventTarget {
 public:
  static Napi::Function define(Napi::Env env);

  // new Token(options, onEvent)
  explicit TokenObject(const Napi::CallbackInfo& info);
  // Also when it was collected without having been closed.
  ~TokenObject() override;

 private:
  Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value list(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value apply(const Napi::CallbackInfo& info);
  Napi::Value refresh(const Napi::CallbackInfo& info);
  Napi::Value random(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value version(const Napi::CallbackInfo& info);
  Napi::Value ticket(const Napi::CallbackInfo& info);
  Napi::Value withdraw(const Napi::CallbackInfo& info);

  Napi::Value submit(Napi::Env env, Request request);
  void onTokenEvent(Napi::Env env, const TokenEvent& event) override;

  std::shared_ptr<Channel> channel_;
  std::shared_ptr<Token> token_;
  Napi::FunctionReference onEvent_;
  std::uint64_t target_ = 0;
  std::uint64_t lastTicket_ = 0;
};

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_TOKEN_OBJECT_H_
