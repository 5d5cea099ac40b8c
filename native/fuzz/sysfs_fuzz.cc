// libFuzzer target: the texts of one device and one interface, in a tree in memory. The input is the files one after
// another, divided by 0xff.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "sysfs/usb_devices.h"

namespace {

constexpr const char* kFiles[] = {"1-1/uevent", "1-1/idVendor", "1-1/idProduct",    "1-1/busnum",
                                  "1-1/devnum", "1-1/serial",   "1-1/manufacturer", "1-1/product",
                                  "1-1/speed",  "1-1:1.0/uevent", "1-1:1.0/bInterfaceClass"};

// Below /dev/shm where there is one: no disk is worn.
std::string makeTree() {
  std::string pattern = access("/dev/shm", W_OK) == 0 ? "/dev/shm/hsm-fuzz-XXXXXX" : "/tmp/hsm-fuzz-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  for (const char* folder : {"/bus", "/bus/usb", "/bus/usb/devices", "/bus/usb/devices/1-1",
                             "/bus/usb/devices/1-1:1.0"}) {
    if (mkdir((pattern + folder).c_str(), 0700) != 0) std::abort();
  }
  return pattern;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string root = makeTree();
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  for (const char* file : kFiles) {
    const std::string path = root + "/bus/usb/devices/" + file;
    const std::size_t end = rest.find('\xff');
    const std::string_view text = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    (void)unlink(path.c_str());
    if (text.empty()) continue;
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
    close(fd);
  }
  const auto outcome = hsm::sysfs::listUsbDevices(root);
  const auto* listing = std::get_if<hsm::sysfs::UsbListing>(&outcome);
  if (listing == nullptr || listing->devices.size() > 1) std::abort();
  const std::string json = hsm::sysfs::toJson(*listing, "/dev");
  // No control character and no bare byte leaves: it is one line of JSON.
  for (const char c : json) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  return 0;
}
