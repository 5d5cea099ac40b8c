#include "addon/sha256_object.h"

#include "addon/values.h"

namespace hsm::addon {
namespace {

Napi::Value digestToJs(Napi::Env env, const Digest& digest) {
  napi_value value = bytesToJs(env, digest);
  return value == nullptr ? Napi::Value() : Napi::Value(env, value);
}

}  // namespace

Napi::Value sha256(const Napi::CallbackInfo& info) {
  const auto data = bytesArgument(info.Env(), info[0], "data");
  if (!data) return {};
  return digestToJs(info.Env(), Sha256::of(*data));
}

Napi::Value hmacSha256(const Napi::CallbackInfo& info) {
  const auto key = bytesArgument(info.Env(), info[0], "key");
  if (!key) return {};
  const auto data = bytesArgument(info.Env(), info[1], "data");
  if (!data) return {};
  return digestToJs(info.Env(), HmacSha256::of(*key, *data));
}

Napi::Function Sha256Object::define(Napi::Env env) {
  return DefineClass(
      env, "Sha256",
      {InstanceMethod<&Sha256Object::update>("update"), InstanceMethod<&Sha256Object::digest>("digest")});
}

Napi::Value Sha256Object::update(const Napi::CallbackInfo& info) {
  const auto data = bytesArgument(info.Env(), info[0], "data");
  if (!data) return {};
  hash_.update(*data);
  return info.This();
}

Napi::Value Sha256Object::digest(const Napi::CallbackInfo& info) {
  return digestToJs(info.Env(), hash_.digest());
}

}  // namespace hsm::addon
