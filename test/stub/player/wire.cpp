#include "wire.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace player {
namespace {

constexpr unsigned char kUntouched = 0xA5;

[[noreturn]] void malformed(std::string_view what, std::string_view word) {
  std::fprintf(stderr, "hsmplayer: %.*s expected, got \"%.*s\"\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(word.size()), word.data());
  std::_Exit(2);
}

CK_ULONG parseNumber(const std::string& word) {
  char* end = nullptr;
  const unsigned long value = std::strtoul(word.c_str(), &end, 10);
  if (word.empty() || *end != '\0') malformed("a number", word);
  return value;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

Bytes parseHex(std::string_view word) {
  if (word == ".") return {};
  if (word.size() % 2 != 0) malformed("hex", word);
  Bytes bytes(word.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = digit(word[2 * i]);
    const int low = digit(word[2 * i + 1]);
    if (high < 0 || low < 0) malformed("hex", word);
    bytes[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return bytes;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

}  // namespace

Words::Words(std::string_view line) : words_(split(line, ' ')) {}

std::string Words::text() {
  if (empty()) malformed("another word", "the end of the line");
  return words_[position_++];
}

CK_ULONG Words::number() { return parseNumber(text()); }

std::optional<CK_ULONG> Words::optionalNumber() {
  const std::string word = text();
  if (word == "-") return std::nullopt;
  return parseNumber(word);
}

std::optional<Bytes> Words::bytes() {
  const std::string word = text();
  if (word == "-") return std::nullopt;
  return parseHex(word);
}

Template Template::withValues(Words& words) {
  Template result;
  const std::optional<CK_ULONG> count = words.optionalNumber();
  if (!count) {
    result.isNull_ = true;
    return result;
  }
  for (CK_ULONG i = 0; i < *count; ++i) {
    const std::vector<std::string> parts = split(words.text(), '/');
    if (parts.size() != 3) malformed("type/value/following bytes", "an attribute");
    CK_ATTRIBUTE attribute{parseNumber(parts[0]), nullptr, 0};
    if (parts[1] != "-") {
      Bytes value = parseHex(parts[1]);
      attribute.ulValueLen = value.size();
      const Bytes following = parseHex(parts[2]);
      value.insert(value.end(), following.begin(), following.end());
      if (value.empty()) value.push_back(0);  // A zero length still has an address.
      result.memory_.push_back(std::move(value));
      attribute.pValue = result.memory_.back().data();
    }
    result.attributes_.push_back(attribute);
  }
  return result;
}

Template Template::withBuffers(Words& words) {
  Template result;
  const std::optional<CK_ULONG> count = words.optionalNumber();
  if (!count) {
    result.isNull_ = true;
    return result;
  }
  for (CK_ULONG i = 0; i < *count; ++i) {
    const std::vector<std::string> parts = split(words.text(), '/');
    if (parts.size() != 2) malformed("type/size", "an attribute");
    CK_ATTRIBUTE attribute{parseNumber(parts[0]), nullptr, 0};
    if (parts[1] != "-") {
      attribute.ulValueLen = parseNumber(parts[1]);
      result.memory_.emplace_back(std::max<std::size_t>(attribute.ulValueLen, 1), kUntouched);
      attribute.pValue = result.memory_.back().data();
    }
    result.sizes_.push_back(attribute.ulValueLen);
    result.attributes_.push_back(attribute);
  }
  return result;
}

std::string Template::answer() const {
  std::string list;
  for (std::size_t i = 0; i < attributes_.size(); ++i) {
    const CK_ATTRIBUTE& attribute = attributes_[i];
    Json entry;
    entry.number("type", attribute.type).number("len", attribute.ulValueLen);
    if (attribute.pValue != nullptr && attribute.ulValueLen != CK_UNAVAILABLE_INFORMATION) {
      const auto* buffer = static_cast<const unsigned char*>(attribute.pValue);
      const bool untouched = std::all_of(buffer, buffer + sizes_[i], [](unsigned char c) { return c == kUntouched; });
      if (untouched) entry.boolean("untouched", true);
      if (attribute.ulValueLen <= sizes_[i]) entry.hexBytes("hex", buffer, attribute.ulValueLen);
    }
    if (!list.empty()) list += ',';
    list += entry.end();
  }
  return "[" + list + "]";
}

std::string hex(const unsigned char* data, std::size_t length) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text(length * 2, '0');
  for (std::size_t i = 0; i < length; ++i) {
    text[2 * i] = digits[data[i] >> 4];
    text[2 * i + 1] = digits[data[i] & 15];
  }
  return text;
}

Json& Json::raw(std::string_view name, std::string_view json) {
  if (!members_.empty()) members_ += ',';
  members_ += '"';
  members_ += name;
  members_ += "\":";
  members_ += json;
  return *this;
}

Json& Json::number(std::string_view name, CK_ULONG value) { return raw(name, "\"" + std::to_string(value) + "\""); }

Json& Json::boolean(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }

Json& Json::hexBytes(std::string_view name, const unsigned char* data, std::size_t length) {
  return raw(name, "\"" + hex(data, length) + "\"");
}

}  // namespace player
