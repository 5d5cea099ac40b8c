#ifndef HSM_NATIVE_SYSFS_TEXT_H_
#define HSM_NATIVE_SYSFS_TEXT_H_

#include <string>
#include <string_view>

namespace hsm::sysfs {

// What a device says of itself, made fit for logs and JSON: where it is no UTF-8 or holds control characters, those
// bytes become `\xNN`, so that two texts that differ stay different.
std::string printable(std::string_view raw);

// A JSON string, quotes included, of a text that is UTF-8 without control characters.
std::string quoted(std::string_view text);

}  // namespace hsm::sysfs

#endif  // HSM_NATIVE_SYSFS_TEXT_H_
