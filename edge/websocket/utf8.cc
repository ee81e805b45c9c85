#include "edge/websocket/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace notifications::websocket {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080ull;

std::uint64_t load(const unsigned char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

bool is_tail(unsigned char c) { return (c & 0xC0) == 0x80; }

// The length of the well-formed sequence of a character beyond ASCII that starts at `p`; 0 if there
// is none. Requires: left > 0.
std::size_t sequence_length(const unsigned char* p, std::size_t left) {
  const unsigned char a = p[0];
  if (a < 0xC2 || left < 2 || !is_tail(p[1])) return 0;
  if (a < 0xE0) return 2;
  if (left < 3 || !is_tail(p[2])) return 0;
  if (a < 0xF0) {
    if (a == 0xE0 && p[1] < 0xA0) return 0;  // overlong
    if (a == 0xED && p[1] > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (left < 4 || !is_tail(p[3])) return 0;
  if (a > 0xF4 || (a == 0xF0 && p[1] < 0x90) || (a == 0xF4 && p[1] > 0x8F)) return 0;
  return 4;
}

}  // namespace

bool is_valid_utf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = p + bytes.size();
  while (p != end) {
    while (end - p >= 16 && ((load(p) | load(p + 8)) & kHighBits) == 0) p += 16;
    while (p != end && *p < 0x80) ++p;
    while (p != end && *p >= 0x80) {
      const std::size_t length = sequence_length(p, static_cast<std::size_t>(end - p));
      if (length == 0) return false;
      p += length;
    }
  }
  return true;
}

}  // namespace notifications::websocket
