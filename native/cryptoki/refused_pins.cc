#include "cryptoki/refused_pins.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <sstream>

#include "cryptoki/lock_file.h"

namespace hsm {
namespace {

constexpr std::uint32_t kIterations = 20000;  // about 20 ms: nobody waits for it, a guesser waits for each guess
constexpr std::size_t kMostEntries = 16;
constexpr std::size_t kSaltLength = 16;

std::string toHex(std::span<const std::uint8_t> bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

std::optional<std::vector<std::uint8_t>> fromHex(const std::string& text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  if (text.size() % 2 != 0) return std::nullopt;
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

Error cannot(const char* what, const std::string& path) {
  return Error::own(ErrorClass::BadInput, "open",
                    std::string("Cannot ") + what + " the state file " + path + ": " + strerror(errno) + ".");
}

bool writeAll(int descriptor, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = write(descriptor, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace

Result<RefusedPins> RefusedPins::open(const std::string& directory, const std::string& serialNumber) {
  RefusedPins pins;
  if (directory.empty()) return pins;
  if (Status status = ensureDirectory(directory); !status) return status.error();
  pins.path_ = directory + "/" + fileNameOf(serialNumber) + ".refused-pins";
  const int descriptor = ::open(pins.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return cannot("open", pins.path_);
  std::string text;
  char buffer[4096];
  ssize_t got = 0;
  while (text.size() < 65536 && (got = read(descriptor, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  close(descriptor);
  if (got < 0) return cannot("read", pins.path_);
  std::istringstream lines(text);
  std::string version;
  std::string salt;
  std::string hash;
  while (lines >> version >> salt >> hash) {
    const auto saltBytes = fromHex(salt);
    const auto hashBytes = fromHex(hash);
    if (version != "1" || !saltBytes || !hashBytes || hashBytes->size() != Digest{}.size()) continue;
    Entry entry{*saltBytes, {}};
    std::memcpy(entry.hash.data(), hashBytes->data(), entry.hash.size());
    pins.entries_.push_back(std::move(entry));
  }
  return pins;
}

bool RefusedPins::contains(std::span<const std::uint8_t> pin) const {
  for (const Entry& entry : entries_) {
    if (pbkdf2Sha256(pin, entry.salt, kIterations) == entry.hash) return true;
  }
  return false;
}

Status RefusedPins::add(std::span<const std::uint8_t> pin) {
  Entry entry{std::vector<std::uint8_t>(kSaltLength), {}};
  if (getrandom(entry.salt.data(), entry.salt.size(), 0) != static_cast<ssize_t>(entry.salt.size())) {
    return Error::own(ErrorClass::Internal, "open", "The system gives no random bytes.");
  }
  entry.hash = pbkdf2Sha256(pin, entry.salt, kIterations);
  entries_.push_back(std::move(entry));
  if (entries_.size() > kMostEntries) entries_.erase(entries_.begin());
  return save();
}

void RefusedPins::clear() {
  if (entries_.empty()) return;
  entries_.clear();
  (void)save();
}

Status RefusedPins::save() const {
  if (path_.empty()) return {};
  std::string text;
  for (const Entry& entry : entries_) text += "1 " + toHex(entry.salt) + " " + toHex(entry.hash) + "\n";
  // A new file renamed over the old one: a crash leaves the old list or the new one, never none.
  const std::string temporary = path_ + ".new";
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return cannot("write", path_);
  const bool written = writeAll(descriptor, text) && fsync(descriptor) == 0;
  close(descriptor);
  if (!written || rename(temporary.c_str(), path_.c_str()) != 0) return cannot("write", path_);
  return {};
}

}  // namespace hsm
