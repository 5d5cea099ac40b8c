// Bytes that nobody else shall see: PINs and values.
#ifndef HSM_NATIVE_CRYPTOKI_SECURE_BYTES_H_
#define HSM_NATIVE_CRYPTOKI_SECURE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace hsm {

// A byte buffer outside the ordinary heap: locked against swapping where the process may lock memory, left out of
// core dumps, wiped before its memory is used again. Moves, never copies by accident.
class SecureBytes {
 public:
  SecureBytes() = default;
  explicit SecureBytes(std::size_t size);
  explicit SecureBytes(std::span<const std::uint8_t> bytes);
  ~SecureBytes();
  SecureBytes(SecureBytes&& other) noexcept;
  SecureBytes& operator=(SecureBytes&& other) noexcept;
  SecureBytes(const SecureBytes&) = delete;
  SecureBytes& operator=(const SecureBytes&) = delete;

  std::uint8_t* data() { return data_; }
  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const std::uint8_t> span() const { return {data_, size_}; }
  void wipe();

 private:
  void release();

  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Overwrites memory in a way that the compiler keeps.
void wipeMemory(void* data, std::size_t size);

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_SECURE_BYTES_H_
