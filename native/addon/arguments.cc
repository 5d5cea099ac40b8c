#include <cmath>
#include <utility>

#include "addon/values.h"

namespace hsm::addon {
namespace {

constexpr double kLargestInteger = 9007199254740991;  // 2^53 - 1
constexpr std::uint64_t kLongestDeadline = 24ULL * 3600 * 1000;
constexpr std::size_t kLargestBatch = 100'000;

std::nullopt_t typeError(Napi::Env env, const char* name, const std::string& wanted) {
  Napi::TypeError::New(env, std::string(name) + " must be " + wanted + ".").ThrowAsJavaScriptException();
  return std::nullopt;
}

bool isUndefined(Napi::Env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  return napi_typeof(env, value, &type) != napi_ok || type == napi_undefined;
}

std::optional<napi_value> property(Napi::Env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  if (napi_get_named_property(env, object, name, &value) == napi_ok) return value;
  if (!env.IsExceptionPending()) return typeError(env, name, "a property of an object");
  return std::nullopt;
}

std::optional<bool> booleanProperty(Napi::Env env, napi_value object, const char* name) {
  const auto value = property(env, object, name);
  if (!value) return std::nullopt;
  bool result = false;
  if (napi_get_value_bool(env, *value, &result) != napi_ok) return typeError(env, name, "a boolean");
  return result;
}

std::optional<std::string> stringProperty(Napi::Env env, napi_value object, const char* name) {
  const auto value = property(env, object, name);
  if (!value) return std::nullopt;
  return stringArgument(env, *value, name);
}

std::optional<std::uint64_t> integerProperty(Napi::Env env, napi_value object, const char* name, std::uint64_t least,
                                             std::uint64_t most) {
  const auto value = property(env, object, name);
  if (!value) return std::nullopt;
  return integerArgument(env, *value, name, least, most);
}

std::optional<TokenSelector> selectorOf(Napi::Env env, napi_value value) {
  TokenSelector select;
  int given = 0;
  for (const char* name : {"serialNumber", "label", "slot"}) {
    const auto member = property(env, value, name);
    if (!member) return std::nullopt;
    if (isUndefined(env, *member)) continue;
    ++given;
    if (name[1] == 'l') {
      const auto slot = integerArgument(env, *member, name, 0, static_cast<std::uint64_t>(kLargestInteger));
      if (!slot) return std::nullopt;
      select.slot = static_cast<CK_SLOT_ID>(*slot);
    } else {
      auto text = stringArgument(env, *member, name);
      if (!text) return std::nullopt;
      (name[0] == 's' ? select.serialNumber : select.label) = std::move(*text);
    }
  }
  if (given != 1) return typeError(env, "select", "an object with one of serialNumber, label and slot");
  return select;
}

std::optional<Deadlines> deadlinesOf(Napi::Env env, napi_value value) {
  Deadlines deadlines;
  const std::pair<const char*, std::chrono::milliseconds*> members[] = {{"open", &deadlines.open},
                                                                        {"read", &deadlines.read},
                                                                        {"write", &deadlines.write},
                                                                        {"refresh", &deadlines.refresh},
                                                                        {"close", &deadlines.close}};
  for (const auto& [name, target] : members) {
    const auto limit = integerProperty(env, value, name, 1, kLongestDeadline);
    if (!limit) return std::nullopt;
    *target = std::chrono::milliseconds(*limit);
  }
  return deadlines;
}

std::optional<std::uint32_t> lengthOf(Napi::Env env, napi_value value, const char* name) {
  bool isArray = false;
  std::uint32_t length = 0;
  if (napi_is_array(env, value, &isArray) != napi_ok || !isArray ||
      napi_get_array_length(env, value, &length) != napi_ok || length > kLargestBatch) {
    return typeError(env, name, "an array");
  }
  return length;
}

std::optional<Operation> operationOf(Napi::Env env, napi_value value) {
  auto kind = stringProperty(env, value, "kind");
  if (!kind) return std::nullopt;
  if (*kind == "destroy") {
    const auto id = integerProperty(env, value, "id", 0, static_cast<std::uint64_t>(kLargestInteger));
    if (!id) return std::nullopt;
    return Operation(DestroyOperation{*id});
  }
  if (*kind != "create") return typeError(env, "kind", "'create' or 'destroy'");
  auto label = stringProperty(env, value, "label");
  if (!label) return std::nullopt;
  auto application = stringProperty(env, value, "application");
  if (!application) return std::nullopt;
  const auto bytes = property(env, value, "value");
  if (!bytes) return std::nullopt;
  const auto span = bytesArgument(env, *bytes, "value");
  if (!span) return std::nullopt;
  return Operation(CreateOperation{std::move(*label), std::move(*application), SecureBytes(*span)});
}

}  // namespace

std::optional<std::span<std::uint8_t>> bytesArgument(Napi::Env env, napi_value value, const char* name) {
  bool fits = false;
  napi_typedarray_type type = napi_int8_array;
  std::size_t length = 0;
  void* data = nullptr;
  if (napi_is_typedarray(env, value, &fits) != napi_ok || !fits ||
      napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return typeError(env, name, "a Uint8Array");
  }
  return std::span<std::uint8_t>(static_cast<std::uint8_t*>(data), length);
}

std::optional<std::uint64_t> integerArgument(Napi::Env env, napi_value value, const char* name, std::uint64_t least,
                                             std::uint64_t most) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0) || number > kLargestInteger ||
      std::floor(number) != number || static_cast<std::uint64_t>(number) < least ||
      static_cast<std::uint64_t>(number) > most) {
    return typeError(env, name, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return static_cast<std::uint64_t>(number);
}

std::optional<std::string> stringArgument(Napi::Env env, napi_value value, const char* name) {
  std::size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    return typeError(env, name, "a string");
  }
  std::string text(length, '\0');
  // One byte more: Node ends the text with a NUL, which a std::string has behind its bytes anyway.
  if (napi_get_value_string_utf8(env, value, text.data(), length + 1, &length) != napi_ok) {
    return typeError(env, name, "a string");
  }
  text.resize(length);
  return text;
}

