#include "card.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace stub {
namespace {

void wait(std::uint64_t microseconds) {
  if (microseconds == 0) return;
  timespec time{static_cast<time_t>(microseconds / 1000000), static_cast<long>(microseconds % 1000000) * 1000};
  while (nanosleep(&time, &time) != 0) {
  }
}

void pull(CardState& state) {
  state.present = 0;
  state.removeAfter = -1;
  state.loggedIn = 0;
  ++state.insertion;
}

/** Takes dead processes and `self` off the list of clients; true when nobody is left. */
bool leave(CardState& state, std::int32_t self) {
  bool empty = true;
  for (std::int32_t& client : state.clients) {
    if (client == 0) continue;
    if (client == self || kill(client, 0) != 0) {
      client = 0;
    } else {
      empty = false;
    }
  }
  return empty;
}

}  // namespace

bool Connection::join() {
  pcscd_ = state().pcscd;
  return state().pcscdRunning != 0;
}

bool Connection::serviceAlive() const { return state().pcscdRunning != 0 && pcscd_ == state().pcscd; }

void Connection::disconnect() {
  if (!connected_) return;
  connected_ = false;
  const SharedCard::Lock lock(shared_);
  if (leave(state(), getpid())) state().loggedIn = 0;
}

Wire Connection::begin() const {
  shared_.beginTransaction();
  if (!serviceAlive()) return Wire::NoService;
  if (!cardInReader() || !sameCard()) return Wire::Removed;
  return Wire::Ok;
}

Wire Connection::command() const {
  CardState& card = state();
  wait(card.apduMicroseconds);
  const SharedCard::Lock lock(shared_);
  if (!serviceAlive()) return Wire::NoService;
  if (!cardInReader() || !sameCard()) return Wire::TransmitFailed;
  if (card.removeAfter == 0) {
    pull(card);
    return Wire::TransmitFailed;
  }
  ++card.apdus;
  if (card.removeAfter > 0 && --card.removeAfter == 0) pull(card);
  return Wire::Ok;
}

Wire Connection::bind(std::vector<const Entry*>& entries) {
  insertion_ = state().insertion;
  connected_ = true;
  shared_.beginTransaction();
  {
    const SharedCard::Lock lock(shared_);
    if (leave(state(), getpid())) state().loggedIn = 0;
    for (std::int32_t& client : state().clients) {
      if (client != 0) continue;
      client = getpid();
      break;
    }
  }
  unsigned cost = profile().bindCost;
  for (const Entry& entry : state().entries) {
    if (entry.kind == EntryKind::Free) continue;
    if (entry.kind == EntryKind::KeyPair) {
      cost += 7;
      continue;
    }
    const std::size_t size = kDescriptionOverhead + entry.labelLength + entry.applicationLength;
    cost += size > profile().readChunk ? 4U : 3U;
  }
  for (unsigned i = 0; i < cost; ++i) {
    const Wire wire = command();
    if (wire != Wire::Ok) {
      disconnect();
      return wire;
    }
  }
  for (const Entry& entry : state().entries) {
    if (entry.kind != EntryKind::Free && entry.readable != 0) entries.push_back(&entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry* left, const Entry* right) { return left->order < right->order; });
  return Wire::Ok;
}

Wire Connection::verifyPin(std::string_view pin, bool& correct) const {
  if (const Wire wire = command(); wire != Wire::Ok) return wire;
  CardState& card = state();
  correct = card.pinTries > 0 && pin == card.pin;
  if (correct) {
    card.pinTries = 3;
  } else if (card.pinTries > 0) {
    --card.pinTries;
  }
  // A wrong PIN ends the login of everybody.
  card.loggedIn = correct && card.present != 0 ? 1 : 0;
  return Wire::Ok;
}

Wire Connection::pinStatus(bool& loggedIn) const {
  const Wire wire = command();
  loggedIn = wire == Wire::Ok && state().loggedIn != 0;
  return wire;
}

Wire Connection::logout() const {
  const Wire wire = command();
  if (wire == Wire::Ok) state().loggedIn = 0;
  return wire;
}

Wire Connection::changePin(std::string_view before, std::string_view after, bool& correct) const {
  if (const Wire wire = command(); wire != Wire::Ok) return wire;
  CardState& card = state();
  correct = card.pinTries > 0 && before == card.pin;
  if (correct) {
    card.pinTries = 3;
    setText(card.pin, sizeof card.pin, after);
  } else if (card.pinTries > 0) {
    --card.pinTries;
  }
  return Wire::Ok;
}

Wire Connection::resetPin(std::string_view soPin, std::string_view pin, bool& correct) const {
  if (const Wire wire = command(); wire != Wire::Ok) return wire;
  CardState& card = state();
  correct = card.soTries > 0 && soPin == card.soPin;
  if (correct) {
    card.soTries = 15;
    card.pinTries = 3;
    setText(card.pin, sizeof card.pin, pin);
    if (card.blank == BlankState::WithoutPin) card.blank = BlankState::InUse;
  } else if (card.soTries > 0) {
    --card.soTries;
  }
  return Wire::Ok;
}

Wire Connection::initialise(std::string_view soPin) const {
  for (int i = 0; i < 4; ++i) {
    if (const Wire wire = command(); wire != Wire::Ok) return wire;
  }
  const SharedCard::Lock lock(shared_);
  CardState& card = state();
  // Whatever the SO PIN was: the card is wiped and takes this one. The user PIN is nobody's.
  makeFresh(card);
  setText(card.soPin, sizeof card.soPin, soPin);
  setText(card.pin, sizeof card.pin, "\x01nobody's");
  if (card.blank == BlankState::Blank) card.blank = BlankState::WithoutPin;
  pull(card);
  return Wire::Ok;
}

Entry* Connection::find(std::uint32_t fileId, bool isPrivate) const {
  for (Entry& entry : state().entries) {
    if (entry.kind == EntryKind::Data && entry.fileId == fileId && (entry.isPrivate != 0) == isPrivate) return &entry;
  }
  return nullptr;
}

Wire Connection::readValue(std::uint32_t fileId, bool isPrivate, Bytes& value) const {
  if (const Wire wire = command(); wire != Wire::Ok) return wire;  // Select.
  const Entry* entry = find(fileId, isPrivate);
  if (entry == nullptr || entry->hasValue == 0) return Wire::NotFound;
  const std::size_t chunk = profile().readChunk;
  do {
    const bool loggedIn = state().loggedIn != 0;  // Before the command: the card may go right after it.
    const Wire wire = command();
    if (wire != Wire::Ok) {
      // Later ones hand out what has come so far, as if that were all.
      return profile().writesAreChecked() || value.empty() ? wire : Wire::Ok;
    }
    if (isPrivate && !loggedIn) return Wire::NotLoggedIn;
    const std::size_t length = std::min(chunk, entry->valueLength - value.size());
    value.insert(value.end(), entry->value + value.size(), entry->value + value.size() + length);
  } while (value.size() < entry->valueLength);
  return Wire::Ok;
}

Wire Connection::chooseFileId(std::uint32_t& fileId) const {
  if (const Wire wire = command(); wire != Wire::Ok) return wire;
  for (fileId = 0; fileId < 256; ++fileId) {
    const bool taken = std::any_of(std::begin(state().entries), std::end(state().entries), [&](const Entry& entry) {
      return entry.kind == EntryKind::Data && entry.fileId == fileId;
    });
    if (!taken) return Wire::Ok;
  }
  return Wire::NoFreeNumber;
}

}  // namespace stub
