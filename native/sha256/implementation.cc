#include "sha256/implementation.h"

#include <array>
#include <atomic>

namespace hsm::sha256 {
namespace {

struct Available {
  std::array<const Implementation*, 2> list{};
  std::size_t count = 0;
};

Available detect() {
  Available available;
  for (const Implementation* hardware : {shaNi(), armv8()}) {
    if (hardware != nullptr) available.list[available.count++] = hardware;
  }
  available.list[available.count++] = &kPortable;
  return available;
}

std::atomic<const Implementation*> inUse{nullptr};

}  // namespace

std::span<const Implementation* const> implementations() {
  static const Available available = detect();
  return {available.list.data(), available.count};
}

const Implementation& implementation() {
  const Implementation* current = inUse.load(std::memory_order_relaxed);
  if (current == nullptr) {
    current = implementations().front();
    inUse.store(current, std::memory_order_relaxed);
  }
  return *current;
}

bool useImplementation(std::string_view name) {
  for (const Implementation* each : implementations()) {
    if (name == each->name) {
      inUse.store(each, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

}  // namespace hsm::sha256
