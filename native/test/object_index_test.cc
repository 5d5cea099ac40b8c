#include "cryptoki/object_index.h"

#include <gtest/gtest.h>

namespace hsm {
namespace {

ScannedObject object(CK_OBJECT_HANDLE handle, const std::string& label, const std::string& application = "app") {
  ScannedObject result;
  result.handle = handle;
  result.label = label;
  result.application = application;
  result.isPrivate = true;
  return result;
}

ScannedObject twin(CK_OBJECT_HANDLE handle, const std::string& label, const std::string& value) {
  ScannedObject result = object(handle, label);
  result.fingerprint = Sha256::of({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
  return result;
}

ObjectId idOf(const ObjectIndex& index, CK_OBJECT_HANDLE handle) {
  for (const IndexedObject& known : index.listing().objects) {
    if (known.handle == handle) return known.id;
  }
  return 0;
}

TEST(ObjectIndex, KeepsIdsWhenHandlesChange) {
  ObjectIndex index;
  index.replace({object(1, "a"), object(2, "b")}, 0, false);
  const ObjectId a = idOf(index, 1);
  const ObjectId b = idOf(index, 2);
  const std::uint64_t version = index.version();
  index.replace({object(71, "b"), object(72, "a")}, 0, false);
  EXPECT_EQ(idOf(index, 72), a);
  EXPECT_EQ(idOf(index, 71), b);
  EXPECT_EQ(index.version(), version) << "nothing changed but handles";
}

TEST(ObjectIndex, NeverGivesAnIdToAnotherObject) {
  ObjectIndex index;
  index.replace({object(1, "a")}, 0, false);
  const ObjectId first = idOf(index, 1);
  index.replace({}, 0, false);
  EXPECT_EQ(index.find(first), nullptr);
  index.replace({object(1, "a")}, 0, false);
  EXPECT_NE(idOf(index, 1), first) << "it went and came again: nobody knows that it is the same";
}

TEST(ObjectIndex, TellsObjectsOfOneNameApartByTheirValues) {
  ObjectIndex index;
  index.replace({twin(1, "same", "x"), twin(2, "same", "y"), twin(3, "same", "z")}, 0, false);
  const ObjectId x = idOf(index, 1);
  const ObjectId y = idOf(index, 2);
  const ObjectId z = idOf(index, 3);
  index.replace({twin(8, "same", "z"), twin(9, "same", "x")}, 0, false);
  EXPECT_EQ(idOf(index, 9), x);
  EXPECT_EQ(idOf(index, 8), z);
  EXPECT_EQ(index.find(y), nullptr);
}

TEST(ObjectIndex, GivesNewIdsWhereNothingTellsObjectsApart) {
  ObjectIndex index;
  index.replace({object(1, "same"), object(2, "same")}, 0, false);
  const ObjectId first = idOf(index, 1);
  const ObjectId second = idOf(index, 2);
  index.replace({object(5, "same")}, 0, false);
  EXPECT_NE(idOf(index, 5), first);
  EXPECT_NE(idOf(index, 5), second);
}

TEST(ObjectIndex, FollowsHandlesWhereTheyOutliveTheScan) {
  ObjectIndex index;
  index.replace({object(1, "same"), object(2, "same")}, 0, false);
  const ObjectId second = idOf(index, 2);
  index.replace({object(2, "same"), object(1, "other")}, 0, true);
  EXPECT_EQ(idOf(index, 2), second);
  EXPECT_GT(idOf(index, 1), second) << "a handle that now names another object is a new object";
}

TEST(ObjectIndex, CountsVersionsUpWithEveryChange) {
  ObjectIndex index;
  index.replace({object(1, "a")}, 0, false);
  const std::uint64_t before = index.version();
  index.replace({object(1, "a")}, 3, false);
  EXPECT_GT(index.version(), before) << "other objects take room too";
}

TEST(IsText, TakesUtf8AndNothingElse) {
  EXPECT_TRUE(isText("secrets/shop/db", false));
  EXPECT_TRUE(isText("\xc3\xbc\xe2\x82\xac\xf0\x9f\x94\x91", false));
  EXPECT_FALSE(isText(std::string("a\0b", 3), false));
  EXPECT_TRUE(isText(std::string("a\0b", 3), true));
  for (const char* bad : {"\xff", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
    EXPECT_FALSE(isText(bad, false));
  }
}

}  // namespace
}  // namespace hsm
