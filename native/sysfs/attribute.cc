#include "sysfs/attribute.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace hsm::sysfs {
namespace {

// ENODEV and ENXIO: the device went between open and read.
bool meansAbsent(int error) { return error == ENOENT || error == ENODEV || error == ENXIO || error == ENOTDIR; }

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) (void)close(fd_);
}

int Descriptor::release() { return std::exchange(fd_, -1); }

Reading Attribute::read(int folder, const char* name) {
  length_ = 0;
  const Descriptor file(openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return meansAbsent(errno) ? Reading::Absent : Reading::Unreadable;
  ssize_t got = -1;
  do {
    got = ::read(file.get(), buffer_.data(), buffer_.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) return meansAbsent(errno) ? Reading::Absent : Reading::Unreadable;
  length_ = static_cast<std::size_t>(got);
  if (length_ == buffer_.size()) {
    length_ = 0;
    return Reading::Unreadable;
  }
  if (length_ > 0 && buffer_[length_ - 1] == '\n') --length_;
  return length_ > 0 ? Reading::Text : Reading::Absent;
}

std::optional<std::uint32_t> parseNumber(std::string_view text, unsigned base, std::uint32_t most) {
  if (text.empty()) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : text) {
    unsigned digit = 16;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit >= base) return std::nullopt;
    number = number * base + digit;
    if (number > most) return std::nullopt;
  }
  return static_cast<std::uint32_t>(number);
}

std::string_view ueventValue(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line[key.size()] == '=' && line.substr(0, key.size()) == key) {
      return line.substr(key.size() + 1);
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace hsm::sysfs
