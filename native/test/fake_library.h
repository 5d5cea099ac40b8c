// A PKCS#11 library in memory whose every misbehaviour can be scripted: one slot, one token, one session.
#ifndef HSM_NATIVE_TEST_FAKE_LIBRARY_H_
#define HSM_NATIVE_TEST_FAKE_LIBRARY_H_

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cryptoki/pkcs11.h"
#include "cryptoki/return_codes.h"

namespace hsm::test {

struct FakeObject {
  CK_OBJECT_CLASS objectClass = CKO_DATA;
  std::string label;
  std::string application;
  std::string value;
  bool isPrivate = true;
};

class FakeLibrary {
 public:
  FakeLibrary();
  ~FakeLibrary();

  CK_FUNCTION_LIST* functions() { return &functions_; }
  // Puts an object on the token, as another program would; returns its handle.
  CK_OBJECT_HANDLE put(FakeObject object);
  std::size_t count(const std::string& function) const;

  // What the token is.
  std::string serialNumber = "FAKE0001";
  std::string label = "fake";
  std::string pin = "648219";
  CK_FLAGS flags = CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED | CKF_LOGIN_REQUIRED;
  CK_ULONG minPinLength = 6;
  CK_ULONG maxPinLength = 15;
  std::atomic<bool> present = true;
  // All handles become others when the library is initialised again, as with OpenSC.
  bool renumbers = true;
  // The slot is a reader that a card can be pulled out of.
  bool removable = false;

  // Called before each function with its name; another value than CKR_OK is what that function returns, undone.
  std::function<CK_RV(const std::string&)> intercept;
  // As intercept, but after the function has done its work.
  std::function<CK_RV(const std::string&)> afterwards;
  // Overrides for what cannot be said by a return value.
  bool createGivesHandleZero = false;
  bool tellsSillyLength = false;
  // So many of the next searches find nothing, with CKR_OK.
  int emptySearches = 0;

  // What happened.
  std::vector<std::string> calls;
  std::map<CK_OBJECT_HANDLE, FakeObject> objects;
  bool initialized = false;
  bool sessionOpen = false;
  bool loggedIn = false;
  bool searching = false;
  bool destroyedDuringSearch = false;
  bool createdDuringSearch = false;
  // The byte right behind the last CKA_APPLICATION handed in.
  char behindApplication = '?';

 private:
  friend struct Calls;
  CK_RV enter(const std::string& function);
  CK_RV leave(const std::string& function);

  CK_FUNCTION_LIST functions_ = {};
  CK_OBJECT_HANDLE nextHandle_ = 1;
  CK_SESSION_HANDLE session_ = 1;
  std::vector<CK_OBJECT_HANDLE> found_;
};

}  // namespace hsm::test

#endif  // HSM_NATIVE_TEST_FAKE_LIBRARY_H_
