#include "sysfs/uevent.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "sysfs/usb_monitor.h"

namespace hsm::sysfs {
namespace {

using namespace std::string_literals;

std::optional<Uevent> parse(const std::string& message) {
  return parseUevent({reinterpret_cast<const std::uint8_t*>(message.data()), message.size()});
}

const std::string kAdd =
    "add@/devices/pci0/usb1/1-1\0ACTION=add\0DEVPATH=/devices/pci0/usb1/1-1\0SUBSYSTEM=usb\0"
    "MAJOR=189\0DEVTYPE=usb_device\0PRODUCT=2e8a/10fd/606\0BUSNUM=001\0DEVNUM=005\0SEQNUM=4711\0"s;

TEST(Uevent, ReadsWhatTheKernelSends) {
  const auto event = parse(kAdd);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->action, "add");
  EXPECT_EQ(event->devpath, "/devices/pci0/usb1/1-1");
  EXPECT_EQ(event->subsystem, "usb");
  EXPECT_EQ(event->devtype, "usb_device");
}

TEST(Uevent, RefusesWhatIsNoMessageOfTheKernels) {
  const std::string bad[] = {
      ""s,
      "\0"s,
      "add"s,
      "libudev\0\xfe\xed\xca\xfe rest\0"s,
      kAdd.substr(0, kAdd.size() - 1),                                         // cut
      "add@/a\0ACTION=remove\0DEVPATH=/a\0SUBSYSTEM=usb\0"s,                  // header and lines differ
      "add@/a\0ACTION=add\0DEVPATH=/b\0SUBSYSTEM=usb\0"s,
      "add@/a\0ACTION=add\0DEVPATH=/a\0"s,                                    // no subsystem
      "add@a\0ACTION=add\0DEVPATH=a\0SUBSYSTEM=usb\0"s,                       // no path
      "add@/a\0ACTION=add\0no line\0DEVPATH=/a\0SUBSYSTEM=usb\0"s,
      "@/a\0ACTION=\0DEVPATH=/a\0SUBSYSTEM=usb\0"s,
  };
  for (const std::string& message : bad) EXPECT_FALSE(parse(message).has_value()) << message;
}

TEST(Uevent, OnlyPortZeroOfGroupOneIsTheKernel) {
  sockaddr_nl sender{};
  sender.nl_family = AF_NETLINK;
  sender.nl_groups = 1;
  ucred kernel{0, 0, 0};
  ucred process{4711, 0, 0};
  EXPECT_TRUE(isFromKernel(sender, sizeof(sender), &kernel));
  EXPECT_TRUE(isFromKernel(sender, sizeof(sender), nullptr));
  EXPECT_FALSE(isFromKernel(sender, sizeof(sender), &process));
  EXPECT_FALSE(isFromKernel(sender, 4, &kernel));
  sender.nl_pid = 4711;
  EXPECT_FALSE(isFromKernel(sender, sizeof(sender), &kernel));
  sender.nl_pid = 0;
  sender.nl_groups = 2;  // udev's
  EXPECT_FALSE(isFromKernel(sender, sizeof(sender), &kernel));
}

class Notices {
 public:
  UsbMonitor::Sink sink() {
    return [this](UsbNotice notice) {
      const std::lock_guard lock(mutex_);
      all_.push_back(std::move(notice));
      changed_.notify_all();
    };
  }
  // Of the first `count` notices, which arrive within ten seconds.
  std::vector<UsbNotice> wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return all_.size() >= count; });
    return all_;
  }
  bool waitFor(UsbNotice::Kind kind) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] {
      for (const UsbNotice& notice : all_) {
        if (notice.kind == kind) return true;
      }
      return false;
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<UsbNotice> all_;
};

class SocketPair : public testing::Test {
 protected:
  SocketPair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_), 0); }
  ~SocketPair() override { closeSender(); }
  void send(const std::string& message) { EXPECT_GE(::send(ends_[0], message.data(), message.size(), 0), 0); }
  void closeSender() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  int receiver() const { return ends_[1]; }

 private:
  int ends_[2] = {-1, -1};
};

TEST_F(SocketPair, PassesOnUsbOnlyInOrder) {
  Notices notices;
  const auto monitor = UsbMonitor::start(receiver(), UsbMonitor::Senders::Anybody, "usb", notices.sink());
  send(kAdd);
  send("change@/m\0ACTION=change\0DEVPATH=/m\0SUBSYSTEM=mem\0"s);
  send("nonsense");
  send("remove@/x\n\0ACTION=remove\0DEVPATH=/x\n\0SUBSYSTEM=usb\0"s);
  const auto all = notices.wait(2);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].action, "add");
  EXPECT_EQ(all[0].devpath, "/devices/pci0/usb1/1-1");
  EXPECT_EQ(all[1].action, "remove");
  EXPECT_EQ(all[1].devpath, "/x\\x0a");
}

