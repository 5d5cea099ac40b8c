#include "cryptoki/secure_bytes.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

namespace hsm {
namespace {

// Blocks of powers of two, cut out of mapped slabs. A mapping for each value would cost a system call and page
// faults (several microseconds) for each read; locking and leaving out of dumps go by whole pages anyway.
constexpr std::size_t kSmallest = 64;
constexpr std::size_t kClasses = 12;  // 64 B to 128 KiB
constexpr std::size_t kLargest = kSmallest << (kClasses - 1);
constexpr std::size_t kSlab = 256 * 1024;

struct FreeBlock {
  FreeBlock* next;
};

struct Pool {
  std::mutex mutex;
  std::array<FreeBlock*, kClasses> free{};
};

// Never destroyed: threads that outlive main (a call that hangs in a library) may still hold blocks.
Pool& pool() {
  static Pool* const instance = new Pool;
  return *instance;
}

void* mapPages(std::size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::fputs("hsm: out of memory for secret values\n", stderr);
    std::abort();
  }
  // Both are best effort: a container may have no memory to lock (RLIMIT_MEMLOCK).
  (void)mlock(memory, size);
#ifdef MADV_DONTDUMP
  (void)madvise(memory, size, MADV_DONTDUMP);
#endif
  return memory;
}

std::size_t classOf(std::size_t size) {
  const std::size_t rounded = std::bit_ceil(size < kSmallest ? kSmallest : size);
  return static_cast<std::size_t>(std::countr_zero(rounded) - std::countr_zero(kSmallest));
}

std::size_t pagesFor(std::size_t size) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

std::uint8_t* allocate(std::size_t size) {
  if (size > kLargest) return static_cast<std::uint8_t*>(mapPages(pagesFor(size)));
  const std::size_t index = classOf(size);
  Pool& blocks = pool();
  const std::lock_guard lock(blocks.mutex);
  if (blocks.free[index] == nullptr) {
    const std::size_t step = kSmallest << index;
    // A few blocks at a time: small ones share one slab of pages, large ones come two at a time.
    const std::size_t slab = step >= kSlab / 2 ? step * 2 : (index < 6 ? kSlab / 8 : kSlab);
    auto* memory = static_cast<std::uint8_t*>(mapPages(slab));
    for (std::size_t offset = 0; offset + step <= slab; offset += step) {
      auto* block = reinterpret_cast<FreeBlock*>(memory + offset);
      block->next = blocks.free[index];
      blocks.free[index] = block;
    }
  }
  FreeBlock* block = blocks.free[index];
  blocks.free[index] = block->next;
  block->next = nullptr;
  return reinterpret_cast<std::uint8_t*>(block);
}

void deallocate(std::uint8_t* data, std::size_t size) {
  wipeMemory(data, size);
  if (size > kLargest) {
    (void)munmap(data, pagesFor(size));
    return;
  }
  Pool& blocks = pool();
  const std::lock_guard lock(blocks.mutex);
  auto* block = reinterpret_cast<FreeBlock*>(data);
  block->next = blocks.free[classOf(size)];
  blocks.free[classOf(size)] = block;
}

}  // namespace

void wipeMemory(void* data, std::size_t size) {
  if (size > 0) explicit_bzero(data, size);
}

SecureBytes::SecureBytes(std::size_t size) : data_(size == 0 ? nullptr : allocate(size)), size_(size) {}

SecureBytes::SecureBytes(std::span<const std::uint8_t> bytes) : SecureBytes(bytes.size()) {
  if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
}

SecureBytes::~SecureBytes() { release(); }

SecureBytes::SecureBytes(SecureBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecureBytes& SecureBytes::operator=(SecureBytes&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void SecureBytes::wipe() { wipeMemory(data_, size_); }

void SecureBytes::release() {
  if (data_ != nullptr) deallocate(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace hsm
