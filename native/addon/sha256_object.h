// SHA-256 and HMAC of src/addon.ts.
#ifndef HSM_NATIVE_ADDON_SHA256_OBJECT_H_
#define HSM_NATIVE_ADDON_SHA256_OBJECT_H_

#include <napi.h>

#include <memory>

#include "sha256/sha256.h"

namespace hsm::addon {

// The functions, and the class Sha256.
void defineSha256(Napi::Env env, Napi::Object exports);

// new Sha256(), update(bytes), digest(); then it stands at the beginning again.
class Sha256Object : public Napi::ObjectWrap<Sha256Object> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Sha256Object(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Sha256Object>(info) {}

 private:
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value updateAsync(const Napi::CallbackInfo& info);
  Napi::Value digest(const Napi::CallbackInfo& info);
  // True, with an exception pending, while an updateAsync has not settled.
  bool refuseWhileBusy(Napi::Env env) const;

  // Shared with the thread that feeds it, which may outlive this object.
  std::shared_ptr<Sha256> hash_ = std::make_shared<Sha256>();
  std::shared_ptr<bool> busy_ = std::make_shared<bool>(false);
};

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_SHA256_OBJECT_H_
