// SHA-256 (FIPS 180-4) and HMAC-SHA-256 (FIPS 198-1).
#ifndef HSM_NATIVE_SHA256_SHA256_H_
#define HSM_NATIVE_SHA256_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hsm {

using Digest = std::array<std::uint8_t, 32>;

// Streaming hash. After digest() it stands at the beginning again.
class Sha256 {
 public:
  Sha256() { reset(); }
  ~Sha256();
  Sha256(const Sha256&) = default;
  Sha256& operator=(const Sha256&) = default;

  void reset();
  void update(std::span<const std::uint8_t> data);
  Digest digest();

  static Digest of(std::span<const std::uint8_t> data);

 private:
  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> block_;
  std::size_t used_ = 0;
  std::uint64_t length_ = 0;
};

class HmacSha256 {
 public:
  explicit HmacSha256(std::span<const std::uint8_t> key);
  void update(std::span<const std::uint8_t> data) { inner_.update(data); }
  // Once: then begin with a new object, or with a copy made before.
  Digest digest();

  static Digest of(std::span<const std::uint8_t> key, std::span<const std::uint8_t> data);

 private:
  Sha256 inner_;
  Sha256 outer_;
};

// PBKDF2 (RFC 8018, 5.2) with HMAC-SHA-256, one block of output.
Digest pbkdf2Sha256(std::span<const std::uint8_t> password, std::span<const std::uint8_t> salt,
                    std::uint32_t iterations);

}  // namespace hsm

#endif  // HSM_NATIVE_SHA256_SHA256_H_
