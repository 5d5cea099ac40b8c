// A Device on a library that misbehaves on demand.
#ifndef HSM_NATIVE_TEST_DEVICE_FIXTURE_H_
#define HSM_NATIVE_TEST_DEVICE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "cryptoki/device.h"
#include "fake_library.h"
#include "temporary_folder.h"

namespace hsm {

inline std::span<const std::uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string text(const SecureBytes& value) {
  return std::string(reinterpret_cast<const char*>(value.data()), value.size());
}

class DeviceTest : public testing::Test {
 protected:
  std::unique_ptr<Device> make(const std::string& pin = "648219", bool allowFinalTry = false) {
    DeviceOptions options;
    options.select.serialNumber = "FAKE0001";
    options.pin = SecureBytes(bytes(pin));
    options.refreshReinitializes = reinitializes;
    options.objectCapacity = capacity;
    options.maxValueLength = 4000;
    options.stateDirectory = folder.path();
    options.allowFinalTry = allowFinalTry;
    return std::make_unique<Device>(Module::fromFunctionList(library.functions(), "fake"), std::move(options),
                                    &heartbeat, [this](DeviceEvent event) {
                                      if (event.kind == DeviceEvent::Kind::Life) {
                                        lives.push_back(event.life);
                                      } else {
                                        events.push_back(event.kind);
                                      }
                                    });
  }

  std::unique_ptr<Device> opened() {
    auto device = make();
    const Status status = device->open();
    EXPECT_TRUE(status.ok()) << (status ? "" : status.error().message);
    return device;
  }

  static OperationOutcome create(Device& device, const std::string& label, const std::string& value = "v",
                                 const std::string& application = "app") {
    std::vector<Operation> operations;
    operations.emplace_back(CreateOperation{label, application, SecureBytes(bytes(value))});
    return device.apply(operations)[0];
  }

  static OperationOutcome destroy(Device& device, ObjectId id) {
    std::vector<Operation> operations;
    operations.emplace_back(DestroyOperation{id});
    return device.apply(operations)[0];
  }

  static ObjectId idOf(const Device& device, const std::string& label) {
    for (const IndexedObject& object : device.index().listing().objects) {
      if (object.label == label) return object.id;
    }
    return 0;
  }

  static Result<SecureBytes> read(Device& device, ObjectId id) {
    auto outcomes = device.read(std::span(&id, 1));
    return std::move(outcomes[0]);
  }

  // The library before the folder and the heartbeat: devices are destroyed first, in the tests themselves.
  test::FakeLibrary library;
  test::TemporaryFolder folder;
  Heartbeat heartbeat;
  bool reinitializes = true;
  std::uint64_t capacity = 1000;
  std::vector<DeviceEvent::Kind> events;
  std::vector<TokenLife> lives;
};

}  // namespace hsm

#endif  // HSM_NATIVE_TEST_DEVICE_FIXTURE_H_
