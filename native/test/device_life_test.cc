// What a token that lies, loses its login or is pulled out is taken for.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "device_fixture.h"

namespace hsm {
namespace {

using enum TokenLife;

class DeviceLifeTest : public DeviceTest {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b", "c"}) library.put({CKO_DATA, name, "app", name, true});
  }

  // As the token's thread does when nobody calls.
  static void waitAndLook(Device& device) {
    const auto next = device.nextLook();
    ASSERT_TRUE(next.has_value());
    std::this_thread::sleep_until(*next);
    device.lookAgain();
  }
};

// --- Listings

TEST_F(DeviceLifeTest, ASearchThatFindsNothingDoesNotMakeObjectsAbsent) {
  for (const bool reinitialize : {true, false}) {
    reinitializes = reinitialize;
    const auto device = opened();
    const ObjectId b = idOf(*device, "b");
    library.emptySearches = 1;
    ASSERT_TRUE(device->refresh().ok());
    EXPECT_EQ(device->index().size(), 3U);
    EXPECT_EQ(idOf(*device, "b"), b);
    EXPECT_EQ(text(read(*device, b).value()), "b");
  }
}

TEST_F(DeviceLifeTest, AnEmptySearchWhenATokenIsOpenedIsLookedAtTwice) {
  library.emptySearches = 1;
  const auto device = opened();
  EXPECT_EQ(device->index().size(), 3U);
}

TEST_F(DeviceLifeTest, WhatTwoStartsOfTheLibraryDoNotShowIsGone) {
  for (const bool reinitialize : {true, false}) {
    reinitializes = reinitialize;
    const auto device = opened();
    const ObjectId id = create(*device, "gone").id;
    library.objects.erase(device->index().find(id)->handle);
    ASSERT_TRUE(device->refresh().ok());
    EXPECT_EQ(idOf(*device, "gone"), 0U);
    EXPECT_EQ(device->index().size(), 3U);
  }
}

TEST_F(DeviceLifeTest, ATokenThatShowsOtherObjectsAtEveryLookIsAFailureAndNothingIsAbsent) {
  const auto device = opened();
  // Every search misses another object.
  std::map<CK_OBJECT_HANDLE, test::FakeObject> hidden;
  int search = 0;
  library.intercept = [&](const std::string& function) {
    if (function == "C_Initialize") {
      library.objects.merge(hidden);
      const char* const victims[] = {"a", "b", "c"};
      const std::string victim = victims[search++ % 3];
      for (auto it = library.objects.begin(); it != library.objects.end(); ++it) {
        if (it->second.label != victim) continue;
        hidden.insert(library.objects.extract(it));
        break;
      }
    }
    return CKR_OK;
  };
  const Status status = device->refresh();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().errorClass, ErrorClass::TokenGone);
  EXPECT_EQ(device->list().error().errorClass, ErrorClass::TokenGone);
  EXPECT_EQ(device->index().size(), 3U);
  library.intercept = nullptr;
  library.objects.merge(hidden);
  waitAndLook(*device);
  EXPECT_EQ(device->list().value().objects.size(), 3U);
}

TEST_F(DeviceLifeTest, ASecondLookThatFailsIsAFailureAndNothingIsAbsent) {
  for (const bool reinitialize : {true, false}) {
    reinitializes = reinitialize;
    const auto device = opened();
    library.emptySearches = 1;
    int logins = 0;
    library.intercept = [&](const std::string& function) {
      return function == "C_Login" && ++logins == (reinitialize ? 2 : 1) ? CKR_GENERAL_ERROR : CKR_OK;
    };
    EXPECT_FALSE(device->refresh().ok());
    library.intercept = nullptr;
    EXPECT_EQ(device->index().size(), 3U);
    waitAndLook(*device);
    EXPECT_EQ(device->list().value().objects.size(), 3U);
  }
}

// --- Removal while nobody calls

TEST_F(DeviceLifeTest, ACardThatIsPulledIsNoticedWithoutACallAndBackWithinTwoSeconds) {
  library.removable = true;
  const auto device = opened();
  lives.clear();
  library.present = false;
  waitAndLook(*device);
  EXPECT_EQ(lives, (std::vector{Lost}));
  waitAndLook(*device);
  EXPECT_EQ(lives, (std::vector{Lost, Absent}));
  for (int i = 0; i < 4; ++i) waitAndLook(*device);
  const auto returned = Device::Clock::now();
  library.present = true;
  while (lives.back() != LoggedIn) waitAndLook(*device);
  EXPECT_LT(Device::Clock::now() - returned, std::chrono::seconds(2));
  EXPECT_EQ(lives, (std::vector{Lost, Absent, Present, LoggedIn}));
  EXPECT_EQ(events, (std::vector{DeviceEvent::Kind::Gone, DeviceEvent::Kind::Back}));
}

