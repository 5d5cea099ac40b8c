#include <cstring>

#include "addon/values.h"

namespace hsm::addon {
namespace {

constexpr std::uint64_t kLargestInteger = (1ULL << 53) - 1;

// Bits of `flags` in a listing.
constexpr std::uint8_t kPrivate = 1;
constexpr std::uint8_t kLabelUnreadable = 2;
constexpr std::uint8_t kApplicationUnreadable = 4;

Napi::Value text(Napi::Env env, const std::string& value) { return Napi::String::New(env, value); }

// A CK_ULONG that JavaScript cannot hold exactly is left out rather than rounded.
Napi::Value number(Napi::Env env, std::uint64_t value) {
  if (value > kLargestInteger) return env.Undefined();
  return Napi::Number::New(env, static_cast<double>(value));
}

// One string and two typed arrays instead of an object an entry: a thousand entries cross in 0.1 ms, not in 5.
Napi::Value listingToJs(Napi::Env env, const Listing& listing) {
  const std::size_t count = listing.objects.size();
  auto ids = Napi::Float64Array::New(env, count);
  auto flags = Napi::Uint8Array::New(env, count);
  // No memory, or a worker that is being ended: then no array can be made, and there is nothing to write into.
  if (ids.IsEmpty() || flags.IsEmpty()) return {};
  std::string names;
  for (std::size_t i = 0; i < count; ++i) {
    const IndexedObject& object = listing.objects[i];
    std::uint8_t bits = object.isPrivate ? kPrivate : 0;
    if (isText(object.label, false)) {
      names += object.label;
    } else {
      bits |= kLabelUnreadable;
    }
    names += '\0';
    if (isText(object.application, false)) {
      names += object.application;
    } else {
      bits |= kApplicationUnreadable;
    }
    names += '\0';
    ids[i] = static_cast<double>(object.id);
    flags[i] = bits;
  }
  auto result = Napi::Object::New(env);
  result.Set("ids", ids);
  result.Set("flags", flags);
  result.Set("names", text(env, names));
  result.Set("otherObjects", number(env, listing.otherObjects));
  result.Set("version", number(env, listing.version));
  return result;
}

Napi::Object slotToJs(Napi::Env env, const SlotDescription& slot) {
  auto result = Napi::Object::New(env);
  result.Set("slot", number(env, slot.slot));
  result.Set("slotDescription", text(env, slot.slotDescription));
  result.Set("serialNumber", text(env, slot.serialNumber));
  result.Set("label", text(env, slot.label));
  result.Set("manufacturer", text(env, slot.manufacturer));
  result.Set("model", text(env, slot.model));
  result.Set("library", text(env, slot.library));
  result.Set("flags", number(env, slot.flags));
  return result;
}

napi_value readToJs(Napi::Env env, ReadOutcome& values) {
  auto result = Napi::Array::New(env, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    napi_value value = values[i] ? bytesToJs(env, values[i].value().span()) : toJs(env, values[i].error());
    if (value == nullptr) return nullptr;
    if (napi_set_element(env, result, static_cast<std::uint32_t>(i), value) != napi_ok) return nullptr;
  }
  return result;
}

napi_value applyToJs(Napi::Env env, const ApplyOutcome& applied) {
  using Kind = OperationOutcome::Kind;
  auto outcomes = Napi::Array::New(env, applied.outcomes.size());
  for (std::size_t i = 0; i < applied.outcomes.size(); ++i) {
    const OperationOutcome& outcome = applied.outcomes[i];
    napi_value value = nullptr;
    switch (outcome.kind) {
      case Kind::Created: value = number(env, outcome.id); break;
      case Kind::Destroyed: value = env.Null(); break;
      case Kind::Skipped: value = env.Undefined(); break;
      case Kind::Failed: value = toJs(env, *outcome.error); break;
    }
    if (value == nullptr || napi_set_element(env, outcomes, static_cast<std::uint32_t>(i), value) != napi_ok) {
      return nullptr;
    }
  }
  auto result = Napi::Object::New(env);
  result.Set("outcomes", outcomes);
  result.Set("version", number(env, applied.version));
  return result;
}

}  // namespace

napi_value bytesToJs(Napi::Env env, std::span<const std::uint8_t> bytes) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, bytes.size(), &data, &buffer) != napi_ok) return nullptr;
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  if (napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &array) != napi_ok) return nullptr;
  return array;
}

napi_value toJs(Napi::Env env, const Error& error) {
  auto result = Napi::Object::New(env);
  result.Set("class", errorClassName(error.errorClass));
  result.Set("operation", text(env, error.operation));
  result.Set("message", text(env, error.message));
  if (error.rv.has_value()) {
    result.Set("ckrName", returnCodeName(*error.rv));
    result.Set("ckrCode", number(env, *error.rv));
  }
  return result;
}

napi_value toJs(Napi::Env env, Outcome& outcome) {
  if (auto* values = std::get_if<ReadOutcome>(&outcome)) return readToJs(env, *values);
  if (const auto* applied = std::get_if<ApplyOutcome>(&outcome)) return applyToJs(env, *applied);
  if (const auto* listing = std::get_if<Listing>(&outcome)) return listingToJs(env, *listing);
  if (const auto* bytes = std::get_if<SecureBytes>(&outcome)) return bytesToJs(env, bytes->span());
  if (const auto* error = std::get_if<Error>(&outcome)) return toJs(env, *error);
  if (const auto* opened = std::get_if<OpenOutcome>(&outcome)) {
    auto result = Napi::Object::New(env);
    const Napi::Value listing = listingToJs(env, opened->listing);
    if (listing.IsEmpty()) return nullptr;
    result.Set("token", slotToJs(env, opened->token));
    result.Set("listing", listing);
    return result;
  }
  return env.Undefined();
}

napi_value toJs(Napi::Env env, const PinWork& work) {
  static constexpr const char* kStates[] = {"done", "untouched", "unfinished"};
  static constexpr const char* kSteps[] = {"look", "initToken", "return", "initPin", "setPin", "verify"};
  auto result = Napi::Object::New(env);
  result.Set("state", kStates[static_cast<std::size_t>(work.state)]);
  result.Set("step", kSteps[static_cast<std::size_t>(work.step)]);
  result.Set("token", slotToJs(env, work.token));
  if (work.error.has_value()) result.Set("error", Napi::Value(env, toJs(env, *work.error)));
  return result;
}

napi_value toJs(Napi::Env env, const std::vector<SlotDescription>& slots) {
  auto result = Napi::Array::New(env, slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) result.Set(static_cast<std::uint32_t>(i), slotToJs(env, slots[i]));
  return result;
}

}  // namespace hsm::addon
