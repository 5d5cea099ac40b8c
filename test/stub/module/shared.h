// The card itself: a file that every process maps, as they all share one card. One lock file serialises them; it is
// the kernel's (flock), so that a killed process leaves no lock behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "profile.h"

namespace stub {

constexpr std::size_t kMaxEntries = 400;
constexpr std::size_t kMaxValue = 65536;
constexpr std::size_t kMaxName = 512;
constexpr std::size_t kMaxFaults = 32;
constexpr std::size_t kMaxClients = 64;

enum class EntryKind : std::uint32_t { Free = 0, Data = 1, KeyPair = 2 };

/**
 * Whether the token's flags tell that it was never initialised, or has no user PIN. OpenSC's never do (recorded); a card
 * that tests make `blank` behaves as the specification says (PKCS#11 2.40, 3.2).
 */
enum class BlankState : std::uint32_t { NotTold = 0, Blank = 1, WithoutPin = 2, InUse = 3 };

/** A data object (description and value), or a key pair. */
struct Entry {
  EntryKind kind;
  std::uint32_t fileId;
  /** Order in which a fresh process sees it. */
  std::uint64_t order;
  std::uint8_t isPrivate;
  /** 0: the description stands there without a value (an empty value, or a destroy cut short). */
  std::uint8_t hasValue;
  /** 0: the description is there, and no reader understands it (application too long). */
  std::uint8_t readable;
  std::uint8_t hasObjectId;
  std::uint32_t labelLength;
  std::uint32_t applicationLength;
  std::uint32_t objectIdLength;
  std::uint32_t valueLength;
  unsigned char label[kMaxName];
  unsigned char application[kMaxName];
  unsigned char objectId[kMaxName];
  unsigned char value[kMaxValue];
};

enum class FaultKind : std::uint32_t { None = 0, ReturnValue, Hang, Crash, Length, Count, Handle };

/** What a function does instead of, or after, its work: see control.cpp. */
struct Fault {
  FaultKind kind;
  char function[32];
  /** Calls of the function that pass before it acts, and calls that it acts on. */
  std::uint64_t skip;
  std::uint64_t times;
  std::uint64_t parameter;
  /** The work is done first, and its result then replaced. */
  std::uint32_t afterwards;
};

/** The whole card. The layout of the first members is read by test/stub/stub.ts. */
struct CardState {
  char magic[8];
  std::uint32_t version;
  std::uint32_t profile;
  /** Offset 16: commands answered. */
  std::uint64_t apdus;
  /** Offset 24: 1 while the card sits in the reader. */
  std::uint32_t present;
  std::uint32_t pcscdRunning;
  /** Grow with every insertion, and with every start of pcscd. */
  std::uint64_t insertion;
  std::uint64_t pcscd;
  /** Commands that the card still answers before it is pulled; -1: it stays. */
  std::int64_t removeAfter;
  std::uint64_t apduMicroseconds;
  std::uint32_t loggedIn;
  std::uint32_t pinTries;
  std::uint32_t soTries;
  std::uint32_t flashFull;
  BlankState blank;
  char pin[64];
  char soPin[64];
  char serial[32];
  /** Processes connected to the card; 0 is free. */
  std::int32_t clients[kMaxClients];
  Fault faults[kMaxFaults];
  Entry entries[kMaxEntries];
};

class SharedCard {
 public:
  /** Opens the card in `folder`, and makes a fresh one when there is none. Throws std::runtime_error. */
  static SharedCard open(const std::string& folder, const Profile& profile);
  SharedCard(SharedCard&& other) noexcept;
  SharedCard& operator=(SharedCard&&) = delete;
  SharedCard(const SharedCard&) = delete;
  SharedCard& operator=(const SharedCard&) = delete;
  ~SharedCard();

  CardState& state() const { return *state_; }

  /** Keeps other processes off the card until `endTransaction`; nothing when it is held already. */
  void beginTransaction();
  void endTransaction();

  /** Holds the card for this process. */
  class Lock {
   public:
    explicit Lock(const SharedCard& card);
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    int file_;
  };

 private:
  SharedCard(CardState* state, int file, int transactionFile)
      : state_(state), file_(file), transactionFile_(transactionFile) {}
  CardState* state_;
  int file_;
  int transactionFile_;
  bool inTransaction_ = false;
};

/** Empties the card and gives it the recordings' PINs: a fresh, initialised card. */
void makeFresh(CardState& state);
unsigned countFiles(const CardState& state);
/** Writes `text` into a fixed member, cut to fit, ended by NUL. */
void setText(char* target, std::size_t size, std::string_view text);

}  // namespace stub
