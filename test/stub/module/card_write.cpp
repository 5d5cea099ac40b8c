// Commands that change what the card holds, each in the order in which the middleware sends it, so that a card
// pulled in the middle is left as the real one is.
#include <algorithm>
#include <cstring>

#include "card.h"

namespace stub {
namespace {

/** Later middleware cuts a write command of more bytes than this in two. */
constexpr std::size_t kSingleCommand = 224;

void put(unsigned char* target, std::uint32_t& length, const Bytes& bytes) {
  length = static_cast<std::uint32_t>(std::min(bytes.size(), kMaxName));
  std::copy_n(bytes.begin(), length, target);
}

/** What is left of a failure when the middleware does not look at the card's answers. */
bool isFatal(const Profile& profile, Wire wire) { return wire != Wire::Ok && profile.writesAreChecked(); }

}  // namespace

Wire Connection::writeChunk(std::size_t length) const {
  const bool twice = !profile().writesAreChecked() && length > kSingleCommand;
  if (const Wire wire = command(); wire != Wire::Ok) return wire;
  return twice ? command() : Wire::Ok;
}

Wire Connection::writeValue(const Bytes& value, std::size_t& written) const {
  const CardState& card = state();
  const std::size_t chunk = profile().writeChunk;
  const bool room = countFiles(card) < profile().fileLimit;
  bool stopped = false;
  for (std::size_t offset = 0; offset < value.size(); offset += chunk) {
    const std::size_t length = std::min(chunk, value.size() - offset);
    if (offset > 0xFFFF) return Wire::Refused;  // No command can name it.
    const bool full = card.flashFull != 0 && offset > 0;
    const bool tooLong = !profile().developmentFirmware && offset + length > profile().valueLimit;
    const bool takes = room && card.loggedIn != 0 && !tooLong && !full && !stopped;
    const Wire wire = takes ? writeChunk(length) : command();
    if (isFatal(profile(), wire)) return wire;
    if (!takes && profile().writesAreChecked()) return card.loggedIn != 0 ? Wire::Refused : Wire::NotLoggedIn;
    if (!takes || wire != Wire::Ok) stopped = true;
    if (!stopped) written = std::min(offset + length, profile().valueLimit);
  }
  if (profile().developmentFirmware && profile().writesAreChecked() && value.size() > 0x7FFF) written = 1024;
  return Wire::Ok;
}

Wire Connection::writeDescription(std::size_t size) const {
  for (int i = 0; i < 2; ++i) {
    if (const Wire wire = command(); wire != Wire::Ok) return wire;
  }
  const bool loggedIn = state().loggedIn != 0;  // Before the last command: the card may go right after it.
  for (std::size_t offset = 0; offset < size; offset += profile().writeChunk) {
    const Wire wire = writeChunk(std::min(profile().writeChunk, size - offset));
    if (wire != Wire::Ok) return wire;
  }
  return loggedIn ? Wire::Ok : Wire::NotLoggedIn;
}

Entry* Connection::freeEntry() const {
  for (Entry& entry : state().entries) {
    if (entry.kind == EntryKind::Free) return &entry;
  }
  return nullptr;
}

std::uint64_t Connection::freeOrder() const {
  for (std::uint64_t order = 0;; ++order) {
    const bool taken = std::any_of(std::begin(state().entries), std::end(state().entries), [&](const Entry& entry) {
      return entry.kind != EntryKind::Free && entry.order == order;
    });
    if (!taken) return order;
  }
}

Wire Connection::create(const NewEntry& entry, std::uint32_t& fileId) const {
  const Profile& like = profile();
  if (const Wire wire = chooseFileId(fileId); wire != Wire::Ok) return wire;
  for (int i = 0; i < 3; ++i) {
    if (const Wire wire = command(); isFatal(like, wire)) return wire;
  }
  if (!entry.value) return Wire::Incomplete;
  if (like.writesAreChecked() && state().loggedIn == 0) return Wire::NotLoggedIn;
  std::size_t written = 0;
  if (const Wire wire = writeValue(*entry.value, written); wire != Wire::Ok) return wire;
  const std::size_t size = kDescriptionOverhead + entry.label.size() + entry.application.size() +
                           (entry.objectId ? entry.objectId->size() : 0);
  const bool room = countFiles(state()) + (written > 0 ? 1U : 0U) < like.fileLimit;
  const Wire described = writeDescription(size);
  if (isFatal(like, described)) return described;
  if (!room && like.writesAreChecked()) return Wire::Refused;
  if (described != Wire::Ok || !room) return Wire::Ok;  // And nothing is on the card.
  const SharedCard::Lock lock(shared_);
  Entry* target = freeEntry();
  if (target == nullptr) return Wire::Refused;
  target->order = freeOrder();
  target->kind = EntryKind::Data;
  target->fileId = fileId;
  target->isPrivate = entry.isPrivate ? 1 : 0;
  target->hasValue = written > 0 ? 1 : 0;
  target->readable = entry.application.size() < kLongestText ? 1 : 0;
  target->hasObjectId = entry.objectId ? 1 : 0;
  put(target->label, target->labelLength, entry.label);
  put(target->application, target->applicationLength, entry.application);
  put(target->objectId, target->objectIdLength, entry.objectId.value_or(Bytes{}));
  target->valueLength = static_cast<std::uint32_t>(written);
  std::copy_n(entry.value->begin(), written, target->value);
  return Wire::Ok;
}

Wire Connection::destroy(std::uint32_t fileId, bool isPrivate) const {
  if (const Wire wire = command(); wire != Wire::Ok) return wire;  // Select the value.
  Entry* entry = find(fileId, isPrivate);
  const bool loggedIn = state().loggedIn != 0;
  if (const Wire wire = command(); wire != Wire::Ok) return wire;  // Delete the value.
  if (!loggedIn) return Wire::NotLoggedIn;
  if (entry == nullptr || entry->hasValue == 0) return Wire::NotFound;
  entry->hasValue = 0;
  if (const Wire wire = command(); wire != Wire::Ok) return wire;  // Delete the description.
  const SharedCard::Lock lock(shared_);
  std::memset(entry->value, 0, entry->valueLength);
  entry->kind = EntryKind::Free;
  return Wire::Ok;
}

Wire Connection::rename(std::uint32_t fileId, bool isPrivate, const Bytes& label) const {
  const Entry* before = find(fileId, isPrivate);
  const std::size_t application = before != nullptr ? before->applicationLength : 0;
  const Wire wire = writeDescription(kDescriptionOverhead + label.size() + application);
  if (wire != Wire::Ok) return wire;
  const SharedCard::Lock lock(shared_);
  Entry* entry = find(fileId, isPrivate);
  if (entry == nullptr) return Wire::Ok;
  entry->order = freeOrder();  // The new description is written before the old one goes.
  put(entry->label, entry->labelLength, label);
  return Wire::Ok;
}

Wire Connection::rewriteInVain(const Bytes& value) const {
  for (int i = 0; i < 5; ++i) {
    if (const Wire wire = command(); wire != Wire::Ok) return wire;
  }
  for (std::size_t offset = 0; offset < value.size(); offset += profile().writeChunk) {
    const Wire wire = writeChunk(std::min(profile().writeChunk, value.size() - offset));
    if (wire != Wire::Ok) return wire;
  }
  return Wire::Incomplete;
}

Wire Connection::generateKeyPair(const Bytes& label, const Bytes& id) const {
  for (unsigned i = 0; i < (profile().writesAreChecked() ? 10U : 13U); ++i) {
    if (const Wire wire = command(); wire != Wire::Ok) return wire;
  }
  if (state().loggedIn == 0) return Wire::NotLoggedIn;
  const SharedCard::Lock lock(shared_);
  Entry* entry = freeEntry();
  if (entry == nullptr || countFiles(state()) + 2 > profile().fileLimit) return Wire::Refused;
  entry->order = freeOrder();
  entry->kind = EntryKind::KeyPair;
  entry->fileId = 0;
  entry->isPrivate = 1;
  entry->hasValue = 1;
  entry->readable = 1;
  entry->hasObjectId = 0;
  entry->valueLength = 0;
  entry->applicationLength = 0;
  put(entry->label, entry->labelLength, label);
  put(entry->objectId, entry->objectIdLength, id);
  return Wire::Ok;
}

}  // namespace stub
