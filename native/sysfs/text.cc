#include "sysfs/text.h"

#include <cstdint>

namespace hsm::sysfs {
namespace {

// Bytes of the UTF-8 character at the front (RFC 3629: shortest form, no surrogates, up to U+10FFFF); 0 if there is
// none, or it is a control character (C0, DEL, C1).
std::size_t characterLength(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  std::uint32_t code = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = (code << 6) | (byte(i) & 0x3fU);
  }
  if (length == 2) return code >= 0xa0 ? 2 : 0;
  if (length == 3) return code >= 0x800 && (code < 0xd800 || code > 0xdfff) ? 3 : 0;
  return code >= 0x10000 && code <= 0x10ffff ? 4 : 0;
}

}  // namespace

std::string printable(std::string_view raw) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(raw.size());
  while (!raw.empty()) {
    const std::size_t length = characterLength(raw);
    if (length > 0) {
      text += raw.substr(0, length);
      raw.remove_prefix(length);
    } else {
      const auto byte = static_cast<std::uint8_t>(raw.front());
      text += "\\x";
      text += kHex[byte >> 4];
      text += kHex[byte & 15];
      raw.remove_prefix(1);
    }
  }
  return text;
}

std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += c;
  }
  json += '"';
  return json;
}

}  // namespace hsm::sysfs
