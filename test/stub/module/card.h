// What a process does with the card: a connection through the reader, and the commands on it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "shared.h"

namespace stub {

using Bytes = std::vector<unsigned char>;

/** How a command, or the wish to send one, ended. */
enum class Wire {
  Ok,
  /** The card was pulled, or another stands in its place: seen before anything was sent. */
  Removed,
  /** The card went while we talked to it. */
  TransmitFailed,
  /** pcscd is not there, or not the one that we knew. */
  NoService,
  /** The card answered with a refusal. */
  Refused,
  /** The call lacked what the card needs (no value). */
  Incomplete,
  NoFreeNumber,
  NotFound,
  NotLoggedIn,
};

/** Bytes of a description beside its texts. */
constexpr std::size_t kDescriptionOverhead = 30;
/** Longest label and application that a description takes. */
constexpr std::size_t kLongestText = 254;

struct NewEntry {
  bool isPrivate = false;
  Bytes label;
  Bytes application;
  std::optional<Bytes> objectId;
  std::optional<Bytes> value;
};

/** Connection of one process. Not thread-safe: the module's lock guards it. */
class Connection {
 public:
  explicit Connection(SharedCard& shared) : shared_(shared) {}
  ~Connection() { disconnect(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Profile& profile() const { return profileAt(shared_.state().profile); }
  CardState& state() const { return shared_.state(); }
  SharedCard& shared() const { return shared_; }

  /** Joins pcscd; false when it is down. */
  bool join();
  bool serviceAlive() const;
  bool cardInReader() const { return state().present != 0; }
  /** True when the card in the reader is the one that we connected to. */
  bool sameCard() const { return connected_ && insertion_ == state().insertion; }
  /** Connects and reads the directory; NoService, TransmitFailed, or the entries in their order. */
  Wire bind(std::vector<const Entry*>& entries);
  /** Leaves the card; the login goes with its last client, since pcscd then takes the power away. */
  void disconnect();

  /** To be called before the first command of a call; keeps other processes off until the call ends. */
  Wire begin() const;
  /** One command; with `Ok` the card has answered. */
  Wire command() const;

  Wire verifyPin(std::string_view pin, bool& correct) const;
  Wire pinStatus(bool& loggedIn) const;
  Wire logout() const;
  Wire changePin(std::string_view before, std::string_view after, bool& correct) const;
  Wire resetPin(std::string_view soPin, std::string_view pin, bool& correct) const;
  Wire initialise(std::string_view soPin) const;

  Entry* find(std::uint32_t fileId, bool isPrivate) const;
  Wire readValue(std::uint32_t fileId, bool isPrivate, Bytes& value) const;
  /** Writes value and description; `value` absent is a call without CKA_VALUE. */
  Wire create(const NewEntry& entry, std::uint32_t& fileId) const;
  Wire destroy(std::uint32_t fileId, bool isPrivate) const;
  Wire rename(std::uint32_t fileId, bool isPrivate, const Bytes& label) const;
  Wire generateKeyPair(const Bytes& label, const Bytes& id) const;
  /** The commands of a C_SetAttributeValue of CKA_VALUE, which changes nothing on the card. */
  Wire rewriteInVain(const Bytes& value) const;

 private:
  Wire chooseFileId(std::uint32_t& fileId) const;
  /** Commands that write `length` bytes in one go, as many as the firmware takes for them. */
  Wire writeChunk(std::size_t length) const;
  Wire writeValue(const Bytes& value, std::size_t& written) const;
  Wire writeDescription(std::size_t size) const;
  Entry* freeEntry() const;
  std::uint64_t freeOrder() const;

  SharedCard& shared_;
  bool connected_ = false;
  std::uint64_t insertion_ = 0;
  std::uint64_t pcscd_ = 0;
};

}  // namespace stub
