// One read-write session on a token: the PKCS#11 calls that this program makes, each checked.
#ifndef HSM_NATIVE_CRYPTOKI_SESSION_H_
#define HSM_NATIVE_CRYPTOKI_SESSION_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cryptoki/heartbeat.h"
#include "cryptoki/module.h"
#include "cryptoki/object_index.h"
#include "cryptoki/pkcs11.h"
#include "cryptoki/result.h"
#include "cryptoki/secure_bytes.h"

namespace hsm {

struct Scan {
  std::vector<ScannedObject> objects;
  std::uint64_t otherObjects = 0;
};

class Session {
 public:
  // `heartbeat` is told of each call into the library.
  static Result<std::unique_ptr<Session>> open(std::shared_ptr<Module> module, CK_SLOT_ID slot,
                                               Heartbeat* heartbeat);
  // Closes the session; does not log out.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  CK_RV login(std::span<const std::uint8_t> pin);
  void logout();
  // Whether the session is open and logged in now. Also the call that tells the truth first when a card is gone.
  Status check();

  // Every object that the token shows, found by one search that is always ended.
  Result<Scan> scan();
  // The whole value. One call when it fits the buffer that earlier values needed.
  Result<SecureBytes> readValue(CK_OBJECT_HANDLE handle);
  // A private token object of class CKO_DATA. A handle of 0 counts as NoSpace, whatever the return value.
  Result<CK_OBJECT_HANDLE> create(const std::string& label, const std::string& application,
                                  std::span<const std::uint8_t> value);
  Status destroy(CK_OBJECT_HANDLE handle);
  Result<SecureBytes> random(std::size_t length);

 private:
  Session(std::shared_ptr<Module> module, CK_SESSION_HANDLE handle, Heartbeat* heartbeat)
      : module_(std::move(module)), handle_(handle), heartbeat_(heartbeat) {}
  const CK_FUNCTION_LIST& call();
  Result<std::vector<CK_OBJECT_HANDLE>> findAll();

  std::shared_ptr<Module> module_;
  CK_SESSION_HANDLE handle_;
  Heartbeat* heartbeat_;
  SecureBytes buffer_;
};

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_SESSION_H_
