#include "shared.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace stub {
namespace {

constexpr char kMagic[8] = {'H', 'S', 'M', 'S', 'T', 'U', 'B', '1'};
constexpr std::uint32_t kVersion = 2;

/** Key, its description, and its certificate. */
constexpr unsigned kKeyPairFiles = 3;

static_assert(offsetof(CardState, apdus) == 16);
static_assert(offsetof(CardState, present) == 24);

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  throw std::runtime_error(what + " " + path + ": " + std::strerror(errno));
}

}  // namespace

SharedCard SharedCard::open(const std::string& folder, const Profile& profile) {
  const std::string path = folder + "/card";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) fail("cannot open", path);
  flock(file, LOCK_EX);
  struct stat status {};
  const bool fresh = fstat(file, &status) == 0 && status.st_size == 0;
  if (fresh && ftruncate(file, sizeof(CardState)) != 0) fail("cannot size", path);
  void* memory = mmap(nullptr, sizeof(CardState), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) fail("cannot map", path);
  auto* state = static_cast<CardState*>(memory);
  if (fresh) {
    std::memcpy(state->magic, kMagic, sizeof kMagic);
    state->version = kVersion;
    state->profile = profileIndex(profile);
    state->present = 1;
    state->pcscdRunning = 1;
    state->insertion = 1;
    state->pcscd = 1;
    state->removeAfter = -1;
    setText(state->serial, sizeof state->serial, "ESPICOHSMTR");
    makeFresh(*state);
  }
  const bool ours = std::memcmp(state->magic, kMagic, sizeof kMagic) == 0 && state->version == kVersion;
  flock(file, LOCK_UN);
  if (!ours) throw std::runtime_error(path + " is no card of this stub");
  const std::string lockPath = folder + "/transaction";
  const int transactionFile = ::open(lockPath.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (transactionFile < 0) fail("cannot open", lockPath);
  return SharedCard(state, file, transactionFile);
}

SharedCard::SharedCard(SharedCard&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)),
      file_(std::exchange(other.file_, -1)),
      transactionFile_(std::exchange(other.transactionFile_, -1)) {}

SharedCard::~SharedCard() {
  if (state_ != nullptr) munmap(state_, sizeof(CardState));
  if (file_ >= 0) close(file_);
  if (transactionFile_ >= 0) close(transactionFile_);
}

void SharedCard::beginTransaction() {
  if (inTransaction_) return;
  flock(transactionFile_, LOCK_EX);
  inTransaction_ = true;
}

void SharedCard::endTransaction() {
  if (!inTransaction_) return;
  flock(transactionFile_, LOCK_UN);
  inTransaction_ = false;
}

SharedCard::Lock::Lock(const SharedCard& card) : file_(card.file_) { flock(file_, LOCK_EX); }

SharedCard::Lock::~Lock() { flock(file_, LOCK_UN); }

void makeFresh(CardState& state) {
  for (Entry& entry : state.entries) {
    if (entry.kind == EntryKind::Free) continue;
    entry.kind = EntryKind::Free;
    std::memset(entry.value, 0, std::min<std::size_t>(entry.valueLength, sizeof entry.value));
  }
  state.loggedIn = 0;
  state.pinTries = 3;
  state.soTries = 15;
  state.flashFull = 0;
  setText(state.pin, sizeof state.pin, "648219");
  setText(state.soPin, sizeof state.soPin, "3537363231383830");
}

unsigned countFiles(const CardState& state) {
  unsigned files = 0;
  for (const Entry& entry : state.entries) {
    if (entry.kind == EntryKind::Data) files += entry.hasValue != 0 ? 2U : 1U;
    if (entry.kind == EntryKind::KeyPair) files += kKeyPairFiles;
  }
  return files;
}

void setText(char* target, std::size_t size, std::string_view text) {
  const std::size_t length = std::min(text.size(), size - 1);
  std::memcpy(target, text.data(), length);
  std::memset(target + length, 0, size - length);
}

}  // namespace stub
