// The kernel's uevents: what it says when a device comes, goes or changes.
#ifndef HSM_NATIVE_SYSFS_UEVENT_H_
#define HSM_NATIVE_SYSFS_UEVENT_H_

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace hsm::sysfs {

// Views into the message.
struct Uevent {
  std::string_view action;
  std::string_view devpath;
  std::string_view subsystem;
  std::string_view devtype;
};

// A message of netlink group 1: `action@devpath`, then `KEY=value` each, all ended by NUL (kobject_uevent_env). None
// for anything else; udev's own messages (group 2, they begin with `libudev`) among it.
std::optional<Uevent> parseUevent(std::span<const std::uint8_t> message);

// Whether the kernel sent it: any process of this machine can send to a netlink socket, and only the kernel's port is
// 0. `credentials` is null when the message came with none.
bool isFromKernel(const sockaddr_nl& sender, std::size_t senderLength, const ucred* credentials);

}  // namespace hsm::sysfs

#endif  // HSM_NATIVE_SYSFS_UEVENT_H_
