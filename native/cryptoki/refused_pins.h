// Remembers which PINs a token refused, so that none is sent twice: three wrong ones lock a smart card, and a
// program that is restarted over and over spends them in a minute.
#ifndef HSM_NATIVE_CRYPTOKI_REFUSED_PINS_H_
#define HSM_NATIVE_CRYPTOKI_REFUSED_PINS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cryptoki/result.h"
#include "sha256/sha256.h"

namespace hsm {

// The file `<directory>/<serial number>.refused-pins` (0600): one line a PIN, `1 <salt> <PBKDF2>`, both in hex.
class RefusedPins {
 public:
  // Opens or makes the file, and checks that it can be written: a refusal that cannot be remembered must not
  // happen. An empty directory keeps the memory in this process only.
  static Result<RefusedPins> open(const std::string& directory, const std::string& serialNumber);

  bool contains(std::span<const std::uint8_t> pin) const;
  // Also written to the file, and synced, before it returns.
  Status add(std::span<const std::uint8_t> pin);
  // After a login that succeeded: the token's counter is full again.
  void clear();
  const std::string& path() const { return path_; }

 private:
  struct Entry {
    std::vector<std::uint8_t> salt;
    Digest hash;
  };
  Status save() const;

  std::string path_;
  std::vector<Entry> entries_;
};

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_REFUSED_PINS_H_
