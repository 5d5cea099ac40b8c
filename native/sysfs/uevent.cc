#include "sysfs/uevent.h"

namespace hsm::sysfs {
namespace {

constexpr std::uint32_t kKernelGroup = 1;

}  // namespace

std::optional<Uevent> parseUevent(std::span<const std::uint8_t> message) {
  std::string_view rest(reinterpret_cast<const char*>(message.data()), message.size());
  if (rest.empty() || rest.back() != '\0') return std::nullopt;
  const auto next = [&rest] {
    const std::size_t end = rest.find('\0');
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return text;
  };
  const std::string_view header = next();
  const std::size_t at = header.find('@');
  if (at == std::string_view::npos || at == 0) return std::nullopt;

  Uevent event;
  while (!rest.empty()) {
    const std::string_view line = next();
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (key == "ACTION") event.action = value;
    if (key == "DEVPATH") event.devpath = value;
    if (key == "SUBSYSTEM") event.subsystem = value;
    if (key == "DEVTYPE") event.devtype = value;
  }
  // The header says the same as the lines, or this is no message of the kernel's.
  if (event.action != header.substr(0, at) || event.devpath != header.substr(at + 1)) return std::nullopt;
  if (!event.devpath.starts_with('/') || event.subsystem.empty()) return std::nullopt;
  return event;
}

bool isFromKernel(const sockaddr_nl& sender, std::size_t senderLength, const ucred* credentials) {
  if (senderLength < sizeof(sockaddr_nl) || sender.nl_family != AF_NETLINK) return false;
  if (sender.nl_pid != 0 || (sender.nl_groups & kKernelGroup) == 0) return false;
  return credentials == nullptr || credentials->pid == 0;
}

}  // namespace hsm::sysfs
