#include "command.h"

#include <p11-kit/pkcs11.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <stdexcept>

#include "../module/shared.h"
#include "return_values.h"

namespace control {
namespace {

using stub::CardState;
using stub::Entry;
using stub::EntryKind;
using stub::Fault;
using stub::FaultKind;

std::uint64_t number(const std::string& text) {
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text.c_str(), &end, 0);
  if (text.empty() || *end != '\0') throw std::runtime_error("\"" + text + "\" is no number");
  return value;
}

/** Splits `name=value`; nullopt when there is no `=`. */
std::optional<std::pair<std::string, std::string>> assignment(const std::string& word) {
  const std::size_t at = word.find('=');
  if (at == std::string::npos) return std::nullopt;
  return std::make_pair(word.substr(0, at), word.substr(at + 1));
}

void remove(CardState& card) {
  card.present = 0;
  card.loggedIn = 0;
  card.removeAfter = -1;
  ++card.insertion;
}

void insert(CardState& card) {
  card.present = 1;
  card.removeAfter = -1;
  ++card.insertion;
}

/** The card is without power for a moment, and reads its flash anew: the latest comes first. */
void powerCycle(CardState& card) {
  remove(card);
  insert(card);
  std::uint64_t last = 0;
  for (const Entry& entry : card.entries) {
    if (entry.kind != EntryKind::Free && entry.order > last) last = entry.order;
  }
  for (Entry& entry : card.entries) {
    if (entry.kind != EntryKind::Free) entry.order = last - entry.order;
  }
}

/** `fault C_X rv=CKR_Y | hang[=ms] | crash | len=N | count=N | handle=N, [at=N] [times=N|always] [after]`. */
void addFault(CardState& card, const std::vector<std::string>& words) {
  if (words.size() < 3) throw std::runtime_error("fault needs a function and what it does");
  Fault fault{};
  stub::setText(fault.function, sizeof fault.function, words[1]);
  fault.times = 1;
  for (std::size_t i = 2; i < words.size(); ++i) {
    const auto pair = assignment(words[i]);
    const std::string name = pair ? pair->first : words[i];
    const std::string value = pair ? pair->second : std::string();
    if (name == "rv") {
      fault.kind = FaultKind::ReturnValue;
      fault.parameter = returnValueOf(value);
    } else if (name == "hang") {
      fault.kind = FaultKind::Hang;
      fault.parameter = value.empty() ? 0 : number(value);
    } else if (name == "crash") {
      fault.kind = FaultKind::Crash;
    } else if (name == "len") {
      fault.kind = FaultKind::Length;
      fault.parameter = value == "-1" ? CK_UNAVAILABLE_INFORMATION : number(value);
    } else if (name == "count") {
      fault.kind = FaultKind::Count;
      fault.parameter = number(value);
    } else if (name == "handle") {
      fault.kind = FaultKind::Handle;
      fault.parameter = number(value);
    } else if (name == "at") {
      fault.skip = number(value) - 1;
    } else if (name == "times") {
      fault.times = value == "always" ? 0 : number(value);
    } else if (name == "after") {
      fault.afterwards = 1;
    } else {
      throw std::runtime_error("fault does not know \"" + words[i] + "\"");
    }
  }
  if (fault.kind == FaultKind::None) throw std::runtime_error("fault needs one of rv, hang, crash, len, count, handle");
  for (Fault& place : card.faults) {
    if (place.kind != FaultKind::None) continue;
    place = fault;
    return;
  }
  throw std::runtime_error("no room for another fault");
}

void clearFaults(CardState& card) {
  for (Fault& fault : card.faults) fault.kind = FaultKind::None;
}

void apply(CardState& card, const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  static const std::map<std::string, void (*)(CardState&)> simple = {
      {"remove", remove},
      {"insert", insert},
      {"power cycle", powerCycle},
      // As another program's wrong PIN, or its logout on 0.23, would.
      {"logout", [](CardState& state) { state.loggedIn = 0; }},
      {"swap", [](CardState& state) { stub::makeFresh(state); remove(state); insert(state); }},
      {"erase", stub::makeFresh},
      {"says blank", [](CardState& state) { state.blank = stub::BlankState::Blank; }},
      {"blank", [](CardState& state) { stub::makeFresh(state); state.blank = stub::BlankState::Blank;
                                       stub::setText(state.pin, sizeof state.pin, "\x01nobody's");
                                       stub::setText(state.soPin, sizeof state.soPin, "\x01nobody's"); }},
      {"pcscd stop", [](CardState& state) { state.pcscdRunning = 0; state.loggedIn = 0; }},
      {"pcscd start", [](CardState& state) { state.pcscdRunning = 1; ++state.pcscd; }},
      {"pcscd restart", [](CardState& state) { state.pcscdRunning = 1; ++state.pcscd; }},
      {"flash full", [](CardState& state) { state.flashFull = 1; }},
      {"flash free", [](CardState& state) { state.flashFull = 0; }},
      {"faults clear", clearFaults},
  };
  const auto found = simple.find(line);
  if (found != simple.end()) return found->second(card);
  if (words[0] == "fault") return addFault(card, words);
  if (words.size() == 4 && words[0] == "remove" && words[1] == "after" && words[3] == "apdus") {
    card.removeAfter = static_cast<std::int64_t>(number(words[2]));
    return;
  }
  if (words.size() == 3 && words[0] == "apdu" && words[1] == "delay") {
    card.apduMicroseconds = number(words[2]);
    return;
  }
  throw std::runtime_error("unknown command \"" + line + "\"");
}

/** `create [profile=P] [serial=S] [pin=P] [so-pin=P]`: the PINs are those of throw-away test cards. */
void create(const std::string& folder, const std::vector<std::string>& words) {
  std::map<std::string, std::string> given;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto pair = assignment(words[i]);
    if (!pair) throw std::runtime_error("create does not know \"" + words[i] + "\"");
    given.insert(*pair);
  }
  const std::string name = given.contains("profile") ? given["profile"] : "opensc-0.27-pico";
  const stub::Profile* profile = stub::findProfile(name);
  if (profile == nullptr) throw std::runtime_error("the profile \"" + name + "\" is unknown");
  const stub::SharedCard card = stub::SharedCard::open(folder, *profile);
  const stub::SharedCard::Lock lock(card);
  CardState& state = card.state();
  if (given.contains("serial")) stub::setText(state.serial, sizeof state.serial, given["serial"]);
  if (given.contains("pin")) stub::setText(state.pin, sizeof state.pin, given["pin"]);
  if (given.contains("so-pin")) stub::setText(state.soPin, sizeof state.soPin, given["so-pin"]);
}

}  // namespace

void run(const std::string& folder, const std::vector<std::string>& words) {
  if (words[0] == "create") return create(folder, words);
  const stub::SharedCard card = stub::SharedCard::open(folder, stub::profileAt(0));
  const stub::SharedCard::Lock lock(card);
  apply(card.state(), words);
}

}  // namespace control
