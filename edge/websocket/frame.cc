#include "edge/websocket/frame.h"

#include <cassert>

namespace notifications::websocket {
namespace {

constexpr unsigned kFin = 0x80;
constexpr std::size_t kMaxCloseReason = kMaxControlPayload - 2;

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xFF);
  }
}

// The longest start of `text` within `limit` bytes that ends between characters.
std::string_view cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

bool is_valid_close_code(std::uint16_t code) {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

void append_frame_header(std::string& out, Opcode opcode, std::size_t size) {
  out += static_cast<char>(kFin | static_cast<unsigned>(opcode));
  if (size < 126) {
    out += static_cast<char>(size);
  } else if (size <= 0xFFFF) {
    out += static_cast<char>(126);
    append_big_endian(out, size, 2);
  } else {
    out += static_cast<char>(127);
    append_big_endian(out, size, 8);
  }
}

std::string frame(Opcode opcode, std::string_view payload) {
  assert(opcode < Opcode::kClose || payload.size() <= kMaxControlPayload);
  std::string out;
  out.reserve(kMaxServerHeader + payload.size());
  append_frame_header(out, opcode, payload.size());
  out += payload;
  return out;
}

std::string close_frame(std::optional<std::uint16_t> code, std::string_view reason) {
  assert(code ? is_valid_close_code(*code) : reason.empty());
  if (!code) return frame(Opcode::kClose, {});
  std::string payload;
  append_big_endian(payload, *code, 2);
  payload += cut(reason, kMaxCloseReason);
  return frame(Opcode::kClose, payload);
}

}  // namespace notifications::websocket
