#include "core/uuid.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace notifications {
namespace {

void fill_random(unsigned char* out, std::size_t size) {
  while (size > 0) {
    const ssize_t n = getrandom(out, size, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      std::abort();  // a kernel without randomness: no id could be trusted
    }
    out += n;
    size -= static_cast<std::size_t>(n);
  }
}

}  // namespace

std::string new_uuid() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, 16> bytes;
  fill_random(bytes.data(), bytes.size());
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  std::string out;
  out.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kHex[bytes[i] >> 4];
    out += kHex[bytes[i] & 0xF];
  }
  return out;
}

std::string new_random_id(int bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string random(static_cast<std::size_t>(bytes), '\0');
  fill_random(reinterpret_cast<unsigned char*>(random.data()), random.size());
  std::string out;
  out.reserve(random.size() * 4 / 3 + 1);
  unsigned held = 0;
  int bits = 0;
  for (const char c : random) {
    held = (held << 8) | static_cast<unsigned char>(c);
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      out += kAlphabet[(held >> bits) & 0x3F];
    }
  }
  if (bits > 0) out += kAlphabet[(held << (6 - bits)) & 0x3F];
  return out;
}

}  // namespace notifications
