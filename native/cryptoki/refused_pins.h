// Remembers which PINs a token refused, so that none is sent twice: three wrong ones lock a smart card, and a
// program that is restarted over and over spends them in a minute.
#ifndef HSM_NATIVE_CRYPTOKI_REFUSED_PINS_H_
#define HSM_NATIVE_CRYPTOKI_REFUSED_PINS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cryptoki/result.h"
#include "sha256/sha256.h"

namespace hsm {

// The file `<directory>/<serial number>.refused-pins` (0600): one line a PIN, `<state> <salt> <PBKDF2>`, the latter two
// in hex. State `1`: refused. `t<n>`: n logins in a row were begun with it and none of them is known to have ended. A
// login is noted, and synced, before it is sent: a process that dies in its middle leaves the note.
class RefusedPins {
 public:
  // Opens or makes the file, and checks that it can be written: a refusal that cannot be remembered must not
  // happen. An empty directory keeps the memory in this process only.
  static Result<RefusedPins> open(const std::string& directory, const std::string& serialNumber);

  bool contains(std::span<const std::uint8_t> pin) const;
  // Logins with this PIN of which nobody knows how they ended.
  int unfinished(std::span<const std::uint8_t> pin) const;

  // To be called before a login; durable when it returns. Without success nothing may be sent.
  Status begin(std::span<const std::uint8_t> pin);
  // The login that began did certainly not reach the token.
  void withdraw(std::span<const std::uint8_t> pin);
  // The token refused it. Durable when it returns.
  Status add(std::span<const std::uint8_t> pin);
  // After a login that succeeded: the token's counter is full again. Should a power cut undo this, what comes back is
  // the note of a login that the token's flags disprove.
  void clear();
  const std::string& path() const { return path_; }

 private:
  struct Entry {
    std::vector<std::uint8_t> salt;
    Digest hash;
    int unfinished = 0;  // 0: refused
  };
  const Entry* find(std::span<const std::uint8_t> pin) const;
  Result<Entry*> findOrMake(std::span<const std::uint8_t> pin);
  Status save(bool sync) const;

  std::string path_;
  std::vector<Entry> entries_;
  // The entry made last and a keyed hash of its PIN: the same PIN is looked up at every login, and PBKDF2 is slow.
  std::vector<std::uint8_t> key_;
  Digest lastMark_{};
  std::optional<Entry> last_;
};

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_REFUSED_PINS_H_
