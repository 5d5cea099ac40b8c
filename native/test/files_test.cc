#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "cryptoki/lock_file.h"
#include "cryptoki/refused_pins.h"
#include "cryptoki/secure_bytes.h"
#include "temporary_folder.h"

namespace hsm {
namespace {

std::span<const std::uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(LockFile, KeepsASecondHolderOutUntilTheFirstIsGone) {
  const test::TemporaryFolder folder;
  {
    auto first = LockFile::acquire(folder / "locks", "DENK0001");
    ASSERT_TRUE(first.ok()) << first.error().message;
    auto second = LockFile::acquire(folder / "locks", "DENK0001");
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().errorClass, ErrorClass::Busy);
    EXPECT_TRUE(LockFile::acquire(folder / "locks", "DENK0002").ok()) << "another token is another lock";
  }
  EXPECT_TRUE(LockFile::acquire(folder / "locks", "DENK0001").ok());
}

TEST(LockFile, NamesNoFileOutsideItsFolder) {
  EXPECT_EQ(fileNameOf("../../etc/passwd"), "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd");
  EXPECT_EQ(fileNameOf("DENK0400028"), "DENK0400028");
  EXPECT_NE(fileNameOf(""), "");
}

TEST(LockFile, SaysThatAFolderCannotBeMade) {
  const test::TemporaryFolder folder;
  auto lock = LockFile::acquire(folder / "no/such/parent", "A");
  ASSERT_FALSE(lock.ok());
  EXPECT_EQ(lock.error().errorClass, ErrorClass::BadInput);
}

TEST(RefusedPins, AreRememberedByTheNextProcess) {
  const test::TemporaryFolder folder;
  {
    auto pins = RefusedPins::open(folder.path(), "A");
    ASSERT_TRUE(pins.ok());
    ASSERT_TRUE(pins.value().add(bytes("111111")).ok());
    ASSERT_TRUE(pins.value().add(bytes("222222")).ok());
  }
  auto again = RefusedPins::open(folder.path(), "A");
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again.value().contains(bytes("111111")));
  EXPECT_TRUE(again.value().contains(bytes("222222")));
  EXPECT_FALSE(again.value().contains(bytes("333333")));
  auto other = RefusedPins::open(folder.path(), "B");
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE(other.value().contains(bytes("111111"))) << "another token";
}

TEST(RefusedPins, TheFileIsPrivateAndHoldsNoPin) {
  const test::TemporaryFolder folder;
  auto pins = RefusedPins::open(folder.path(), "A");
  ASSERT_TRUE(pins.ok());
  ASSERT_TRUE(pins.value().add(bytes("111111")).ok());
  struct stat status = {};
  ASSERT_EQ(stat(pins.value().path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  std::ifstream file(pins.value().path());
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str().find("111111"), std::string::npos);
}

TEST(RefusedPins, AreForgottenAfterALoginThatSucceeded) {
  const test::TemporaryFolder folder;
  auto pins = RefusedPins::open(folder.path(), "A");
  ASSERT_TRUE(pins.ok());
  ASSERT_TRUE(pins.value().add(bytes("111111")).ok());
  pins.value().clear();
  auto again = RefusedPins::open(folder.path(), "A");
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again.value().contains(bytes("111111")));
}

TEST(RefusedPins, AFolderThatCannotBeWrittenIsAnErrorBeforeAnyPinIsSent) {
  auto pins = RefusedPins::open("/proc/hsm", "A");
  ASSERT_FALSE(pins.ok());
  EXPECT_EQ(pins.error().errorClass, ErrorClass::BadInput);
}

TEST(SecureBytes, LeaveNothingBehind) {
  for (const std::size_t size : {64UL, 1000UL, 65'536UL}) {
    const std::uint8_t* memory = nullptr;
    {
      SecureBytes secret(size);
      for (std::size_t i = 0; i < size; ++i) secret.data()[i] = 0xA5;
      memory = secret.data();
    }
    const SecureBytes next(size);
    ASSERT_EQ(next.data(), memory) << "the block that was just given back is used first";
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(next.data()[i], 0) << i;
  }
}

TEST(SecureBytes, MoveTakesTheBytesAlong) {
  SecureBytes first(bytes("secret"));
  const SecureBytes second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT: that is what is tested
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(second.data()), second.size()), "secret");
}

}  // namespace
}  // namespace hsm
