// Failure as a value: the addon is built without C++ exceptions, and none may cross a C or Node-API border.
#ifndef HSM_NATIVE_CRYPTOKI_RESULT_H_
#define HSM_NATIVE_CRYPTOKI_RESULT_H_

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "cryptoki/return_codes.h"

namespace hsm {

struct Error {
  ErrorClass errorClass = ErrorClass::Internal;
  // What failed: a PKCS#11 function ("C_Login") or an operation of ours ("read").
  std::string operation;
  // One sentence for people; never holds a value or a PIN.
  std::string message;
  // The PKCS#11 return value; absent when the failure is our own.
  std::optional<CK_RV> rv;

  static Error own(ErrorClass errorClass, std::string operation, std::string message) {
    return Error{errorClass, std::move(operation), std::move(message), std::nullopt};
  }

  // A failed PKCS#11 call, classified by its return value.
  static Error call(const char* function, CK_RV rv) {
    std::string message = std::string(function) + " failed with " + returnCodeName(rv) + ".";
    return Error{classify(rv), function, std::move(message), rv};
  }
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  // Only after ok().
  T& value() { return *std::get_if<0>(&state_); }
  const T& value() const { return *std::get_if<0>(&state_); }
  // Only after !ok().
  Error& error() { return *std::get_if<1>(&state_); }
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

// Success without a value, or why not.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_RESULT_H_
