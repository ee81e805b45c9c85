#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "edge/websocket/frame.h"

namespace notifications::websocket {

// What a client did wrong on the level of frames. See: close_code(), name().
enum class FrameError : std::uint8_t {
  kReservedBits,       // RSV1 to RSV3: no extension was agreed on
  kBadOpcode,          // unknown, or a continuation of nothing, or a message within a message
  kNotMasked,          // a client masks every frame
  kFragmentedControl,  // FIN must be set on close, ping and pong
  kBadControlLength,   // beyond 125 bytes, or a close frame of one byte
  kBadCloseCode,       // see is_valid_close_code()
  kInvalidUtf8,        // in a text message or in the reason of a close frame
  kMessageTooBig,      // the fragments of a message add up to more than the limit
  kTooManyFragments,   // one message in more than kMaxFragments frames
};
inline constexpr int kFrameErrors = 9;

// The code that goes into the close frame: 1002, 1007, 1008 or 1009.
std::uint16_t close_code(FrameError error);
// snake_case, for counters: "reserved_bits", ...
std::string_view name(FrameError error);

// Receives what FrameParser finds. Views are valid during the call only.
//
// The result of each function says whether parsing goes on; false stops for good: the rest of the
// input is dropped, and so is all that is fed later. A transport that only waits for the peer's
// close frame returns true and ignores what comes before it.
// Do not destroy or feed the parser from within.
class FrameVisitor {
 public:
  virtual bool on_text(std::string_view message) = 0;  // complete, valid UTF-8
  virtual bool on_binary(std::string_view message) = 0;
  virtual bool on_ping(std::string_view payload) = 0;
  virtual bool on_pong(std::string_view payload) = 0;
  // The peer's close frame; nothing follows it. No code: the frame was empty.
  virtual void on_close(std::optional<std::uint16_t> code, std::string_view reason) = 0;
  // The peer broke the protocol; nothing follows. Answer with close_code(error).
  virtual void on_error(FrameError error) = 0;

 protected:
  ~FrameVisitor() = default;
};

// FrameParser turns the bytes a client sends into messages and control frames.
//
// It is fed bytes as they arrive, chopped anyhow. A frame that lies complete in the input, as
// almost every frame does, is unmasked where it lies and handed out without a copy; only what is
// incomplete is kept, and that memory grows with the bytes received, never with the length a header
// announces, and is freed when the message is done. An idle parser holds no memory beside itself.
// Which frames are refused, with which code and in which order of checks, is as the `ws` package
// (8.x, server side, no extensions) does.
//
// Thread: shard (any one).
// See: RFC 6455 section 5.
class FrameParser {
 public:
  // A message in more frames than this is refused: empty fragments cost their sender little.
  static constexpr std::uint16_t kMaxFragments = 16 * 1024;

  // `max_message`: the most bytes of one message, over all its fragments; exactly that many pass.
  // Requires: 1 to 2^31 - 1.
  explicit FrameParser(std::uint32_t max_message);

  // Takes the next bytes of the stream, which it overwrites (unmasking). False when nothing further
  // will be read: after a close frame, an error, or a visitor that said stop.
  bool feed(std::span<char> bytes, FrameVisitor& visitor);

  // True until feed() returns false.
  bool open() const { return state_ != State::kStopped; }
  // Bytes held for a message that is not complete yet.
  std::size_t buffered_bytes() const { return message_.size(); }
  // True between frames and messages: nothing of the peer's is half received.
  bool idle() const { return state_ == State::kHeader && header_size_ == 0 && !in_message_; }

 private:
  enum class State : std::uint8_t { kHeader, kPayload, kStopped };

  Opcode opcode() const;  // of the current frame
  bool fin() const;       // of the current frame
  std::size_t length_bytes() const;
  bool read_header(std::span<char>& bytes, FrameVisitor& visitor);
  bool check_start(FrameVisitor& visitor);
  bool check_length(FrameVisitor& visitor);
  bool read_payload(std::span<char>& bytes, FrameVisitor& visitor);
  bool take_control(std::string_view part, bool complete, FrameVisitor& visitor);
  bool take_data(std::string_view part, bool complete, FrameVisitor& visitor);
  bool end_message(std::string_view message, FrameVisitor& visitor);
  bool end_control(std::string_view payload, FrameVisitor& visitor);
  bool fail(FrameError error, FrameVisitor& visitor);
  void release();

  std::string message_;             // fragments so far, then the control frame being received
  std::uint32_t max_message_;       // constant after construction
  std::uint32_t message_size_ = 0;  // announced bytes of the current message, all fragments
  std::uint32_t frame_left_ = 0;    // payload bytes of the current frame still to come
  std::uint16_t fragments_ = 0;     // data frames of the current message that are complete
  std::array<unsigned char, 14> header_{};  // of the current frame; the mask is rotated in place
  std::uint8_t header_size_ = 0;            // bytes of it received
  State state_ = State::kHeader;
  Opcode message_opcode_ = Opcode::kText;  // text or binary
  bool in_message_ = false;                // a fragment without FIN was received
};

}  // namespace notifications::websocket
