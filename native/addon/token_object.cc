#include "addon/token_object.h"

#include <utility>

#include "addon/environment.h"
#include "addon/values.h"

namespace hsm::addon {
namespace {

constexpr std::uint64_t kMostRandomBytes = 64 * 1024;

class ChannelSink : public TokenSink {
 public:
  ChannelSink(std::shared_ptr<Channel> channel, std::uint64_t target)
      : channel_(std::move(channel)), target_(target) {}
  void answer(std::uint64_t ticket, Outcome outcome) override { channel_->post(ticket, std::move(outcome)); }
  void event(TokenEvent event) override { channel_->postEvent(target_, std::move(event)); }

 private:
  const std::shared_ptr<Channel> channel_;
  const std::uint64_t target_;
};

const char* eventName(TokenEvent::Kind kind) {
  switch (kind) {
    case TokenEvent::Kind::Changed: return "changed";
    case TokenEvent::Kind::Gone: return "gone";
    case TokenEvent::Kind::Back: return "back";
    case TokenEvent::Kind::Hung: return "hung";
    case TokenEvent::Kind::Life: return "state";
  }
  return "";
}

}  // namespace

Napi::Function TokenObject::define(Napi::Env env) {
  return DefineClass(env, "Token",
                     {InstanceMethod<&TokenObject::open>("open"), InstanceMethod<&TokenObject::list>("list"),
                      InstanceMethod<&TokenObject::read>("read"), InstanceMethod<&TokenObject::apply>("apply"),
                      InstanceMethod<&TokenObject::refresh>("refresh"), InstanceMethod<&TokenObject::random>("random"),
                      InstanceMethod<&TokenObject::close>("close"), InstanceMethod<&TokenObject::version>("version"),
                      InstanceMethod<&TokenObject::ticket>("ticket"),
                      InstanceMethod<&TokenObject::withdraw>("withdraw")});
}

TokenObject::TokenObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TokenObject>(info) {
  const Napi::Env env = info.Env();
  Environment* environment = Environment::of(env);
  auto arguments = openArguments(env, info[0]);
  if (!arguments) return;
  if (!info[1].IsFunction()) {
    Napi::TypeError::New(env, "onEvent must be a function.").ThrowAsJavaScriptException();
    return;
  }
  channel_ = environment->channel();
  target_ = channel_->addTarget(this);
  onEvent_ = Napi::Persistent(info[1].As<Napi::Function>());
  auto opener = [path = std::move(arguments->modulePath)] { return Module::load(path); };
  auto started = Token::start(std::move(opener), std::move(arguments->device), arguments->deadlines,
                              arguments->queueLimit, std::make_shared<ChannelSink>(channel_, target_));
  if (!started) {
    Napi::Error::New(env, started.error().message).ThrowAsJavaScriptException();
    return;
  }
  token_ = std::move(started.value());
  environment->track(token_);
}

TokenObject::~TokenObject() {
  if (channel_ != nullptr) channel_->removeTarget(target_);
  if (token_ != nullptr) token_->abandon();
}

Napi::Value TokenObject::submit(Napi::Env env, Request request) {
  const Channel::Pending pending = channel_->expect(env);
  if (pending.ticket == 0) return {};
  lastTicket_ = pending.ticket;
  if (std::holds_alternative<CloseRequest>(request)) {
    token_->close(pending.ticket);
  } else {
    token_->submit(pending.ticket, std::move(request));
  }
  return pending.promise;
}

Napi::Value TokenObject::open(const Napi::CallbackInfo& info) { return submit(info.Env(), OpenRequest{}); }

Napi::Value TokenObject::list(const Napi::CallbackInfo& info) { return submit(info.Env(), ListRequest{}); }

Napi::Value TokenObject::read(const Napi::CallbackInfo& info) {
  auto ids = idsArgument(info.Env(), info[0]);
  if (!ids) return {};
  return submit(info.Env(), ReadRequest{std::move(*ids)});
}

Napi::Value TokenObject::apply(const Napi::CallbackInfo& info) {
  auto operations = operationsArgument(info.Env(), info[0]);
  if (!operations) return {};
  return submit(info.Env(), ApplyRequest{std::move(*operations)});
}

Napi::Value TokenObject::refresh(const Napi::CallbackInfo& info) { return submit(info.Env(), RefreshRequest{}); }

Napi::Value TokenObject::random(const Napi::CallbackInfo& info) {
  const auto length = integerArgument(info.Env(), info[0], "length", 1, kMostRandomBytes);
  if (!length) return {};
  return submit(info.Env(), RandomRequest{static_cast<std::size_t>(*length)});
}

Napi::Value TokenObject::close(const Napi::CallbackInfo& info) { return submit(info.Env(), CloseRequest{}); }

Napi::Value TokenObject::version(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(token_->version()));
}

Napi::Value TokenObject::ticket(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(lastTicket_));
}

Napi::Value TokenObject::withdraw(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto ticket = integerArgument(env, info[0], "ticket", 0, (1ULL << 53) - 1);
  if (!ticket) return {};
  const bool withdrawn = token_->withdraw(*ticket);
  if (withdrawn) {
    channel_->reject(env, *ticket, Error::own(ErrorClass::Busy, "withdraw", "The request was withdrawn."));
  }
  return Napi::Boolean::New(env, withdrawn);
}

void TokenObject::onTokenEvent(Napi::Env env, const TokenEvent& event) {
  onEvent_.Call({Napi::String::New(env, eventName(event.kind)),
                 Napi::Number::New(env, static_cast<double>(event.version)), Napi::String::New(env, event.text)});
}

}  // namespace hsm::addon
