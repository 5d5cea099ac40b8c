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

// The name in the folder must outlive a power cut, too.
bool syncFolderOf(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  // A file system without it (EINVAL) writes names in order by itself.
  const bool synced = fsync(descriptor) == 0 || errno == EINVAL;
  close(descriptor);
  return synced;
}

// Of the first word of a line: 0 refused, else unfinished logins; nothing for what a later version may write.
std::optional<int> unfinishedOf(const std::string& state) {
  if (state == "1") return 0;
  if (state.size() < 2 || state.size() > 5 || state[0] != 't') return std::nullopt;
  int count = 0;
  for (const char digit : state.substr(1)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    count = count * 10 + (digit - '0');
  }
  return count == 0 ? std::nullopt : std::optional<int>(count);
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
  std::string state;
  std::string salt;
  std::string hash;
  while (lines >> state >> salt >> hash) {
    const auto saltBytes = fromHex(salt);
    const auto hashBytes = fromHex(hash);
    const auto unfinished = unfinishedOf(state);
    if (!unfinished || !saltBytes || !hashBytes || hashBytes->size() != Digest{}.size()) continue;
    Entry entry{*saltBytes, {}, *unfinished};
    std::memcpy(entry.hash.data(), hashBytes->data(), entry.hash.size());
    pins.entries_.push_back(std::move(entry));
  }
  return pins;
}

const RefusedPins::Entry* RefusedPins::find(std::span<const std::uint8_t> pin) const {
  const bool isLast = last_.has_value() && HmacSha256::of(key_, pin) == lastMark_;
  for (const Entry& entry : entries_) {
    const bool same = isLast && entry.salt == last_->salt ? entry.hash == last_->hash
                                                          : pbkdf2Sha256(pin, entry.salt, kIterations) == entry.hash;
    if (same) return &entry;
  }
  return nullptr;
}

bool RefusedPins::contains(std::span<const std::uint8_t> pin) const {
  const Entry* entry = find(pin);
  return entry != nullptr && entry->unfinished == 0;
}

int RefusedPins::unfinished(std::span<const std::uint8_t> pin) const {
  const Entry* entry = find(pin);
  return entry == nullptr ? 0 : entry->unfinished;
}

Result<RefusedPins::Entry*> RefusedPins::findOrMake(std::span<const std::uint8_t> pin) {
  if (const Entry* known = find(pin); known != nullptr) return &entries_[static_cast<std::size_t>(known - entries_.data())];
  if (!last_.has_value() || HmacSha256::of(key_, pin) != lastMark_) {
    Entry entry{std::vector<std::uint8_t>(kSaltLength), {}, 0};
    std::vector<std::uint8_t> key(kSaltLength);
    for (std::vector<std::uint8_t>* bytes : {&entry.salt, &key}) {
      if (getrandom(bytes->data(), bytes->size(), 0) == static_cast<ssize_t>(bytes->size())) continue;
      return Error::own(ErrorClass::Internal, "login", "The system gives no random bytes.");
    }
    entry.hash = pbkdf2Sha256(pin, entry.salt, kIterations);
    key_ = std::move(key);
    lastMark_ = HmacSha256::of(key_, pin);
    last_ = std::move(entry);
  }
  entries_.push_back(*last_);
  if (entries_.size() > kMostEntries) entries_.erase(entries_.begin());
  return &entries_.back();
}

Status RefusedPins::begin(std::span<const std::uint8_t> pin) {
  auto entry = findOrMake(pin);
  if (!entry) return entry.error();
  entry.value()->unfinished += 1;
  return save(true);
}

void RefusedPins::withdraw(std::span<const std::uint8_t> pin) {
  const Entry* known = find(pin);
  if (known == nullptr || known->unfinished == 0) return;
  Entry& entry = entries_[static_cast<std::size_t>(known - entries_.data())];
  if (--entry.unfinished == 0) entries_.erase(entries_.begin() + (known - entries_.data()));
  (void)save(false);
}

Status RefusedPins::add(std::span<const std::uint8_t> pin) {
  auto entry = findOrMake(pin);
  if (!entry) return entry.error();
  entry.value()->unfinished = 0;
  return save(true);
}

void RefusedPins::clear() {
  if (entries_.empty()) return;
  entries_.clear();
  (void)save(false);
}

Status RefusedPins::save(bool sync) const {
  if (path_.empty()) return {};
  std::string text;
  for (const Entry& entry : entries_) {
    if (entry.unfinished == 0) {
      text += '1';
    } else {
      text += 't';
      text += std::to_string(entry.unfinished);
    }
    text += ' ';
    text += toHex(entry.salt);
    text += ' ';
    text += toHex(entry.hash);
    text += '\n';
  }
  // A new file renamed over the old one: a crash leaves the old list or the new one, never none.
  const std::string temporary = path_ + ".new";
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return cannot("write", path_);
  const bool written = writeAll(descriptor, text) && (!sync || fsync(descriptor) == 0);
  close(descriptor);
  if (!written || rename(temporary.c_str(), path_.c_str()) != 0) return cannot("write", path_);
  if (sync && !syncFolderOf(path_)) return cannot("write", path_);
  return {};
}

}  // namespace hsm
