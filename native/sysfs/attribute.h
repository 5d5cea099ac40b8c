// Files of sysfs: small texts that may be missing, unreadable, huge or gone in the middle.
#ifndef HSM_NATIVE_SYSFS_ATTRIBUTE_H_
#define HSM_NATIVE_SYSFS_ATTRIBUTE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hsm::sysfs {

// A file descriptor, closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release();

 private:
  int fd_;
};

enum class Reading {
  Text,
  // No such file, or empty: the device has no such attribute, or is gone.
  Absent,
  // It is there and cannot be read (no permission, an error of the device) or is no attribute (too large).
  Unreadable,
};

// The last attribute read; the next reading overwrites its text.
class Attribute {
 public:
  // Opens `name` below the folder `folder`, reads at most 4 KiB (more never stands in a sysfs file) and drops one
  // newline at the end. Never waits, not even for a pipe.
  Reading read(int folder, const char* name);
  std::string_view text() const { return {buffer_.data(), length_}; }

 private:
  std::array<char, 4097> buffer_;
  std::size_t length_ = 0;
};

// The whole text as a number of that base; none when it is something else or above `most`.
std::optional<std::uint32_t> parseNumber(std::string_view text, unsigned base, std::uint32_t most);

// The value of `key` in a file `uevent` (lines `KEY=value`); empty when it is not there.
std::string_view ueventValue(std::string_view text, std::string_view key);

}  // namespace hsm::sysfs

#endif  // HSM_NATIVE_SYSFS_ATTRIBUTE_H_
