#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "sysfs/attribute.h"
#include "sysfs/text.h"
#include "sysfs/usb_devices.h"
#include "temporary_folder.h"

namespace hsm::sysfs {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

// A tree as the kernel makes it: the entries of bus/usb/devices are symbolic links.
class SysfsTree : public testing::Test {
 protected:
  SysfsTree() { fs::create_directories(root() + "/bus/usb/devices"); }

  std::string root() const { return folder_.path(); }
  std::string entry(const std::string& name) const { return root() + "/devices/usb1/" + name; }

  void add(const std::string& name, const Files& files) {
    fs::create_directories(entry(name));
    for (const auto& [file, text] : files) std::ofstream(entry(name) + "/" + file, std::ios::binary) << text;
    fs::create_symlink("../../../devices/usb1/" + name, root() + "/bus/usb/devices/" + name);
  }

  UsbListing list() {
    auto outcome = listUsbDevices(root());
    EXPECT_TRUE(std::holds_alternative<UsbListing>(outcome));
    return std::get<UsbListing>(outcome);
  }

 private:
  test::TemporaryFolder folder_;
};

Files picoHsm() {
  return {{"uevent", "MAJOR=189\nMINOR=4\nDEVNAME=bus/usb/001/005\nDEVTYPE=usb_device\nDRIVER=usb\n"
                     "PRODUCT=2e8a/10fd/606\nTYPE=0/0/0\nBUSNUM=001\nDEVNUM=005\n"},
          {"idVendor", "2e8a\n"},
          {"idProduct", "10fd\n"},
          {"serial", "E660C0D1C72E8F2B\n"},
          {"manufacturer", "Pol Henarejos\n"},
          {"product", "Pico HSM\n"},
          {"busnum", "1\n"},
          {"devnum", "5\n"},
          {"speed", "12\n"}};
}

Files without(Files files, std::initializer_list<const char*> names) {
  for (const char* name : names) files.erase(name);
  return files;
}

TEST_F(SysfsTree, ReadsAReaderWithItsInterfaces) {
  add("1-1.4", picoHsm());
  add("1-1.4:1.1", {{"uevent", "DEVTYPE=usb_interface\nPRODUCT=2e8a/10fd/606\nINTERFACE=3/0/0\n"}});
  add("1-1.4:1.0", {{"uevent", "DEVTYPE=usb_interface\nPRODUCT=2e8a/10fd/606\nINTERFACE=11/0/0\n"}});
  add("1-1.40:1.0", {{"uevent", "INTERFACE=9/0/0\n"}});  // another device's
  const UsbListing listing = list();
  EXPECT_TRUE(listing.present);
  EXPECT_EQ(toJson(listing, "/dev"),
            R"({"present":true,"devices":[{"name":"1-1.4","vendorId":"2e8a","productId":"10fd",)"
            R"("serialNumber":"E660C0D1C72E8F2B","manufacturer":"Pol Henarejos","product":"Pico HSM",)"
            R"("bus":1,"device":5,"path":"/dev/bus/usb/001/005","speed":12,"interfaces":[)"
            R"({"number":0,"class":"0b","subclass":"00","protocol":"00"},)"
            R"({"number":1,"class":"03","subclass":"00","protocol":"00"}],"unreadable":[]}],"unreadable":[]})");
}

TEST_F(SysfsTree, SingleFilesServeWhereUeventIsMissing) {
  add("1-2", without(picoHsm(), {"uevent"}));
  add("1-2:1.0", {{"bInterfaceClass", "0b\n"}, {"bInterfaceSubClass", "00\n"}, {"bInterfaceProtocol", "01\n"}});
  const UsbListing listing = list();
  ASSERT_EQ(listing.devices.size(), 1U);
  EXPECT_EQ(listing.devices[0].vendorId, 0x2e8a);
  EXPECT_EQ(listing.devices[0].device, 5U);
  ASSERT_EQ(listing.devices[0].interfaces.size(), 1U);
  EXPECT_EQ(listing.devices[0].interfaces[0].interfaceClass, 0x0b);
  EXPECT_EQ(listing.devices[0].interfaces[0].protocol, 1);
}

TEST_F(SysfsTree, ADeviceWithoutTextsHasNone) {
  add("usb1", without(picoHsm(), {"serial", "manufacturer", "product", "speed"}));
  const UsbListing listing = list();
  ASSERT_EQ(listing.devices.size(), 1U);
  EXPECT_EQ(listing.devices[0].serialNumber, "");
  EXPECT_TRUE(listing.devices[0].unreadable.empty());
}

TEST_F(SysfsTree, AnEntryWithoutIdentityIsNoDevice) {
  add("1-1", {{"serial", "X\n"}});
  add("1-2", {{"idVendor", "zz\n"}, {"idProduct", "10fd\n"}, {"busnum", "1\n"}, {"devnum", "2\n"}});
  add("1-3", {{"idVendor", "12345\n"}, {"idProduct", "10fd\n"}, {"busnum", "1\n"}, {"devnum", "2\n"}});
  add("1-4", {{"idVendor", "1234\n"}, {"idProduct", "10fd\n"}, {"busnum", "1\n"}, {"devnum", "1000\n"}});
  fs::create_symlink("nowhere", root() + "/bus/usb/devices/1-5");
  std::ofstream(root() + "/bus/usb/devices/1-6") << "no folder";
  fs::create_symlink("1-7", root() + "/bus/usb/devices/1-7");  // a loop
  const UsbListing listing = list();
  EXPECT_TRUE(listing.devices.empty());
  EXPECT_EQ(listing.unreadable, std::vector<std::string>{"1-7"});
}

TEST_F(SysfsTree, WhatCannotBeReadIsUnknownNotAbsent) {
  auto files = picoHsm();
  files["serial"] = std::string(5000, 'x');  // more than any sysfs file
  add("1-1", files);
  fs::create_directories(entry("1-2") + "/uevent");  // a folder: EISDIR
  add("1-2", {});
  const UsbListing listing = list();
  ASSERT_EQ(listing.devices.size(), 1U);
  EXPECT_EQ(listing.devices[0].serialNumber, "");
  ASSERT_EQ(listing.devices[0].unreadable.size(), 1U);
  EXPECT_STREQ(listing.devices[0].unreadable[0], "serial");
  EXPECT_EQ(listing.unreadable, std::vector<std::string>{"1-2"});
}

TEST_F(SysfsTree, APipeIsNotWaitedFor) {
  add("1-1", without(picoHsm(), {"product"}));
  ASSERT_EQ(mkfifo((entry("1-1") + "/product").c_str(), 0600), 0);
  const UsbListing listing = list();
  ASSERT_EQ(listing.devices.size(), 1U);
  EXPECT_EQ(listing.devices[0].product, "");
}

TEST_F(SysfsTree, HostileTextsStayDistinctAndTheJsonStaysWhole) {
  auto files = picoHsm();
  files["serial"] = std::string("A\xff\0B", 4);
  files["product"] = "quote\" back\\ newline\nthen\n";
  add("1-1", files);
  const UsbListing listing = list();
  ASSERT_EQ(listing.devices.size(), 1U);
  EXPECT_EQ(listing.devices[0].serialNumber, "A\\xff\\x00B");
  const std::string json = toJson(listing, "/dev");
  EXPECT_NE(json.find(R"("serialNumber":"A\\xff\\x00B")"), std::string::npos);
  EXPECT_NE(json.find(R"("product":"quote\" back\\ newline\\x0athen")"), std::string::npos);
}

TEST_F(SysfsTree, OnlyDecimalSpeedsAreTold) {
  const std::pair<const char*, const char*> cases[] = {{"480", "480"}, {"1.5", "1.5"},  {"unknown", ""}, {"-1", ""},
                                                       {"012", ""},    {"12.", ""},     {"1e9", ""},     {"", ""},
                                                       {".5", ""},     {"20000", "20000"}};
  int port = 1;
  for (const auto& [text, expected] : cases) {
    auto files = picoHsm();
    files["speed"] = text;
    const std::string name = "1-" + std::to_string(port++);
    add(name, files);
    const UsbListing listing = list();
    EXPECT_EQ(listing.devices.back().speed, expected) << text;
    fs::remove(root() + "/bus/usb/devices/" + name);
  }
}

TEST_F(SysfsTree, AKernelWithoutUsbIsNoFailureAndAMissingRootIs) {
  fs::remove_all(root() + "/bus/usb");
  EXPECT_FALSE(list().present);
  const auto outcome = listUsbDevices(root() + "/nowhere");
  ASSERT_TRUE(std::holds_alternative<Failure>(outcome));
  EXPECT_EQ(std::get<Failure>(outcome).error, ENOENT);
  std::ofstream(root() + "/bus/usb") << "";
  EXPECT_TRUE(std::holds_alternative<Failure>(listUsbDevices(root())));
}

// A port where two devices take turns as the kernel does it: each has a folder of its own, the link moves.
TEST_F(SysfsTree, NeverMixesTwoDevicesOfOnePort) {
  auto other = picoHsm();
  other["uevent"] = "PRODUCT=20a0/4230/101\nBUSNUM=001\nDEVNUM=006\n";
  other["serial"] = "DENK0100001\n";
  add("1-1", picoHsm());
  add("old", picoHsm());
  add("new", other);
  const std::string link = root() + "/bus/usb/devices/1-1";
  std::atomic<bool> stop = false;
  std::thread swapper([&] {
    for (int i = 0; !stop; ++i) {
      const std::string staged = root() + "/staged";
      fs::remove(staged);
      fs::create_symlink(root() + (i % 2 == 0 ? "/devices/usb1/new" : "/devices/usb1/old"), staged);
      fs::rename(staged, link);
    }
  });
  for (int i = 0; i < 300; ++i) {
    for (const UsbDevice& device : list().devices) {
      EXPECT_EQ(device.vendorId == 0x20a0, device.serialNumber == "DENK0100001");
      EXPECT_EQ(device.vendorId == 0x20a0, device.device == 6);
    }
  }
  stop = true;
  swapper.join();
}

TEST_F(SysfsTree, ADeviceThatGoesInTheMiddleIsLeftOut) {
  std::atomic<bool> stop = false;
  std::thread plugger([&] {
    while (!stop) {
      add("1-1", picoHsm());
      fs::remove_all(entry("1-1"));  // file after file, as one pulls it
      fs::remove(root() + "/bus/usb/devices/1-1");
    }
  });
  for (int i = 0; i < 300; ++i) {
    const auto outcome = listUsbDevices(root());
    ASSERT_TRUE(std::holds_alternative<UsbListing>(outcome));
  }
  stop = true;
  plugger.join();
}

TEST(SysfsText, KeepsTextAndEscapesTheRest) {
  const std::pair<std::string, std::string> cases[] = {
      {"Pico HSM", "Pico HSM"},         {"Schlüssel €😀", "Schlüssel €😀"}, {"\xc0\x80", "\\xc0\\x80"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, {"\xe2\x82", "\\xe2\\x82"},
      {"\x1b[31m", "\\x1b[31m"},        {"\xc2\x85", "\\xc2\\x85"},       {"\xff", "\\xff"}};
  for (const auto& [raw, expected] : cases) EXPECT_EQ(printable(raw), expected);
}

TEST(SysfsText, NumbersAreWholeTexts) {
  EXPECT_EQ(parseNumber("10fd", 16, 0xffff), 0x10fdU);
  EXPECT_EQ(parseNumber("007", 10, 999), 7U);
  for (const char* bad : {"", " 1", "1 ", "+1", "0x1", "1000", "99999999999999999999"}) {
    EXPECT_EQ(parseNumber(bad, 10, 999), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace hsm::sysfs
