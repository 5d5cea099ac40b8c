// What the token's thread does to a library, against one that misbehaves on demand.
#include <gtest/gtest.h>

#include <thread>

#include "device_fixture.h"

namespace hsm {
namespace {

TEST_F(DeviceTest, FindsEveryObjectHoweverMany) {
  for (int i = 0; i < 700; ++i) library.put({CKO_DATA, "label" + std::to_string(i), "app", "v", true});
  library.put({3, "a key", "", "", true});
  const auto device = opened();
  EXPECT_EQ(device->index().size(), 700U);
  EXPECT_EQ(device->index().otherObjects(), 1U);
  EXPECT_FALSE(library.searching) << "the search was ended";
}

TEST_F(DeviceTest, EndsTheSearchEvenWhenItFails) {
  library.intercept = [](const std::string& f) { return f == "C_FindObjects" ? CKR_DEVICE_MEMORY : CKR_OK; };
  const auto device = make();
  EXPECT_FALSE(device->open().ok());
  EXPECT_EQ(library.count("C_FindObjectsFinal"), 1U);
}

TEST_F(DeviceTest, ReadsLongNamesWhole) {
  const std::string longName(1500, 'n');
  library.put({CKO_DATA, longName, std::string(900, 'a') + std::string(3, '\0'), "v", true});
  const auto device = opened();
  const auto objects = device->index().listing().objects;
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(objects[0].label, longName);
  EXPECT_EQ(objects[0].application, std::string(900, 'a')) << "trailing NULs are taken off";
}

TEST_F(DeviceTest, ReadsAValueInOneCall) {
  library.put({CKO_DATA, "a", "app", std::string(4000, 'x'), true});
  const auto device = opened();
  const auto before = library.count("C_GetAttributeValue");
  const auto value = read(*device, idOf(*device, "a"));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(text(value.value()), std::string(4000, 'x'));
  EXPECT_EQ(library.count("C_GetAttributeValue") - before, 1U);
}

TEST_F(DeviceTest, ReadsAValueThatIsLargerThanExpectedWhole) {
  library.put({CKO_DATA, "a", "app", std::string(300'000, 'x'), true});
  const auto device = opened();
  const auto value = read(*device, idOf(*device, "a"));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value.value().size(), 300'000U);
}

TEST_F(DeviceTest, RefusesALengthThatCannotBe) {
  library.put({CKO_DATA, "a", "app", "v", true});
  const auto device = opened();
  library.tellsSillyLength = true;
  const auto value = read(*device, idOf(*device, "a"));
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().errorClass, ErrorClass::Corrupt);
}

TEST_F(DeviceTest, CreatesPrivateTokenObjectsWhoseApplicationEndsWithNul) {
  const auto device = opened();
  ASSERT_EQ(create(*device, "secrets/shop/db", "value").kind, OperationOutcome::Kind::Created);
  ASSERT_EQ(library.objects.size(), 1U);
  const test::FakeObject& object = library.objects.begin()->second;
  EXPECT_TRUE(object.isPrivate);
  EXPECT_EQ(object.label, "secrets/shop/db");
  EXPECT_EQ(object.application, "app");
  EXPECT_EQ(object.value, "value");
  EXPECT_EQ(library.behindApplication, '\0');
}

TEST_F(DeviceTest, AHandleOfZeroIsAFullToken) {
  const auto device = opened();
  library.createGivesHandleZero = true;
  const auto outcome = create(*device, "a");
  ASSERT_EQ(outcome.kind, OperationOutcome::Kind::Failed);
  EXPECT_EQ(outcome.error->errorClass, ErrorClass::NoSpace);
  EXPECT_EQ(device->index().size(), 0U);
}

TEST_F(DeviceTest, CountsEveryObjectBeforeItCreates) {
  capacity = 3;
  library.put({CKO_DATA, "a", "app", "v", true});
  library.put({3, "a key", "", "", true});
  const auto device = opened();
  EXPECT_EQ(create(*device, "b").kind, OperationOutcome::Kind::Created);
  const auto outcome = create(*device, "c");
  ASSERT_EQ(outcome.kind, OperationOutcome::Kind::Failed);
  EXPECT_EQ(outcome.error->errorClass, ErrorClass::NoSpace);
  EXPECT_EQ(library.count("C_CreateObject"), 1U) << "the full token was not asked";
}

TEST_F(DeviceTest, RefusesWhatATokenWouldBreakWithoutAskingIt) {
  const auto device = opened();
  EXPECT_EQ(create(*device, "a", "").error->errorClass, ErrorClass::BadInput);
  EXPECT_EQ(create(*device, "").error->errorClass, ErrorClass::BadInput);
  EXPECT_EQ(create(*device, std::string(255, 'l')).error->errorClass, ErrorClass::BadInput);
  EXPECT_EQ(create(*device, std::string("a\0b", 3)).error->errorClass, ErrorClass::BadInput);
  EXPECT_EQ(create(*device, "a", "v", std::string(200, 'a')).error->errorClass, ErrorClass::BadInput);
  EXPECT_EQ(create(*device, "a", "v", std::string("a\0b", 3)).error->errorClass, ErrorClass::BadInput);
  EXPECT_EQ(create(*device, "a", std::string(4001, 'v')).error->errorClass, ErrorClass::TooLarge);
  EXPECT_EQ(library.count("C_CreateObject"), 0U);
  EXPECT_EQ(create(*device, std::string(254, 'l'), std::string(4000, 'v'), std::string(199, 'a')).kind,
            OperationOutcome::Kind::Created);
}

TEST_F(DeviceTest, ABatchStopsAtTheFirstFailure) {
  const auto device = opened();
  std::vector<Operation> operations;
  operations.emplace_back(CreateOperation{"a", "app", SecureBytes(bytes("1"))});
  operations.emplace_back(DestroyOperation{4711});
  operations.emplace_back(CreateOperation{"b", "app", SecureBytes(bytes("2"))});
  const auto outcomes = device->apply(operations);
  EXPECT_EQ(outcomes[0].kind, OperationOutcome::Kind::Created);
  EXPECT_EQ(outcomes[1].kind, OperationOutcome::Kind::Failed);
  EXPECT_EQ(outcomes[1].error->errorClass, ErrorClass::NotFound);
  EXPECT_EQ(outcomes[2].kind, OperationOutcome::Kind::Skipped);
  EXPECT_EQ(library.objects.size(), 1U);
}

TEST_F(DeviceTest, RefreshDropsTheLibrarysCacheAndKeepsIds) {
  library.put({CKO_DATA, "a", "app", "1", true});
  library.put({CKO_DATA, "b", "app", "2", true});
  const auto device = opened();
  const ObjectId a = idOf(*device, "a");
  library.put({CKO_DATA, "c", "app", "3", true});
  ASSERT_TRUE(device->refresh().ok());
  EXPECT_EQ(library.count("C_Finalize"), 1U);
  EXPECT_EQ(library.count("C_Initialize"), 2U);
  library.objects.erase(library.objects.find(device->index().find(idOf(*device, "b"))->handle));
  ASSERT_TRUE(device->refresh().ok());
  EXPECT_EQ(library.count("C_Initialize"), 4U) << "what is gone is looked for twice";
  EXPECT_EQ(idOf(*device, "a"), a);
  EXPECT_EQ(idOf(*device, "b"), 0U);
  EXPECT_NE(idOf(*device, "c"), 0U);
  EXPECT_EQ(text(read(*device, a).value()), "1") << "by the handle of now";
}

TEST_F(DeviceTest, ARefreshThatNeedsNoNewStartSearchesOnly) {
  reinitializes = false;
  library.put({CKO_DATA, "a", "app", "1", true});
  const auto device = opened();
  library.put({CKO_DATA, "b", "app", "1", true});
  ASSERT_TRUE(device->refresh().ok());
  EXPECT_NE(idOf(*device, "b"), 0U);
  EXPECT_EQ(library.count("C_Finalize"), 0U);
}

TEST_F(DeviceTest, TwinsKeepTheirIdsByTheirValues) {
  library.put({CKO_DATA, "same", "app", "first", true});
  library.put({CKO_DATA, "same", "app", "second", true});
  const auto device = opened();
  const auto objects = device->index().listing().objects;
  ASSERT_EQ(objects.size(), 2U);
  const std::string before = text(read(*device, objects[1].id).value());
  // The other one goes.
  library.objects.erase(objects[0].handle);
  ASSERT_TRUE(device->refresh().ok());
  ASSERT_EQ(device->index().size(), 1U);
  EXPECT_FALSE(read(*device, objects[0].id).ok());
  EXPECT_EQ(text(read(*device, objects[1].id).value()), before);
}

// --- Login

TEST_F(DeviceTest, AWrongPinIsSentOnceAndNeverAgain) {
  EXPECT_EQ(make("999999")->open().error().errorClass, ErrorClass::AuthFailed);
  EXPECT_EQ(library.count("C_Login"), 1U);
  const Status again = make("999999")->open();
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().errorClass, ErrorClass::AuthFailed);
  EXPECT_EQ(library.count("C_Login"), 1U) << "the next process does not send it either";
  EXPECT_TRUE(make("648219")->open().ok());
}

TEST_F(DeviceTest, NoErrorNamesThePin) {
  const Status status = make("999999")->open();
  EXPECT_EQ(status.error().message.find("999999"), std::string::npos);
}

TEST_F(DeviceTest, WithOneTryLeftNothingIsSentUnlessAllowed) {
  library.flags |= CKF_USER_PIN_FINAL_TRY;
  EXPECT_EQ(make()->open().error().errorClass, ErrorClass::AuthFailed);
  EXPECT_EQ(library.count("C_Login"), 0U);
  EXPECT_TRUE(make("648219", true)->open().ok());
}

TEST_F(DeviceTest, ALockedPinIsNotSent) {
  library.flags |= CKF_USER_PIN_LOCKED;
  EXPECT_EQ(make("648219", true)->open().error().errorClass, ErrorClass::PinLocked);
  EXPECT_EQ(library.count("C_Login"), 0U);
}

TEST_F(DeviceTest, APinOfTheWrongLengthIsNotSent) {
  EXPECT_EQ(make("12345")->open().error().errorClass, ErrorClass::BadInput);
  EXPECT_EQ(make("1234567890123456")->open().error().errorClass, ErrorClass::BadInput);
  EXPECT_EQ(library.count("C_Login"), 0U);
}

TEST_F(DeviceTest, LoggedInAlreadyIsSuccessOnlyWhileTheSessionSaysSo) {
  library.afterwards = [](const std::string& f) { return f == "C_Login" ? CKR_USER_ALREADY_LOGGED_IN : CKR_OK; };
  EXPECT_TRUE(make()->open().ok());
  library.intercept = [](const std::string& f) { return f == "C_Login" ? CKR_USER_ALREADY_LOGGED_IN : CKR_OK; };
  EXPECT_EQ(make()->open().error().errorClass, ErrorClass::TokenGone);
}

// --- Loss

TEST_F(DeviceTest, AReadSurvivesALostSession) {
  library.put({CKO_DATA, "a", "app", "1", true});
  const auto device = opened();
  library.sessionOpen = false;
  const auto value = read(*device, idOf(*device, "a"));
  ASSERT_TRUE(value.ok()) << value.error().message;
  EXPECT_EQ(text(value.value()), "1");
  EXPECT_EQ(events, (std::vector{DeviceEvent::Kind::Gone, DeviceEvent::Kind::Back}));
}

TEST_F(DeviceTest, ALoginThatWasDroppedIsNotAnEmptyToken) {
  reinitializes = false;
  library.put({CKO_DATA, "a", "app", "1", true});
  const auto device = opened();
  const ObjectId id = idOf(*device, "a");
  library.loggedIn = false;
  ASSERT_TRUE(device->refresh().ok());
  EXPECT_EQ(idOf(*device, "a"), id);
  library.loggedIn = false;
  EXPECT_TRUE(read(*device, id).ok()) << "an invalid handle without login is not 'not found'";
}

TEST_F(DeviceTest, ACreateThatDidNotReachTheTokenIsTriedAgainOnce) {
  const auto device = opened();
  library.sessionOpen = false;
  EXPECT_EQ(create(*device, "a").kind, OperationOutcome::Kind::Created);
  EXPECT_EQ(library.objects.size(), 1U);
}

TEST_F(DeviceTest, ACreateThatMayHaveReachedTheTokenIsNotTriedAgain) {
  const auto device = opened();
  library.afterwards = [this](const std::string& f) {
    if (f != "C_CreateObject") return CKR_OK;
    library.sessionOpen = false;
    return CKR_DEVICE_REMOVED;
  };
  const auto outcome = create(*device, "a");
  ASSERT_EQ(outcome.kind, OperationOutcome::Kind::Failed);
  EXPECT_EQ(outcome.error->errorClass, ErrorClass::TokenGone);
  EXPECT_EQ(library.count("C_CreateObject"), 1U);
  library.afterwards = nullptr;
  ASSERT_TRUE(device->refresh().ok());
  EXPECT_NE(idOf(*device, "a"), 0U) << "what it did is seen";
}

TEST_F(DeviceTest, ATokenThatIsAwayIsGoneUntilItIsBack) {
  library.put({CKO_DATA, "a", "app", "1", true});
  const auto device = opened();
  const ObjectId id = idOf(*device, "a");
  library.present = false;
  EXPECT_EQ(read(*device, id).error().errorClass, ErrorClass::TokenGone);
  EXPECT_EQ(device->list().error().errorClass, ErrorClass::TokenGone) << "nobody knows what is on it";
  ASSERT_TRUE(device->nextLook().has_value());
  EXPECT_GT(*device->nextLook(), Device::Clock::now()) << "it is not asked for at every call";
  library.present = true;
  std::this_thread::sleep_until(*device->nextLook());
  device->lookAgain();
  EXPECT_TRUE(read(*device, id).ok());
  EXPECT_EQ(events, (std::vector{DeviceEvent::Kind::Gone, DeviceEvent::Kind::Back}));
}

TEST_F(DeviceTest, AnotherTokenInItsPlaceIsNotTakenForIt) {
  const auto device = opened();
  library.sessionOpen = false;
  library.serialNumber = "FAKE0002";
  EXPECT_EQ(create(*device, "a").error->errorClass, ErrorClass::TokenGone);
  EXPECT_TRUE(library.objects.empty());
}

TEST_F(DeviceTest, APinThatStopsBeingRightWhileTheTokenWasAwayIsSentOnce) {
  const auto device = opened();
  library.pin = "changed1";
  library.sessionOpen = false;
  EXPECT_EQ(create(*device, "a").error->errorClass, ErrorClass::AuthFailed);
  const auto logins = library.count("C_Login");
  EXPECT_EQ(create(*device, "a").error->errorClass, ErrorClass::AuthFailed);
  EXPECT_FALSE(device->refresh().ok());
  EXPECT_EQ(library.count("C_Login"), logins);
}

TEST_F(DeviceTest, CloseLogsOutAndFinalises) {
  library.put({CKO_DATA, "a", "app", "1", true});
  opened()->close();
  EXPECT_EQ(library.count("C_Logout"), 1U);
  EXPECT_EQ(library.count("C_Finalize"), 1U);
  EXPECT_FALSE(library.initialized);
}

TEST_F(DeviceTest, NothingIsCreatedOrDestroyedDuringASearch) {
  const auto device = opened();
  const auto outcome = create(*device, "a");
  ASSERT_TRUE(device->refresh().ok());
  destroy(*device, outcome.id);
  EXPECT_FALSE(library.createdDuringSearch);
  EXPECT_FALSE(library.destroyedDuringSearch);
}

TEST_F(DeviceTest, OneTokenOfALibraryAtATime) {
  const auto module = Module::fromFunctionList(library.functions(), "fake");
  const auto options = [this] {
    DeviceOptions result;
    result.select.label = "fake";
    result.pin = SecureBytes(bytes("648219"));
    result.objectCapacity = 10;
    result.maxValueLength = 10;
    result.stateDirectory = folder.path();
    return result;
  };
  Device first(module, options(), &heartbeat, [](DeviceEvent) {});
  ASSERT_TRUE(first.open().ok());
  {
    Device second(module, options(), &heartbeat, [](DeviceEvent) {});
    EXPECT_EQ(second.open().error().errorClass, ErrorClass::Busy);
  }
  EXPECT_TRUE(first.refresh().ok()) << "the one that was refused took nothing along";
}

}  // namespace
}  // namespace hsm
