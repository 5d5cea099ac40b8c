// Every implementation that this processor runs, against the standard's vectors and against the portable one.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "sha256/batch.h"
#include "sha256/implementation.h"
#include "sha256/sha256.h"

namespace hsm {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::string hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

Bytes unhex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

class Sha256Implementations : public testing::TestWithParam<const sha256::Implementation*> {
 protected:
  void SetUp() override { ASSERT_TRUE(sha256::useImplementation(GetParam()->name)); }
  void TearDown() override { (void)sha256::useImplementation(sha256::implementations().front()->name); }
};

// NIST CAVP, SHA256ShortMsg.rsp and the examples of FIPS 180-4.
TEST_P(Sha256Implementations, AgreesWithNistOnShortMessages) {
  const std::pair<const char*, const char*> vectors[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"d3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
      {"11af", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"},
      {"b4190e", "dff2e73091f6c05e528896c4c831b9448653dc2ff043528f6769437bc7b975c2"},
      {"74ba2521", "b16aa56be3880d18cd41e68384cf1ec8c17680c45a02b1575dc1518923ae8b0e"},
      {"616263", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"6162636462636465636465666465666765666768666768696768696a68696a6b696a6b6c6a6b6c6d6b6c6d6e6c6d6e6f6d6e6f706e6f"
       "7071",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
  };
  for (const auto& [message, digest] : vectors) EXPECT_EQ(hex(Sha256::of(unhex(message))), digest) << message;
}

// FIPS 180-2, appendix B.3, and 2^19 + 1 zeros (longer than any buffer between).
TEST_P(Sha256Implementations, AgreesWithNistOnLongMessages) {
  EXPECT_EQ(hex(Sha256::of(Bytes(1'000'000, 'a'))), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(hex(Sha256::of(Bytes(1'000'000, 0))), "d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025");
}

// NIST CAVP, the Monte Carlo procedure of SHAVS 6.4 with the seed of SHA256Monte.rsp: its first two checkpoints.
TEST_P(Sha256Implementations, AgreesWithNistsMonteCarloChain) {
  Bytes seed = unhex("6d1e72ad03ddeb5de891e572e2396f8da015d899ef0e79503152d6010a3fe691");
  const char* const checkpoints[] = {"e93c330ae5447738c8aa85d71a6c80f2a58381d05872d26bdd39f1fcd4f2b788",
                                     "2e78f8c8772ea7c9331d41ed3f9cdf27d8f514a99342ee766ee3b8b0d0b121c0"};
  for (const char* checkpoint : checkpoints) {
    std::array<Bytes, 3> last = {seed, seed, seed};
    for (int i = 0; i < 1000; ++i) {
      Sha256 hash;
      for (const Bytes& part : last) hash.update(part);
      const Digest digest = hash.digest();
      last = {last[1], last[2], Bytes(digest.begin(), digest.end())};
    }
    EXPECT_EQ(hex(last[2]), checkpoint);
    seed = last[2];
  }
}

TEST_P(Sha256Implementations, EqualsThePortableOneAtEveryLengthAndAlignment) {
  std::mt19937 random(20261125);  // NOLINT: the same bytes each time
  Bytes data(1'100);
  for (auto& byte : data) byte = static_cast<std::uint8_t>(random());
  for (std::size_t length = 0; length <= 1'000; ++length) {
    const std::span<const std::uint8_t> message(data.data() + length % 17, length);
    ASSERT_TRUE(sha256::useImplementation("portable"));
    const Digest expected = Sha256::of(message);
    ASSERT_TRUE(sha256::useImplementation(GetParam()->name));
    ASSERT_EQ(Sha256::of(message), expected) << length;
  }
}

TEST_P(Sha256Implementations, ABatchEqualsItsMessagesOneByOne) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Bytes> contents(random() % 12);
    const bool alike = round % 2 == 0;  // neighbours of the same number of blocks are hashed in pairs
    for (auto& content : contents) {
      content.resize(alike ? 64 : random() % 300);
      for (auto& byte : content) byte = static_cast<std::uint8_t>(random());
    }
    const std::vector<std::span<const std::uint8_t>> messages(contents.begin(), contents.end());
    std::vector<Digest> digests(messages.size());
    sha256Batch(messages, digests);
    for (std::size_t i = 0; i < messages.size(); ++i) ASSERT_EQ(digests[i], Sha256::of(messages[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(OfThisProcessor, Sha256Implementations,
                         testing::ValuesIn(sha256::implementations().begin(), sha256::implementations().end()),
                         [](const auto& of) {
                           std::string name = of.param->name;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Sha256Dispatch, TakesHardwareFirstAndRefusesUnknownNames) {
  EXPECT_STREQ(sha256::implementations().back()->name, "portable");
  EXPECT_STREQ(sha256::implementation().name, sha256::implementations().front()->name);
  EXPECT_FALSE(sha256::useImplementation("md5"));
  EXPECT_STREQ(sha256::implementation().name, sha256::implementations().front()->name);
}

}  // namespace
}  // namespace hsm
