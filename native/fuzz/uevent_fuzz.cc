// libFuzzer target: messages that anybody might send to the socket of kernel uevents.
#include <cstdlib>
#include <string_view>

#include "sysfs/text.h"
#include "sysfs/uevent.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  const auto event = hsm::sysfs::parseUevent({data, size});
  if (event) {
    // What it believes stands in the message, at its beginning too.
    const std::string header = std::string(event->action) + "@" + std::string(event->devpath);
    if (!message.starts_with(header) || message.back() != '\0' || event->subsystem.empty()) std::abort();
  }
  // What is printable stays as it is when printed again.
  const std::string text = hsm::sysfs::printable(message);
  if (hsm::sysfs::printable(text) != text) std::abort();
  return 0;
}
