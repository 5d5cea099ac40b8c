#include "sha256/batch.h"

#include <string.h>

#include <array>
#include <bit>
#include <cstring>

#include "sha256/implementation.h"

namespace hsm {
namespace {

constexpr std::size_t kBlock = 64;
// FIPS 180-4, 5.3.3.
constexpr std::array<std::uint32_t, 8> kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

template <typename Word>
Word bigEndian(Word word) {
  if constexpr (std::endian::native == std::endian::big) return word;
  if constexpr (sizeof(Word) == 8) return __builtin_bswap64(word);
  if constexpr (sizeof(Word) == 4) return __builtin_bswap32(word);
}

std::size_t wholeBlocks(std::span<const std::uint8_t> message) { return message.size() / kBlock; }
// FIPS 180-4, 5.1.1: what remains, 0x80, zeros and eight bytes of length.
std::size_t tailBlocks(std::span<const std::uint8_t> message) { return message.size() % kBlock < 56 ? 1 : 2; }

// One message underway: its state and its padded tail.
class Lane {
 public:
  ~Lane() {
    explicit_bzero(state_.data(), sizeof(state_));
    explicit_bzero(tail_.data(), tail_.size());
  }
  void begin(std::span<const std::uint8_t> message) {
    state_ = kInitial;
    const std::size_t rest = message.size() % kBlock;
    const std::size_t length = tailBlocks(message) * kBlock;
    if (rest > 0) std::memcpy(tail_.data(), message.data() + (message.size() - rest), rest);
    tail_[rest] = 0x80;
    std::memset(tail_.data() + rest + 1, 0, length - rest - 9);
    const std::uint64_t bits = bigEndian(static_cast<std::uint64_t>(message.size()) * 8);
    std::memcpy(tail_.data() + length - 8, &bits, 8);
  }
  std::uint32_t* state() { return state_.data(); }
  const std::uint8_t* tail() const { return tail_.data(); }
  void finish(Digest& digest) const {
    for (std::size_t i = 0; i < 8; ++i) {
      const std::uint32_t word = bigEndian(state_[i]);
      std::memcpy(digest.data() + 4 * i, &word, 4);
    }
  }

 private:
  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 2 * kBlock> tail_;
};

}  // namespace

void sha256Batch(std::span<const std::span<const std::uint8_t>> messages, std::span<Digest> digests) {
  const sha256::Implementation& implementation = sha256::implementation();
  Lane first;
  Lane second;
  std::size_t i = 0;
  while (i < messages.size()) {
    const std::span<const std::uint8_t> message = messages[i];
    const std::size_t whole = wholeBlocks(message);
    const std::size_t tail = tailBlocks(message);
    first.begin(message);
    const bool paired = i + 1 < messages.size() && wholeBlocks(messages[i + 1]) == whole &&
                        tailBlocks(messages[i + 1]) == tail;
    if (paired) {
      const std::span<const std::uint8_t> other = messages[i + 1];
      second.begin(other);
      if (whole > 0) {
        implementation.compressPair(first.state(), message.data(), second.state(), other.data(), whole);
      }
      implementation.compressPair(first.state(), first.tail(), second.state(), second.tail(), tail);
      second.finish(digests[i + 1]);
    } else {
      if (whole > 0) implementation.compress(first.state(), message.data(), whole);
      implementation.compress(first.state(), first.tail(), tail);
    }
    first.finish(digests[i]);
    i += paired ? 2 : 1;
  }
}

}  // namespace hsm
