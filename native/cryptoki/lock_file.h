// Keeps a second process of ours off a token.
#ifndef HSM_NATIVE_CRYPTOKI_LOCK_FILE_H_
#define HSM_NATIVE_CRYPTOKI_LOCK_FILE_H_

#include <string>

#include "cryptoki/result.h"

namespace hsm {

// An advisory lock (flock) on `<directory>/<serial number>.lock`, held until destruction; the kernel takes it off
// a process that dies.
class LockFile {
 public:
  // Busy when another holder has it, in this process or another. Makes the directory's last level when it is not
  // there. An empty directory means no lock.
  static Result<LockFile> acquire(const std::string& directory, const std::string& serialNumber);

  LockFile() = default;
  ~LockFile();
  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&& other) noexcept;
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  explicit LockFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

// A file name for a serial number: letters, digits, `-` and `_` stay, every other byte becomes `%XX`.
std::string fileNameOf(const std::string& serialNumber);

// Makes the last level of a private directory (0700) when it is not there.
Status ensureDirectory(const std::string& directory);

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_LOCK_FILE_H_
