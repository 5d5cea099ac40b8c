#ifndef HSM_NATIVE_SYSFS_USB_MONITOR_H_
#define HSM_NATIVE_SYSFS_USB_MONITOR_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "sysfs/attribute.h"

namespace hsm::sysfs {

struct UsbNotice {
  enum class Kind {
    // The kernel said something of a device (of USB: or of an interface).
    Event,
    // Messages were lost (ENOBUFS) or cut: look at the tree.
    Overflow,
    // The socket is of no use any more; nothing follows.
    Failed,
  };
  Kind kind = Kind::Event;
  // Of an event, fit for logs.
  std::string action;
  std::string devpath;
  std::string devtype;
  // Of a failure.
  int error = 0;
};

// A netlink socket in the kernel's group of uevents, or -1 with errno.
int openUeventSocket();

// Reads uevents on a thread of its own, which sleeps while there are none, and passes on those of one subsystem.
class UsbMonitor {
 public:
  // What counts as the kernel: the sender's address and credentials, or anybody (a socket that a test made).
  enum class Senders { Kernel, Anybody };
  // Called on the monitor's thread.
  using Sink = std::function<void(UsbNotice)>;

  // Takes over the socket. Null when the system gives no thread or descriptor.
  static std::unique_ptr<UsbMonitor> start(int socket, Senders senders, std::string subsystem, Sink sink);
  // Waits for the thread, which never blocks elsewhere than in its sink. Not to be called from the sink.
  ~UsbMonitor();

 private:
  struct Core {
    Core(int socketFd, int stopFd, Senders from, std::string of, Sink to)
        : socket(socketFd), stop(stopFd), senders(from), subsystem(std::move(of)), sink(std::move(to)) {}
    void run();
    // False when the socket is of no use any more.
    bool drain();

    const Descriptor socket;
    const Descriptor stop;
    const Senders senders;
    const std::string subsystem;
    const Sink sink;
    std::mutex mutex;
    std::condition_variable ended;
    bool hasEnded = false;
  };

  explicit UsbMonitor(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  const std::shared_ptr<Core> core_;
};

}  // namespace hsm::sysfs

#endif  // HSM_NATIVE_SYSFS_USB_MONITOR_H_