TEST_F(DeviceLifeTest, NothingIsAskedOfATokenThatCannotBePulled) {
  const auto device = opened();
  EXPECT_FALSE(device->nextLook().has_value());
}

TEST_F(DeviceLifeTest, AnIdleLookAsksTheReaderOnly) {
  library.removable = true;
  const auto device = opened();
  library.calls.clear();
  waitAndLook(*device);
  waitAndLook(*device);
  EXPECT_EQ(library.calls, (std::vector<std::string>{"C_GetSlotInfo", "C_GetSlotInfo"}));
}

TEST_F(DeviceLifeTest, ATokenWhosePinWasLockedMeanwhileIsLocked) {
  const auto device = opened();
  library.sessionOpen = false;
  library.flags |= CKF_USER_PIN_LOCKED;
  EXPECT_EQ(create(*device, "x").error->errorClass, ErrorClass::PinLocked);
  EXPECT_EQ(lives.back(), Locked);
}

// --- PINs

TEST_F(DeviceLifeTest, AProcessThatDiesInALoginSpendsOneTryHoweverOftenItIsRestarted) {
  // The card refuses the PIN and counts; before the process can note that, it is gone.
  for (int restart = 0; restart < 5; ++restart) {
    auto refused = RefusedPins::open(folder.path(), "FAKE0001");
    ASSERT_TRUE(refused.ok());
    if (make("999999")->open().error().operation == "login") continue;
    ASSERT_TRUE(refused.value().begin(bytes("999999")).ok()) << "the state file as it was in the middle of the login";
    library.flags |= CKF_USER_PIN_COUNT_LOW;
  }
  EXPECT_EQ(library.count("C_Login"), 1U);
  EXPECT_TRUE(make("648219")->open().ok()) << "another PIN may be tried";
}

TEST_F(DeviceLifeTest, ALoginIsNotedBeforeItIsSent) {
  int unfinished = 0;
  library.intercept = [&](const std::string& function) {
    if (function == "C_Login") unfinished = RefusedPins::open(folder.path(), "FAKE0001").value().unfinished(bytes("648219"));
    return CKR_OK;
  };
  const auto device = opened();
  EXPECT_EQ(unfinished, 1);
  EXPECT_EQ(RefusedPins::open(folder.path(), "FAKE0001").value().unfinished(bytes("648219")), 0);
}

TEST_F(DeviceLifeTest, ALoginThatWasCutShortIsTriedAgainWhileTheTokenHasCountedNothing) {
  ASSERT_TRUE(RefusedPins::open(folder.path(), "FAKE0001").value().begin(bytes("648219")).ok());
  EXPECT_TRUE(make()->open().ok());
}

TEST_F(DeviceLifeTest, TwoLoginsInARowThatWereCutShortCountAsRefused) {
  auto refused = RefusedPins::open(folder.path(), "FAKE0001");
  ASSERT_TRUE(refused.value().begin(bytes("648219")).ok());
  ASSERT_TRUE(refused.value().begin(bytes("648219")).ok());
  EXPECT_EQ(make()->open().error().errorClass, ErrorClass::AuthFailed);
  EXPECT_EQ(library.count("C_Login"), 0U);
}

TEST_F(DeviceLifeTest, ALoginThatDidNotReachTheTokenIsNotHeldAgainstThePin) {
  library.intercept = [](const std::string& f) { return f == "C_Login" ? CKR_TOKEN_NOT_PRESENT : CKR_OK; };
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(make()->open().ok());
  library.intercept = nullptr;
  EXPECT_TRUE(make()->open().ok());
}

TEST_F(DeviceLifeTest, WithoutAPlaceForTheNoteNothingIsSent) {
  const auto device = make();
  library.intercept = [this](const std::string& function) {
    // The folder goes between the opening of the file and the login.
    if (function == "C_OpenSession") std::filesystem::remove_all(folder.path());
    return CKR_OK;
  };
  EXPECT_EQ(device->open().error().errorClass, ErrorClass::BadInput);
  EXPECT_EQ(library.count("C_Login"), 0U);
}

}  // namespace
}  // namespace hsm
