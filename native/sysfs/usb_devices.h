// The USB devices that the kernel shows below <root>/bus/usb/devices.
#ifndef HSM_NATIVE_SYSFS_USB_DEVICES_H_
#define HSM_NATIVE_SYSFS_USB_DEVICES_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace hsm::sysfs {

struct UsbInterface {
  std::uint8_t number = 0;
  // 0x0b: a smart-card reader (CCID).
  std::uint8_t interfaceClass = 0;
  std::uint8_t subclass = 0;
  std::uint8_t protocol = 0;
};

struct UsbDevice {
  // The kernel's name of the port, e.g. 1-1.4.
  std::string name;
  std::uint16_t vendorId = 0;
  std::uint16_t productId = 0;
  std::uint32_t bus = 0;
  std::uint32_t device = 0;
  // Empty where the device has none; see printable() for what is no text.
  std::string serialNumber;
  std::string manufacturer;
  std::string product;
  // Mbit/s, as the kernel writes it (480, 1.5); empty when unknown.
  std::string speed;
  std::vector<UsbInterface> interfaces;
  // Attributes that are there but could not be read: a serial number among them is unknown, not absent.
  std::vector<const char*> unreadable;
};

struct UsbListing {
  // False: this kernel has no USB at all.
  bool present = false;
  std::vector<UsbDevice> devices;
  // Names of entries that may be devices but could not be read.
  std::vector<std::string> unreadable;
};

struct Failure {
  int error = 0;
  std::string path;
};

// One look at the tree. Every device was whole at the time that it was read: one that goes in the middle is left out,
// never mixed with the one that took its port.
std::variant<UsbListing, Failure> listUsbDevices(const std::string& root);

// /dev/bus/usb/BBB/DDD below `devRoot`.
std::string devicePath(const std::string& devRoot, std::uint32_t bus, std::uint32_t device);

// As one JSON text (src/addon.ts: NativeUsbListing): a hundred devices cross in one string, not in 2,000 calls.
std::string toJson(const UsbListing& listing, const std::string& devRoot);

}  // namespace hsm::sysfs

#endif  // HSM_NATIVE_SYSFS_USB_DEVICES_H_
