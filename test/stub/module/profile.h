// Which middleware and firmware the stub imitates. Every number here was measured: test/conformance/pkcs11.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stub {

struct Profile {
  std::string_view name;
  /** Version of OpenSC, minor part: 23, 26 or 27. */
  unsigned opensc;
  /** The development branch of the firmware: other limits. */
  bool developmentFirmware;
  std::string_view tokenLabel;
  /** Commands that C_Initialize costs without data objects. */
  unsigned bindCost;
  /** Bytes of a value in one write command, and in one read command. */
  std::size_t writeChunk;
  std::size_t readChunk;
  /** Most bytes of a value that the firmware stores whole. */
  std::size_t valueLimit;
  /** Most files on the card; a data object takes two. */
  unsigned fileLimit;

  /** 0.23 looks at the answers of write commands; later ones do not. */
  bool writesAreChecked() const { return opensc == 23; }
  /** 0.23 logs the card out in C_Logout, C_CloseAllSessions and C_Finalize. */
  bool logsOut() const { return opensc == 23; }
  /** 0.23 shows the device's key pair beside the hardware feature. */
  bool showsDeviceKey() const { return opensc == 23; }
};

/** nullptr for an unknown name. */
const Profile* findProfile(std::string_view name);
const Profile& profileAt(std::uint32_t index);
std::uint32_t profileIndex(const Profile& profile);

}  // namespace stub
