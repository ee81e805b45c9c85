#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace notifications::websocket {

// See: RFC 6455 section 5.2.
enum class Opcode : std::uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA,
};

// The close codes a server sends by itself. See: RFC 6455 section 7.4.1.
struct CloseCode {
  static constexpr std::uint16_t kNormal = 1000;
  static constexpr std::uint16_t kGoingAway = 1001;
  static constexpr std::uint16_t kProtocolError = 1002;
  static constexpr std::uint16_t kInvalidData = 1007;
  static constexpr std::uint16_t kPolicyViolation = 1008;
  static constexpr std::uint16_t kTooBig = 1009;
  static constexpr std::uint16_t kTryAgainLater = 1013;
};

// The longest payload of a control frame.
inline constexpr std::size_t kMaxControlPayload = 125;
// The longest header a server writes: two bytes and a length of eight.
inline constexpr std::size_t kMaxServerHeader = 10;

// True for codes that may stand in a close frame: 1000 to 1014 but 1004, 1005 and 1006, and 3000 to
// 4999.
bool is_valid_close_code(std::uint16_t code);

// Encoders of whole server frames: FIN set, never masked, no extension. Thread: any.

// Appends the header of a frame whose payload of `size` bytes follows.
void append_frame_header(std::string& out, Opcode opcode, std::size_t size);

// A complete frame. Requires: a control frame's payload has at most kMaxControlPayload bytes.
std::string frame(Opcode opcode, std::string_view payload);

inline std::string text_frame(std::string_view text) { return frame(Opcode::kText, text); }
inline std::string ping_frame(std::string_view payload) { return frame(Opcode::kPing, payload); }
inline std::string pong_frame(std::string_view payload) { return frame(Opcode::kPong, payload); }

// A close frame; without a code its payload is empty. A reason beyond 123 bytes is cut, at a
// character's boundary. Requires: a code is valid; without a code there is no reason.
std::string close_frame(std::optional<std::uint16_t> code, std::string_view reason = {});

}  // namespace notifications::websocket
