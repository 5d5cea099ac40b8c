#include "addon/sha256_object.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "addon/sha256_job.h"
#include "addon/values.h"
#include "sha256/batch.h"
#include "sha256/implementation.h"

namespace hsm::addon {
namespace {

constexpr std::uint32_t kLargestBatch = 1'000'000;

Napi::Value toValue(Napi::Env env, napi_value value) {
  return value == nullptr ? Napi::Value() : Napi::Value(env, value);
}

Napi::Value sha256(const Napi::CallbackInfo& info) {
  const auto data = bytesArgument(info.Env(), info[0], "data");
  if (!data) return {};
  return toValue(info.Env(), bytesToJs(info.Env(), Sha256::of(*data)));
}

// A string of 64 characters is far cheaper to make than a Uint8Array.
Napi::Value sha256Hex(const Napi::CallbackInfo& info) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto data = bytesArgument(info.Env(), info[0], "data");
  if (!data) return {};
  const Digest digest = Sha256::of(*data);
  std::array<char, 64> text;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    text[2 * i] = kHex[digest[i] >> 4];
    text[2 * i + 1] = kHex[digest[i] & 15];
  }
  napi_value value = nullptr;
  napi_create_string_latin1(info.Env(), text.data(), text.size(), &value);
  return toValue(info.Env(), value);
}

Napi::Value sha256Async(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto data = bytesArgument(env, info[0], "data");
  if (!data) return {};
  auto hash = std::make_shared<Sha256>();
  return toValue(env, hashOffThread(env, hash, info[0], *data, [env, hash](bool failed) -> napi_value {
    return failed ? nullptr : bytesToJs(env, hash->digest());
  }));
}

std::optional<std::vector<std::span<const std::uint8_t>>> messagesArgument(Napi::Env env, napi_value list) {
  bool isArray = false;
  std::uint32_t count = 0;
  if (napi_is_array(env, list, &isArray) != napi_ok || !isArray ||
      napi_get_array_length(env, list, &count) != napi_ok || count > kLargestBatch) {
    Napi::TypeError::New(env, "messages must be an array of Uint8Array, at most " + std::to_string(kLargestBatch) + ".")
        .ThrowAsJavaScriptException();
    return std::nullopt;
  }
  // First all elements, then their bytes: an element can be a getter, which might take an earlier one's memory away.
  std::vector<napi_value> elements(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (napi_get_element(env, list, i, &elements[i]) != napi_ok) return std::nullopt;
  }
  std::vector<std::span<const std::uint8_t>> messages;
  messages.reserve(count);
  for (napi_value element : elements) {
    napi_typedarray_type type = napi_int8_array;
    std::size_t length = 0;
    void* data = nullptr;
    // Refuses what is no typed array by itself: a call less for each message.
    if (napi_get_typedarray_info(env, element, &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array) {
      Napi::TypeError::New(env, "Each message must be a Uint8Array.").ThrowAsJavaScriptException();
      return std::nullopt;
    }
    messages.emplace_back(static_cast<const std::uint8_t*>(data), length);
  }
  return messages;
}

napi_value digestsToJs(Napi::Env env, const std::vector<Digest>& digests) {
  return bytesToJs(env, {reinterpret_cast<const std::uint8_t*>(digests.data()), digests.size() * sizeof(Digest)});
}

Napi::Value sha256Batch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto messages = messagesArgument(env, info[0]);
  if (!messages) return {};
  std::vector<Digest> digests(messages->size());
  hsm::sha256Batch(*messages, digests);
  return toValue(env, digestsToJs(env, digests));
}

Napi::Value sha256BatchAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto messages = messagesArgument(env, info[0]);
  if (!messages) return {};
  return toValue(env, batchOffThread(env, *messages, digestsToJs));
}

Napi::Value hmacSha256(const Napi::CallbackInfo& info) {
  const auto key = bytesArgument(info.Env(), info[0], "key");
  if (!key) return {};
  const auto data = bytesArgument(info.Env(), info[1], "data");
  if (!data) return {};
  return toValue(info.Env(), bytesToJs(info.Env(), HmacSha256::of(*key, *data)));
}

// sha256Implementation(name?): chooses one, for tests and benches; returns the name of the one in use.
Napi::Value implementationOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsUndefined()) {
    const auto name = stringArgument(env, info[0], "name");
    if (!name) return {};
    if (!sha256::useImplementation(*name)) {
      Napi::RangeError::New(env, "This processor has no SHA-256 implementation of that name.")
          .ThrowAsJavaScriptException();
      return {};
    }
  }
  return Napi::String::New(env, sha256::implementation().name);
}

Napi::Value implementationsOf(const Napi::CallbackInfo& info) {
  auto names = Napi::Array::New(info.Env());
  for (const auto* each : sha256::implementations()) {
    names.Set(names.Length(), Napi::String::New(info.Env(), each->name));
  }
  return names;
}

}  // namespace

void defineSha256(Napi::Env env, Napi::Object exports) {
  exports.Set("Sha256", Sha256Object::define(env));
  exports.Set("sha256", Napi::Function::New<&sha256>(env, "sha256"));
  exports.Set("sha256Hex", Napi::Function::New<&sha256Hex>(env, "sha256Hex"));
  exports.Set("sha256Async", Napi::Function::New<&sha256Async>(env, "sha256Async"));
  exports.Set("sha256Batch", Napi::Function::New<&sha256Batch>(env, "sha256Batch"));
  exports.Set("sha256BatchAsync", Napi::Function::New<&sha256BatchAsync>(env, "sha256BatchAsync"));
  exports.Set("hmacSha256", Napi::Function::New<&hmacSha256>(env, "hmacSha256"));
  exports.Set("sha256Implementation", Napi::Function::New<&implementationOf>(env, "sha256Implementation"));
  exports.Set("sha256Implementations", Napi::Function::New<&implementationsOf>(env, "sha256Implementations"));
}

Napi::Function Sha256Object::define(Napi::Env env) {
  return DefineClass(
      env, "Sha256",
      {InstanceMethod<&Sha256Object::update>("update"), InstanceMethod<&Sha256Object::updateAsync>("updateAsync"),
       InstanceMethod<&Sha256Object::digest>("digest")});
}

bool Sha256Object::refuseWhileBusy(Napi::Env env) const {
  if (!*busy_) return false;
  Napi::Error::New(env, "The hash is busy: await updateAsync first.").ThrowAsJavaScriptException();
  return true;
}

Napi::Value Sha256Object::update(const Napi::CallbackInfo& info) {
  const auto data = bytesArgument(info.Env(), info[0], "data");
  if (!data || refuseWhileBusy(info.Env())) return {};
  hash_->update(*data);
  return info.This();
}

Napi::Value Sha256Object::updateAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto data = bytesArgument(env, info[0], "data");
  if (!data || refuseWhileBusy(env)) return {};
  *busy_ = true;
  return toValue(env, hashOffThread(env, hash_, info[0], *data, [env, busy = busy_](bool) -> napi_value {
    *busy = false;
    return env.Undefined();
  }));
}

Napi::Value Sha256Object::digest(const Napi::CallbackInfo& info) {
  if (refuseWhileBusy(info.Env())) return {};
  return toValue(info.Env(), bytesToJs(info.Env(), hash_->digest()));
}

}  // namespace hsm::addon
