// SHA-256 and HMAC of src/addon.ts.
#ifndef HSM_NATIVE_ADDON_SHA256_OBJECT_H_
#define HSM_NATIVE_ADDON_SHA256_OBJECT_H_

#include <napi.h>

#include "sha256/sha256.h"

namespace hsm::addon {

Napi::Value sha256(const Napi::CallbackInfo& info);
Napi::Value hmacSha256(const Napi::CallbackInfo& info);

// new Sha256(), update(bytes), digest(); then it stands at the beginning again.
class Sha256Object : public Napi::ObjectWrap<Sha256Object> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Sha256Object(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Sha256Object>(info) {}

 private:
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value digest(const Napi::CallbackInfo& info);

  Sha256 hash_;
};

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_SHA256_OBJECT_H_