std::optional<OpenArguments> openArguments(Napi::Env env, napi_value value) {
  OpenArguments arguments;
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_object) return typeError(env, "options", "an object");
  // The PIN first: it is wiped whatever else is wrong.
  const auto pin = property(env, value, "pin");
  if (!pin) return std::nullopt;
  const auto pinBytes = bytesArgument(env, *pin, "pin");
  if (!pinBytes) return std::nullopt;
  arguments.device.pin = SecureBytes(*pinBytes);
  wipeMemory(pinBytes->data(), pinBytes->size());

  auto modulePath = stringProperty(env, value, "modulePath");
  if (!modulePath) return std::nullopt;
  arguments.modulePath = std::move(*modulePath);
  const auto select = property(env, value, "select");
  if (!select) return std::nullopt;
  auto selector = selectorOf(env, *select);
  if (!selector) return std::nullopt;
  arguments.device.select = std::move(*selector);
  const auto deadlines = property(env, value, "deadlines");
  if (!deadlines) return std::nullopt;
  const auto limits = deadlinesOf(env, *deadlines);
  if (!limits) return std::nullopt;
  arguments.deadlines = *limits;

  const auto reinitializes = booleanProperty(env, value, "refreshReinitializes");
  if (!reinitializes) return std::nullopt;
  arguments.device.refreshReinitializes = *reinitializes;
  const auto allowFinalTry = booleanProperty(env, value, "allowFinalTry");
  if (!allowFinalTry) return std::nullopt;
  arguments.device.allowFinalTry = *allowFinalTry;
  const auto capacity = integerProperty(env, value, "objectCapacity", 1, 1ULL << 32);
  if (!capacity) return std::nullopt;
  arguments.device.objectCapacity = *capacity;
  const auto valueLength = integerProperty(env, value, "maxValueLength", 1, 1ULL << 26);
  if (!valueLength) return std::nullopt;
  arguments.device.maxValueLength = *valueLength;
  const auto queueLimit = integerProperty(env, value, "queueLimit", 1, 1ULL << 20);
  if (!queueLimit) return std::nullopt;
  arguments.queueLimit = static_cast<std::size_t>(*queueLimit);
  auto lockDirectory = stringProperty(env, value, "lockDirectory");
  if (!lockDirectory) return std::nullopt;
  arguments.device.lockDirectory = std::move(*lockDirectory);
  auto stateDirectory = stringProperty(env, value, "stateDirectory");
  if (!stateDirectory) return std::nullopt;
  arguments.device.stateDirectory = std::move(*stateDirectory);
  return arguments;
}

std::optional<std::vector<ObjectId>> idsArgument(Napi::Env env, napi_value value) {
  const auto length = lengthOf(env, value, "ids");
  if (!length) return std::nullopt;
  std::vector<ObjectId> ids;
  ids.reserve(*length);
  for (std::uint32_t i = 0; i < *length; ++i) {
    napi_value element = nullptr;
    if (napi_get_element(env, value, i, &element) != napi_ok) return std::nullopt;
    const auto id = integerArgument(env, element, "an id", 0, static_cast<std::uint64_t>(kLargestInteger));
    if (!id) return std::nullopt;
    ids.push_back(*id);
  }
  return ids;
}

std::optional<std::vector<Operation>> operationsArgument(Napi::Env env, napi_value value) {
  const auto length = lengthOf(env, value, "operations");
  if (!length) return std::nullopt;
  std::vector<Operation> operations;
  operations.reserve(*length);
  for (std::uint32_t i = 0; i < *length; ++i) {
    const Napi::HandleScope scope(env);
    napi_value element = nullptr;
    if (napi_get_element(env, value, i, &element) != napi_ok) return std::nullopt;
    auto operation = operationOf(env, element);
    if (!operation) return std::nullopt;
    operations.push_back(std::move(*operation));
  }
  return operations;
}

}  // namespace hsm::addon