TEST_F(SocketPair, AMessageThatIsCutCountsAsLost) {
  Notices notices;
  const auto monitor = UsbMonitor::start(receiver(), UsbMonitor::Senders::Anybody, "usb", notices.sink());
  send(std::string(9000, 'x'));
  EXPECT_TRUE(notices.waitFor(UsbNotice::Kind::Overflow));
}

TEST_F(SocketPair, TheEndOfTheSocketIsToldOnce) {
  Notices notices;
  const auto monitor = UsbMonitor::start(receiver(), UsbMonitor::Senders::Anybody, "usb", notices.sink());
  closeSender();
  const auto all = notices.wait(1);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].kind, UsbNotice::Kind::Failed);
}

TEST_F(SocketPair, WhoIsNotTheKernelIsNotHeard) {
  Notices notices;
  {
    const auto monitor = UsbMonitor::start(receiver(), UsbMonitor::Senders::Kernel, "usb", notices.sink());
    send(kAdd);
    closeSender();
    EXPECT_TRUE(notices.waitFor(UsbNotice::Kind::Failed));
  }
  EXPECT_EQ(notices.wait(1).size(), 1U);
}

TEST_F(SocketPair, AnIdleMonitorUsesNoProcessorTime) {
  Notices notices;
  const auto cpu = [] {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  const auto monitor = UsbMonitor::start(receiver(), UsbMonitor::Senders::Anybody, "usb", notices.sink());
  send(kAdd);
  ASSERT_EQ(notices.wait(1).size(), 1U);  // the thread runs, and goes to sleep
  const auto before = cpu();
  (void)poll(nullptr, 0, 300);  // what is measured is what happens while nothing does
  EXPECT_LT(cpu() - before, std::chrono::milliseconds(5));
}

// The kernel itself: writing `change` to the uevent file of /dev/null's device makes it send one.
TEST(UeventSocket, HearsTheKernelAndNoticesWhatItMissed) {
  constexpr const char* kFile = "/sys/class/mem/null/uevent";
  const auto provoke = [] { return static_cast<bool>(std::ofstream(kFile) << "change" << std::flush); };
  const int socket = openUeventSocket();
  if (socket < 0) {
    // What the fallback rests on: the refusal is told, not mistaken for silence.
    EXPECT_TRUE(errno == EPERM || errno == EACCES || errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT);
    RecordProperty("kernel", "this machine forbids netlink: the refusal was checked");
    return;
  }
  Notices notices;
  if (!provoke()) {
    RecordProperty("kernel", "this machine forbids writing uevent files: the idle socket was checked");
    const auto monitor = UsbMonitor::start(socket, UsbMonitor::Senders::Kernel, "mem", notices.sink());
    EXPECT_NE(monitor, nullptr);
    return;
  }
  // More than fits, before anybody reads: ENOBUFS.
  const int small = 1;
  ASSERT_EQ(setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(provoke());
  const auto monitor = UsbMonitor::start(socket, UsbMonitor::Senders::Kernel, "mem", notices.sink());
  EXPECT_TRUE(notices.waitFor(UsbNotice::Kind::Overflow));
  EXPECT_TRUE(notices.waitFor(UsbNotice::Kind::Event));
}

// Root can send to the kernel's group; who cannot need not be feared.
TEST(UeventSocket, DoesNotBelieveAnotherProcess) {
  const int socket = openUeventSocket();
  if (socket < 0) {
    EXPECT_NE(errno, 0);  // forbidden: nobody is heard
    return;
  }
  Notices notices;
  const auto monitor = UsbMonitor::start(socket, UsbMonitor::Senders::Kernel, "usb", notices.sink());
  const Descriptor sender(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));
  ASSERT_TRUE(sender.valid());
  sockaddr_nl group{};
  group.nl_family = AF_NETLINK;
  group.nl_groups = 1;
  (void)sendto(sender.get(), kAdd.data(), kAdd.size(), 0, reinterpret_cast<sockaddr*>(&group), sizeof(group));
  (void)poll(nullptr, 0, 200);  // nothing can be awaited where nothing must come
  EXPECT_TRUE(notices.wait(0).empty());
}

}  // namespace
}  // namespace hsm::sysfs
