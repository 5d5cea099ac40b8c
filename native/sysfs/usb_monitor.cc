#include "sysfs/usb_monitor.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "cryptoki/thread.h"
#include "sysfs/text.h"
#include "sysfs/uevent.h"

namespace hsm::sysfs {
namespace {

constexpr std::uint32_t kKernelGroup = 1;
// The kernel keeps at most 2 KiB of lines and the header.
constexpr std::size_t kLongestMessage = 8192;
constexpr int kReceiveBuffer = 1 << 20;

enum class Received { Message, Nothing, Lost, Broken };

struct Message {
  std::array<std::uint8_t, kLongestMessage> bytes;
  std::size_t length = 0;
  bool fromKernel = false;
};

Received receive(int socket, Message& message) {
  sockaddr_nl sender{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
  iovec part{message.bytes.data(), message.bytes.size()};
  msghdr header{};
  header.msg_name = &sender;
  header.msg_namelen = sizeof(sender);
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t got = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return Received::Nothing;
    return errno == ENOBUFS ? Received::Lost : Received::Broken;
  }
  if (got == 0) {
    errno = ECONNRESET;  // the other end of a socket pair is gone; netlink has no such message
    return Received::Broken;
  }
  const ucred* credentials = nullptr;
  ucred copy{};
  const cmsghdr* attached = CMSG_FIRSTHDR(&header);
  if (attached != nullptr && attached->cmsg_level == SOL_SOCKET && attached->cmsg_type == SCM_CREDENTIALS &&
      attached->cmsg_len >= CMSG_LEN(sizeof(ucred))) {
    std::memcpy(&copy, CMSG_DATA(attached), sizeof(copy));
    credentials = &copy;
  }
  message.length = static_cast<std::size_t>(got);
  message.fromKernel = isFromKernel(sender, header.msg_namelen, credentials);
  return (header.msg_flags & MSG_TRUNC) != 0 ? Received::Lost : Received::Message;
}

}  // namespace

int openUeventSocket() {
  Descriptor opened(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!opened.valid()) return -1;
  // Only makes a loss rarer: a loss is noticed.
  (void)setsockopt(opened.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof(kReceiveBuffer));
  const int on = 1;
  if (setsockopt(opened.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0) return -1;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelGroup;
  if (bind(opened.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return -1;
  return opened.release();
}

std::unique_ptr<UsbMonitor> UsbMonitor::start(int socket, Senders senders, std::string subsystem, Sink sink) {
  auto core = std::make_shared<Core>(socket, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), senders, std::move(subsystem),
                                     std::move(sink));
  if (!core->stop.valid()) return nullptr;
  if (!startDetachedThread("hsm-usb", [core] { core->run(); })) return nullptr;
  return std::unique_ptr<UsbMonitor>(new UsbMonitor(std::move(core)));
}

UsbMonitor::~UsbMonitor() {
  const std::uint64_t one = 1;
  (void)!write(core_->stop.get(), &one, sizeof(one));
  std::unique_lock lock(core_->mutex);
  core_->ended.wait(lock, [this] { return core_->hasEnded; });
}

void UsbMonitor::Core::run() {
  pollfd watched[] = {{socket.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
  bool usable = true;
  while (usable) {
    const int ready = poll(watched, 2, -1);
    if (ready < 0 && errno != EINTR) {
      sink({.kind = UsbNotice::Kind::Failed, .action = {}, .devpath = {}, .devtype = {}, .error = errno});
      break;
    }
    if (watched[1].revents != 0) break;
    if (ready > 0 && watched[0].revents != 0) usable = drain();
  }
  const std::lock_guard lock(mutex);
  hasEnded = true;
  ended.notify_all();
}

// A bounded number at once, so that a flood cannot keep the thread from seeing that it shall stop.
bool UsbMonitor::Core::drain() {
  Message message;
  for (int i = 0; i < 256; ++i) {
    switch (receive(socket.get(), message)) {
      case Received::Nothing: return true;
      case Received::Lost:
        sink({.kind = UsbNotice::Kind::Overflow, .action = {}, .devpath = {}, .devtype = {}, .error = 0});
        continue;
      case Received::Broken:
        sink({.kind = UsbNotice::Kind::Failed, .action = {}, .devpath = {}, .devtype = {}, .error = errno});
        return false;
      case Received::Message: break;
    }
    if (senders == Senders::Kernel && !message.fromKernel) continue;
    const auto event = parseUevent({message.bytes.data(), message.length});
    if (!event || event->subsystem != subsystem) continue;
    sink({.kind = UsbNotice::Kind::Event,
          .action = printable(event->action),
          .devpath = printable(event->devpath),
          .devtype = printable(event->devtype),
          .error = 0});
  }
  return true;
}

}  // namespace hsm::sysfs
