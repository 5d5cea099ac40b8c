// The player's wire format: commands are words on one line, answers are JSON on one line.
//
//   command  <sequence> <lane> <C_function> <argument>...
//   answer   {"seq":<sequence>,"rv":"<CK_RV, decimal>","out":{...}}
//
// Numbers are decimal, bytes are hex; `-` is a NULL pointer. A template is `-`, or its count followed by one word
// `<type>/<hex or ->/<hex of the bytes right after it in memory>` for each attribute.
#pragma once

#include <p11-kit/pkcs11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace player {

using Bytes = std::vector<unsigned char>;

/** Reads the words of one command from left to right. A missing or malformed word ends the player (exit code 2). */
class Words {
 public:
  explicit Words(std::string_view line);
  std::string text();
  CK_ULONG number();
  /** nullopt for `-`. */
  std::optional<CK_ULONG> optionalNumber();
  /** nullopt for `-`, `.` for zero bytes. */
  std::optional<Bytes> bytes();
  bool empty() const { return position_ >= words_.size(); }

 private:
  std::vector<std::string> words_;
  std::size_t position_ = 0;
};

/** The attributes of one template, with the memory that they point to. */
class Template {
 public:
  /** Attributes with values, as C_CreateObject and C_FindObjectsInit take them. */
  static Template withValues(Words& words);
  /** Attributes with buffers to fill (`<type>/<size or ->`), as C_GetAttributeValue takes them. */
  static Template withBuffers(Words& words);

  CK_ATTRIBUTE* data() { return isNull_ ? nullptr : attributes_.data(); }
  CK_ULONG size() const { return static_cast<CK_ULONG>(attributes_.size()); }
  /** JSON list of what the module left in the buffers. */
  std::string answer() const;

 private:
  bool isNull_ = false;
  std::vector<CK_ATTRIBUTE> attributes_;
  std::vector<Bytes> memory_;
  std::vector<CK_ULONG> sizes_;
};

std::string hex(const unsigned char* data, std::size_t length);
/** A JSON object, built member by member. */
class Json {
 public:
  Json& number(std::string_view name, CK_ULONG value);
  Json& boolean(std::string_view name, bool value);
  Json& hexBytes(std::string_view name, const unsigned char* data, std::size_t length);
  /** `json` must be JSON. */
  Json& raw(std::string_view name, std::string_view json);
  std::string end() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace player
