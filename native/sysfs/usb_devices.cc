#include "sysfs/usb_devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "sysfs/attribute.h"
#include "sysfs/text.h"

namespace hsm::sysfs {
namespace {

constexpr int kFolder = O_DIRECTORY | O_CLOEXEC;
// 64 buses of 127 devices with some interfaces each are far below: what exceeds this is no sysfs.
constexpr std::size_t kMostEntries = 65'536;
constexpr std::uint32_t kLargestNumber = 999;  // three digits in /dev/bus/usb
constexpr std::size_t kLongestName = 64;

// Sorted, each with its interfaces right behind it (`1-1`, `1-1:1.0`).
struct Entries {
  std::vector<std::string> names;
  int error = 0;
};

// Letters, digits, `-`, `.` and `:` only: no name leads out of the folder.
bool isEntryName(std::string_view name) {
  if (name.empty() || name.size() > kLongestName || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == ':';
  });
}

Entries listEntries(int folder) {
  Entries entries;
  Descriptor own(openat(folder, ".", O_RDONLY | kFolder));
  DIR* stream = own.valid() ? fdopendir(own.get()) : nullptr;
  if (stream == nullptr) {
    entries.error = errno;
    return entries;
  }
  (void)own.release();  // now the stream's
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    if (isEntryName(entry->d_name)) entries.names.emplace_back(entry->d_name);
    if (entries.names.size() > kMostEntries) {
      errno = EOVERFLOW;
      break;
    }
    errno = 0;
  }
  entries.error = errno;
  closedir(stream);
  std::sort(entries.names.begin(), entries.names.end());
  return entries;
}

class Reader {
 public:
  explicit Reader(int devices) : devices_(devices) {}

  enum class Fate { Whole, Gone, Unreadable };

  Fate device(const std::string& name, UsbDevice& device) {
    const Descriptor folder(openat(devices_, name.c_str(), O_PATH | kFolder));
    if (!folder.valid()) return errno == ENOENT || errno == ENOTDIR ? Fate::Gone : Fate::Unreadable;
    folder_ = folder.get();
    missing_ = false;
    failed_ = false;
    device.name = name;
    if (!identify(device)) return failed_ ? Fate::Unreadable : Fate::Gone;
    device.serialNumber = optional(device, "serial");
    device.manufacturer = optional(device, "manufacturer");
    device.product = optional(device, "product");
    const std::string speed = optional(device, "speed");
    if (isDecimal(speed)) device.speed = speed;
    // Something that is not there: the device has no such text, or it was pulled while we read.
    if (missing_ && !stillThere()) return Fate::Gone;
    return Fate::Whole;
  }

  // Belongs to the device read last; none when it cannot be told.
  std::optional<UsbInterface> interface(int folder, const std::string& name) {
    const std::string prefix = name + "/";
    UsbInterface found;
    const std::string_view whole = name;
    const auto number = parseNumber(whole.substr(whole.rfind('.') + 1), 10, 255);
    if (!number) return std::nullopt;
    found.number = static_cast<std::uint8_t>(*number);
    if (attribute_.read(folder, (prefix + "uevent").c_str()) == Reading::Text &&
        classOf(ueventValue(attribute_.text(), "INTERFACE"), found)) {
      return found;
    }
    const std::pair<const char*, std::uint8_t*> parts[] = {{"bInterfaceClass", &found.interfaceClass},
                                                           {"bInterfaceSubClass", &found.subclass},
                                                           {"bInterfaceProtocol", &found.protocol}};
    for (const auto& [file, target] : parts) {
      if (attribute_.read(folder, (prefix + file).c_str()) != Reading::Text) return std::nullopt;
      const auto value = parseNumber(attribute_.text(), 16, 255);
      if (!value) return std::nullopt;
      *target = static_cast<std::uint8_t>(*value);
    }
    return found;
  }

