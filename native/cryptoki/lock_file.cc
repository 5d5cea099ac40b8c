#include "cryptoki/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace hsm {

std::string fileNameOf(const std::string& serialNumber) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string name;
  for (const char character : serialNumber) {
    const auto byte = static_cast<unsigned char>(character);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       byte == '-' || byte == '_';
    if (plain) {
      name += character;
    } else {
      name += '%';
      name += kHex[byte >> 4];
      name += kHex[byte & 15];
    }
  }
  return name.empty() ? "%" : name;
}

Status ensureDirectory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return Error::own(ErrorClass::BadInput, "open", "Cannot make the folder " + directory + ": " + strerror(errno) + ".");
}

Result<LockFile> LockFile::acquire(const std::string& directory, const std::string& serialNumber) {
  if (directory.empty()) return LockFile();
  if (Status status = ensureDirectory(directory); !status) return status.error();
  const std::string path = directory + "/" + fileNameOf(serialNumber) + ".lock";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) {
    return Error::own(ErrorClass::BadInput, "open", "Cannot open the lock file " + path + ": " + strerror(errno) + ".");
  }
  LockFile lock(descriptor);
  int outcome = 0;
  do {
    outcome = flock(descriptor, LOCK_EX | LOCK_NB);
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0) {
    if (errno == EWOULDBLOCK) {
      return Error::own(ErrorClass::Busy, "open",
                        "Token " + serialNumber + " is in use by another process (lock file " + path + ").");
    }
    return Error::own(ErrorClass::Internal, "open", "Cannot lock " + path + ": " + strerror(errno) + ".");
  }
  return lock;
}

LockFile::~LockFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

LockFile::LockFile(LockFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

LockFile& LockFile::operator=(LockFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace hsm
