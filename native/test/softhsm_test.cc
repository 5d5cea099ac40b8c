// Module and token against a real library, SoftHSM2.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "cryptoki/device.h"
#include "temporary_folder.h"

namespace hsm {
namespace {

std::span<const std::uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string modulePath() {
  for (const char* path : {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
                           "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"}) {
    if (access(path, R_OK) == 0) return path;
  }
  return "";
}

// One token for all tests of this process: SoftHSM2 reads SOFTHSM2_CONF when it is initialised.
class SoftHsmTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = new test::TemporaryFolder;
    std::filesystem::create_directory(*folder / "tokens");
    std::ofstream(*folder / "softhsm2.conf") << "directories.tokendir = " << *folder / "tokens"
                                             << "\nobjectstore.backend = file\nlog.level = ERROR\n";
    setenv("SOFTHSM2_CONF", (*folder / "softhsm2.conf").c_str(), 1);
    const std::string command =
        "softhsm2-util --init-token --free --label native --pin 648219 --so-pin 12345678 > /dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0) << "softhsm2-util";  // NOLINT: a test, and no input from anywhere
  }
  static void TearDownTestSuite() {
    delete folder;
    folder = nullptr;
  }

  std::unique_ptr<Device> make(const std::string& label = "native") {
    auto module = Module::load(modulePath());
    EXPECT_TRUE(module.ok());
    DeviceOptions options;
    options.select.label = label;
    options.pin = SecureBytes(bytes("648219"));
    options.objectCapacity = 10'000;
    options.maxValueLength = 1 << 20;
    options.lockDirectory = *folder / "locks";
    options.stateDirectory = *folder / "state";
    options.refreshReinitializes = reinitializes;
    return std::make_unique<Device>(module.value(), std::move(options), &heartbeat, [](DeviceEvent) {});
  }

  static test::TemporaryFolder* folder;
  Heartbeat heartbeat;
  bool reinitializes = false;
};

test::TemporaryFolder* SoftHsmTest::folder = nullptr;

TEST_F(SoftHsmTest, WhatIsWrittenIsReadByTheNextToOpenIt) {
  ObjectId id = 0;
  {
    const auto device = make();
    ASSERT_TRUE(device->open().ok());
    std::vector<Operation> operations;
    operations.emplace_back(CreateOperation{"secrets/a", "app", SecureBytes(bytes(std::string(70'000, 'x')))});
    const auto outcome = device->apply(operations);
    ASSERT_EQ(outcome[0].kind, OperationOutcome::Kind::Created);
  }
  const auto device = make();
  ASSERT_TRUE(device->open().ok());
  ASSERT_EQ(device->index().size(), 1U);
  const IndexedObject object = device->index().listing().objects[0];
  id = object.id;
  EXPECT_EQ(object.label, "secrets/a");
  EXPECT_EQ(object.application, "app");
  EXPECT_TRUE(object.isPrivate);
  const auto values = device->read(std::span(&id, 1));
  ASSERT_TRUE(values[0].ok());
  EXPECT_EQ(values[0].value().size(), 70'000U);
  std::vector<Operation> operations;
  operations.emplace_back(DestroyOperation{id});
  EXPECT_EQ(device->apply(operations)[0].kind, OperationOutcome::Kind::Destroyed);
  EXPECT_EQ(device->index().size(), 0U);
}

TEST_F(SoftHsmTest, RefreshShowsWhatAnotherProcessWroteInBothManners) {
  for (const bool manner : {false, true}) {
    reinitializes = manner;
    const auto device = make();
    ASSERT_TRUE(device->open().ok());
    const std::string command = "echo data > " + (*folder / "value") + " && pkcs11-tool --module " + modulePath() +
                                " --token-label native --login --pin 648219 --private --write-object " +
                                (*folder / "value") + " --type data --label other" + (manner ? "1" : "0") +
                                " > /dev/null 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0) << "pkcs11-tool";  // NOLINT
    const std::size_t before = device->index().size();
    ASSERT_TRUE(device->refresh().ok());
    EXPECT_EQ(device->index().size(), before + 1);
  }
}

TEST_F(SoftHsmTest, RandomBytesDiffer) {
  const auto device = make();
  ASSERT_TRUE(device->open().ok());
  const auto first = device->random(5000);
  const auto second = device->random(5000);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(std::vector<std::uint8_t>(first.value().span().begin(), first.value().span().end()),
            std::vector<std::uint8_t>(second.value().span().begin(), second.value().span().end()));
}

TEST_F(SoftHsmTest, ATokenThatIsNotThereIsGone) {
  const auto device = make("no such");
  EXPECT_EQ(device->open().error().errorClass, ErrorClass::TokenGone);
}

TEST_F(SoftHsmTest, AnotherProcessIsKeptOffAnOpenToken) {
  const auto device = make();
  ASSERT_TRUE(device->open().ok());
  const std::string lock = *folder / "locks";
  const std::string serial = device->description().serialNumber;
  const pid_t child = fork();
  if (child == 0) _exit(LockFile::acquire(lock, serial).ok() ? 1 : 0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(SoftHsmTest, ListsTokensWithoutLoginAlsoWhileOneIsOpen) {
  const auto device = make();
  ASSERT_TRUE(device->open().ok());
  const auto slots = listTokens(modulePath(), std::chrono::milliseconds(5'000));
  ASSERT_TRUE(slots.ok()) << slots.error().message;
  EXPECT_EQ(slots.value()[0].label, "native");
  EXPECT_EQ(slots.value()[0].serialNumber, device->description().serialNumber);
  EXPECT_TRUE(device->refresh().ok()) << "the listing did not finalise the library";
}

TEST(ModuleLoad, SaysWhatIsWrongWithAFileThatIsNoLibrary) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "text.so") << "this is no library";
  const auto missing = Module::load(folder / "missing.so");
  const auto noLibrary = Module::load(folder / "text.so");
  const auto directory = Module::load(folder.path());
  for (const auto* result : {&missing, &noLibrary, &directory}) {
    ASSERT_FALSE(result->ok());
    EXPECT_EQ(result->error().errorClass, ErrorClass::BadInput);
  }
  EXPECT_NE(missing.error().message.find("There is no PKCS#11 library at"), std::string::npos);
  EXPECT_NE(noLibrary.error().message.find("is not a PKCS#11 library"), std::string::npos);
}

TEST(ModuleLoad, RefusesALibraryOfAnotherKind) {
  // The C library, wherever this machine keeps it: a real library that is no PKCS#11 module.
  Dl_info libc{};
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "dlopen"), &libc), 0);
  const auto result = Module::load(libc.dli_fname);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message.find("C_GetFunctionList"), std::string::npos);
}

TEST(ModuleLoad, IsOneInstanceAFile) {
  const auto first = Module::load(modulePath());
  const auto second = Module::load(modulePath());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first.value(), second.value());
}

}  // namespace
}  // namespace hsm