 private:
  // One file, `uevent`, holds what otherwise stands in four.
  bool identify(UsbDevice& device) {
    std::optional<std::uint32_t> vendor;
    std::optional<std::uint32_t> product;
    std::optional<std::uint32_t> bus;
    std::optional<std::uint32_t> number;
    if (read("uevent") == Reading::Text) {
      const std::string_view ids = ueventValue(attribute_.text(), "PRODUCT");  // vendor/product/version, hexadecimal
      const std::size_t slash = ids.find('/');
      if (slash != std::string_view::npos) {
        vendor = parseNumber(ids.substr(0, slash), 16, 0xffff);
        product = parseNumber(ids.substr(slash + 1, ids.find('/', slash + 1) - slash - 1), 16, 0xffff);
      }
      bus = parseNumber(ueventValue(attribute_.text(), "BUSNUM"), 10, kLargestNumber);
      number = parseNumber(ueventValue(attribute_.text(), "DEVNUM"), 10, kLargestNumber);
    }
    if (!vendor) vendor = number16("idVendor");
    if (!product) product = number16("idProduct");
    if (!bus) bus = decimal("busnum");
    if (!number) number = decimal("devnum");
    if (!vendor || !product || !bus || !number) return false;
    device.vendorId = static_cast<std::uint16_t>(*vendor);
    device.productId = static_cast<std::uint16_t>(*product);
    device.bus = *bus;
    device.device = *number;
    return true;
  }

  Reading read(const char* file) {
    const Reading reading = attribute_.read(folder_, file);
    if (reading == Reading::Absent) missing_ = true;
    if (reading == Reading::Unreadable) failed_ = true;
    return reading;
  }

  std::optional<std::uint32_t> number16(const char* file) {
    if (read(file) != Reading::Text) return std::nullopt;
    return parseNumber(attribute_.text(), 16, 0xffff);
  }

  std::optional<std::uint32_t> decimal(const char* file) {
    if (read(file) != Reading::Text) return std::nullopt;
    return parseNumber(attribute_.text(), 10, kLargestNumber);
  }

  std::string optional(UsbDevice& device, const char* file) {
    const Reading reading = read(file);
    if (reading == Reading::Unreadable) device.unreadable.push_back(file);
    return reading == Reading::Text ? printable(attribute_.text()) : std::string();
  }

  bool stillThere() {
    return faccessat(folder_, "uevent", F_OK, 0) == 0 || faccessat(folder_, "idVendor", F_OK, 0) == 0;
  }

