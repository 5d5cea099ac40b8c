#include "sha256/sha256.h"

#include <string.h>

#include <algorithm>
#include <cstring>

#include "sha256/implementation.h"

namespace hsm {
namespace {

void storeBigEndian(std::uint8_t* bytes, std::uint32_t word) {
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(word >> (24 - 8 * i));
}

}  // namespace

Sha256::~Sha256() {
  explicit_bzero(state_.data(), sizeof(state_));
  explicit_bzero(block_.data(), block_.size());
}

void Sha256::reset() {
  // FIPS 180-4, 5.3.3.
  state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  block_ = {};
  used_ = 0;
  length_ = 0;
}

void Sha256::update(std::span<const std::uint8_t> data) {
  if (data.empty()) return;
  const auto compress = sha256::implementation().compress;
  length_ += data.size();
  if (used_ > 0) {
    const std::size_t taken = std::min(data.size(), block_.size() - used_);
    std::memcpy(block_.data() + used_, data.data(), taken);
    used_ += taken;
    data = data.subspan(taken);
    if (used_ < block_.size()) return;
    compress(state_.data(), block_.data(), 1);
    used_ = 0;
  }
  const std::size_t whole = data.size() / block_.size();
  if (whole > 0) compress(state_.data(), data.data(), whole);
  data = data.subspan(whole * block_.size());
  if (!data.empty()) std::memcpy(block_.data(), data.data(), data.size());
  used_ = data.size();
}

Digest Sha256::digest() {
  const auto compress = sha256::implementation().compress;
  const std::uint64_t bits = length_ * 8;
  block_[used_++] = 0x80;
  if (used_ > 56) {
    std::fill(block_.begin() + static_cast<std::ptrdiff_t>(used_), block_.end(), std::uint8_t{0});
    compress(state_.data(), block_.data(), 1);
    used_ = 0;
  }
  std::fill(block_.begin() + static_cast<std::ptrdiff_t>(used_), block_.begin() + 56, std::uint8_t{0});
  storeBigEndian(block_.data() + 56, static_cast<std::uint32_t>(bits >> 32));
  storeBigEndian(block_.data() + 60, static_cast<std::uint32_t>(bits));
  compress(state_.data(), block_.data(), 1);
  Digest result;
  for (std::size_t i = 0; i < 8; ++i) storeBigEndian(result.data() + 4 * i, state_[i]);
  reset();
  return result;
}

Digest Sha256::of(std::span<const std::uint8_t> data) {
  Sha256 hash;
  hash.update(data);
  return hash.digest();
}

HmacSha256::HmacSha256(std::span<const std::uint8_t> key) {
  std::array<std::uint8_t, 64> padded{};
  if (key.size() > padded.size()) {
    const Digest shortened = Sha256::of(key);
    std::copy(shortened.begin(), shortened.end(), padded.begin());
  } else {
    std::copy(key.begin(), key.end(), padded.begin());
  }
  for (auto& byte : padded) byte ^= 0x36;
  inner_.update(padded);
  for (auto& byte : padded) byte ^= 0x36 ^ 0x5c;
  outer_.update(padded);
  explicit_bzero(padded.data(), padded.size());
}

Digest HmacSha256::digest() {
  outer_.update(inner_.digest());
  return outer_.digest();
}

Digest HmacSha256::of(std::span<const std::uint8_t> key, std::span<const std::uint8_t> data) {
  HmacSha256 mac(key);
  mac.update(data);
  return mac.digest();
}

Digest pbkdf2Sha256(std::span<const std::uint8_t> password, std::span<const std::uint8_t> salt,
                    std::uint32_t iterations) {
  const HmacSha256 keyed(password);
  HmacSha256 first = keyed;
  first.update(salt);
  const std::array<std::uint8_t, 4> blockIndex = {0, 0, 0, 1};
  first.update(blockIndex);
  Digest last = first.digest();
  Digest result = last;
  for (std::uint32_t i = 1; i < iterations; ++i) {
    HmacSha256 next = keyed;
    next.update(last);
    last = next.digest();
    for (std::size_t k = 0; k < result.size(); ++k) result[k] ^= last[k];
  }
  return result;
}

}  // namespace hsm