  static bool isDecimal(std::string_view text) {
    const std::size_t dot = text.find('.');
    const auto isNumber = [](std::string_view part) {
      return part == "0" || (part.size() <= 6 && !part.starts_with('0') && parseNumber(part, 10, 999'999).has_value());
    };
    if (dot == std::string_view::npos) return isNumber(text);
    return isNumber(text.substr(0, dot)) && parseNumber(text.substr(dot + 1), 10, 999).has_value();
  }

  // `11/0/0`: class, subclass and protocol, decimal.
  static bool classOf(std::string_view text, UsbInterface& found) {
    std::uint8_t* const targets[] = {&found.interfaceClass, &found.subclass, &found.protocol};
    for (std::uint8_t* target : targets) {
      const std::size_t end = text.find('/');
      const auto value = parseNumber(text.substr(0, end), 10, 255);
      if (!value) return false;
      *target = static_cast<std::uint8_t>(*value);
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
    return text.empty();
  }

  const int devices_;
  int folder_ = -1;
  bool missing_ = false;
  bool failed_ = false;
  Attribute attribute_;
};

std::string hex(std::uint32_t value, int digits) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text(static_cast<std::size_t>(digits), '0');
  for (auto c = text.rbegin(); c != text.rend(); ++c, value >>= 4) *c = kHex[value & 15];
  return text;
}

std::string threeDigits(std::uint32_t value) {
  std::string text = std::to_string(value);
  return text.size() < 3 ? std::string(3 - text.size(), '0') + text : text;
}

void appendDevice(std::string& json, const UsbDevice& device, const std::string& devRoot) {
  json += "{\"name\":" + quoted(device.name);
  json += ",\"vendorId\":\"" + hex(device.vendorId, 4) + "\",\"productId\":\"" + hex(device.productId, 4) + '"';
  const std::pair<const char*, const std::string*> texts[] = {{"serialNumber", &device.serialNumber},
                                                              {"manufacturer", &device.manufacturer},
                                                              {"product", &device.product}};
  for (const auto& [key, text] : texts) {
    if (!text->empty()) json += ",\"" + std::string(key) + "\":" + quoted(*text);
  }
  json += ",\"bus\":" + std::to_string(device.bus) + ",\"device\":" + std::to_string(device.device);
  json += ",\"path\":" + quoted(devicePath(devRoot, device.bus, device.device));
  if (!device.speed.empty()) json += ",\"speed\":" + device.speed;
  json += ",\"interfaces\":[";
  for (const UsbInterface& each : device.interfaces) {
    if (json.back() != '[') json += ',';
    json += "{\"number\":" + std::to_string(each.number) + ",\"class\":\"" + hex(each.interfaceClass, 2) +
            "\",\"subclass\":\"" + hex(each.subclass, 2) + "\",\"protocol\":\"" + hex(each.protocol, 2) + "\"}";
  }
  json += "],\"unreadable\":[";
  for (const char* file : device.unreadable) {
    if (json.back() != '[') json += ',';
    json += quoted(file);
  }
  json += "]}";
}

}  // namespace

std::variant<UsbListing, Failure> listUsbDevices(const std::string& root) {
  const std::string path = root + "/bus/usb/devices";
  UsbListing listing;
  const Descriptor devices(open(path.c_str(), O_PATH | kFolder));
  if (!devices.valid()) {
    const int error = errno;
    struct stat status {};
    // A kernel without USB has no such folder; a root that is not there is a mistake of whoever named it.
    if (error == ENOENT && stat((root + "/bus").c_str(), &status) == 0) return listing;
    return Failure{error, path};
  }
  listing.present = true;
  const Entries entries = listEntries(devices.get());
  if (entries.error != 0) return Failure{entries.error, path};

  Reader reader(devices.get());
  const std::vector<std::string>& names = entries.names;
  for (const std::string& name : names) {
    if (name.find(':') != std::string::npos) continue;
    UsbDevice device;
    switch (reader.device(name, device)) {
      case Reader::Fate::Gone: continue;
      case Reader::Fate::Unreadable: listing.unreadable.push_back(name); continue;
      case Reader::Fate::Whole: break;
    }
    const std::string prefix = name + ":";
    auto at = std::lower_bound(names.begin(), names.end(), prefix);
    for (; at != names.end() && at->starts_with(prefix); ++at) {
      if (auto found = reader.interface(devices.get(), *at)) device.interfaces.push_back(*found);
    }
    std::stable_sort(device.interfaces.begin(), device.interfaces.end(),
                     [](const UsbInterface& a, const UsbInterface& b) { return a.number < b.number; });
    listing.devices.push_back(std::move(device));
  }
  return listing;
}

std::string devicePath(const std::string& devRoot, std::uint32_t bus, std::uint32_t device) {
  return devRoot + "/bus/usb/" + threeDigits(bus) + "/" + threeDigits(device);
}

std::string toJson(const UsbListing& listing, const std::string& devRoot) {
  std::string json = listing.present ? "{\"present\":true,\"devices\":[" : "{\"present\":false,\"devices\":[";
  json.reserve(64 + 400 * listing.devices.size());
  for (const UsbDevice& device : listing.devices) {
    if (json.back() != '[') json += ',';
    appendDevice(json, device, devRoot);
  }
  json += "],\"unreadable\":[";
  for (const std::string& name : listing.unreadable) {
    if (json.back() != '[') json += ',';
    json += quoted(name);
  }
  json += "]}";
  return json;
}

}  // namespace hsm::sysfs
