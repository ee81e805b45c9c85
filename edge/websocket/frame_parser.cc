#include "edge/websocket/frame_parser.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "edge/websocket/utf8.h"

namespace notifications::websocket {
namespace {

constexpr unsigned kFin = 0x80;
constexpr unsigned kReserved = 0x70;
constexpr unsigned kOpcodeBits = 0x0F;
constexpr unsigned kMasked = 0x80;
constexpr unsigned kLengthBits = 0x7F;
constexpr std::size_t kMaskBytes = 4;

bool is_control(Opcode opcode) { return opcode >= Opcode::kClose; }

bool is_known(Opcode opcode) {
  return opcode <= Opcode::kBinary || (opcode >= Opcode::kClose && opcode <= Opcode::kPong);
}

void unmask(std::span<char> bytes, const unsigned char* mask) {
  std::uint64_t wide;
  std::memcpy(&wide, mask, kMaskBytes);
  std::memcpy(reinterpret_cast<char*>(&wide) + kMaskBytes, mask, kMaskBytes);
  std::size_t i = 0;
  for (; i + sizeof wide <= bytes.size(); i += sizeof wide) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    word ^= wide;
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  for (; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ mask[i % kMaskBytes]);
  }
}

std::string_view view(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

std::uint16_t close_code(FrameError error) {
  switch (error) {
    case FrameError::kInvalidUtf8:
      return CloseCode::kInvalidData;
    case FrameError::kMessageTooBig:
      return CloseCode::kTooBig;
    case FrameError::kTooManyFragments:
      return CloseCode::kPolicyViolation;
    default:
      return CloseCode::kProtocolError;
  }
}

std::string_view name(FrameError error) {
  switch (error) {
    case FrameError::kReservedBits:
      return "reserved_bits";
    case FrameError::kBadOpcode:
      return "bad_opcode";
    case FrameError::kNotMasked:
      return "not_masked";
    case FrameError::kFragmentedControl:
      return "fragmented_control";
    case FrameError::kBadControlLength:
      return "bad_control_length";
    case FrameError::kBadCloseCode:
      return "bad_close_code";
    case FrameError::kInvalidUtf8:
      return "invalid_utf8";
    case FrameError::kMessageTooBig:
      return "message_too_big";
    case FrameError::kTooManyFragments:
      return "too_many_fragments";
  }
  return "unknown";
}

FrameParser::FrameParser(std::uint32_t max_message) : max_message_(max_message) {
  assert(max_message > 0 && max_message <= 0x7FFFFFFFu);
}

bool FrameParser::feed(std::span<char> bytes, FrameVisitor& visitor) {
  // A frame without payload ends with its header: there may be something to do without input.
  while (state_ != State::kStopped &&
         (!bytes.empty() || (state_ == State::kPayload && frame_left_ == 0))) {
    const bool go_on =
        state_ == State::kHeader ? read_header(bytes, visitor) : read_payload(bytes, visitor);
    if (!go_on) {
      state_ = State::kStopped;
      release();
    }
  }
  return state_ != State::kStopped;
}

// Reads up to the next point at which something can be said: after two bytes about the kind of the
// frame, after its length about its size, and after the mask it is complete.
bool FrameParser::read_header(std::span<char>& bytes, FrameVisitor& visitor) {
  const std::size_t before_mask = header_size_ < 2 ? 2 : 2 + length_bytes();
  const std::size_t until = header_size_ < before_mask ? before_mask : before_mask + kMaskBytes;
  const std::size_t n = std::min(until - header_size_, bytes.size());
  std::memcpy(header_.data() + header_size_, bytes.data(), n);
  header_size_ = static_cast<std::uint8_t>(header_size_ + n);
  bytes = bytes.subspan(n);
  if (header_size_ < until) return true;
  if (until == 2 && !check_start(visitor)) return false;
  if (until == 2 + length_bytes()) return check_length(visitor);
  if (until > before_mask) state_ = State::kPayload;
  return true;
}

std::size_t FrameParser::length_bytes() const {
  const unsigned length = header_[1] & kLengthBits;
  return length == 126 ? 2 : length == 127 ? 8 : 0;
}

bool FrameParser::check_start(FrameVisitor& visitor) {
  const Opcode opcode = this->opcode();
  const unsigned length = header_[1] & kLengthBits;
  if ((header_[0] & kReserved) != 0) return fail(FrameError::kReservedBits, visitor);
  if (!is_known(opcode)) return fail(FrameError::kBadOpcode, visitor);
  if (is_control(opcode)) {
    if (!fin()) return fail(FrameError::kFragmentedControl, visitor);
    if (length > kMaxControlPayload || (opcode == Opcode::kClose && length == 1)) {
      return fail(FrameError::kBadControlLength, visitor);
    }
  } else if ((opcode == Opcode::kContinuation) != in_message_) {
    return fail(FrameError::kBadOpcode, visitor);
  }
  if ((header_[1] & kMasked) == 0) return fail(FrameError::kNotMasked, visitor);
  return true;
}

bool FrameParser::check_length(FrameVisitor& visitor) {
  std::uint64_t length = header_[1] & kLengthBits;
  if (const std::size_t extended = length_bytes(); extended > 0) {
    length = 0;
    for (std::size_t i = 0; i < extended; ++i) length = length << 8 | header_[2 + i];
  }
  if (!is_control(opcode())) {
    if (length > max_message_ - message_size_) return fail(FrameError::kMessageTooBig, visitor);
    message_size_ += static_cast<std::uint32_t>(length);
    if (!in_message_) message_opcode_ = opcode();
  }
  frame_left_ = static_cast<std::uint32_t>(length);
  return true;
}

bool FrameParser::read_payload(std::span<char>& bytes, FrameVisitor& visitor) {
  const std::size_t n = std::min<std::size_t>(frame_left_, bytes.size());
  const std::span<char> part = bytes.first(n);
  bytes = bytes.subspan(n);
  unsigned char* const mask = header_.data() + header_size_ - kMaskBytes;
  unmask(part, mask);
  std::rotate(mask, mask + n % kMaskBytes, mask + kMaskBytes);
  frame_left_ -= static_cast<std::uint32_t>(n);
  const bool complete = frame_left_ == 0;
  if (complete) {
    state_ = State::kHeader;
    header_size_ = 0;
  }
  return is_control(opcode()) ? take_control(view(part), complete, visitor)
                              : take_data(view(part), complete, visitor);
}

// The payload of a control frame that came in pieces is gathered behind the fragments of the
// message it interrupts.
bool FrameParser::take_control(std::string_view part, bool complete, FrameVisitor& visitor) {
  const std::size_t size = header_[1] & kLengthBits;
  if (complete && part.size() == size) return end_control(part, visitor);
  message_ += part;
  if (!complete) return true;
  // A copy: the visitor's view must not hang on the buffer that is cut.
  const std::string payload = message_.substr(message_.size() - size);
  message_.resize(message_.size() - size);
  if (message_.empty()) release();
  return end_control(payload, visitor);
}

bool FrameParser::take_data(std::string_view part, bool complete, FrameVisitor& visitor) {
  if (!complete) {
    message_ += part;
    return true;
  }
  if (++fragments_ > kMaxFragments) return fail(FrameError::kTooManyFragments, visitor);
  in_message_ = !fin();
  if (in_message_) {
    message_ += part;
    return true;
  }
  fragments_ = 0;
  message_size_ = 0;
  if (message_.empty()) return end_message(part, visitor);
  message_ += part;
  const std::string message = std::exchange(message_, {});
  return end_message(message, visitor);
}

bool FrameParser::end_message(std::string_view message, FrameVisitor& visitor) {
  if (message_opcode_ == Opcode::kBinary) return visitor.on_binary(message);
  if (!is_valid_utf8(message)) return fail(FrameError::kInvalidUtf8, visitor);
  return visitor.on_text(message);
}

bool FrameParser::end_control(std::string_view payload, FrameVisitor& visitor) {
  if (opcode() == Opcode::kPing) return visitor.on_ping(payload);
  if (opcode() == Opcode::kPong) return visitor.on_pong(payload);
  if (payload.empty()) {
    visitor.on_close(std::nullopt, {});
    return false;
  }
  const auto code = static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8 |
                                               static_cast<unsigned char>(payload[1]));
  if (!is_valid_close_code(code)) return fail(FrameError::kBadCloseCode, visitor);
  const std::string_view reason = payload.substr(2);
  if (!is_valid_utf8(reason)) return fail(FrameError::kInvalidUtf8, visitor);
  visitor.on_close(code, reason);
  return false;
}

bool FrameParser::fail(FrameError error, FrameVisitor& visitor) {
  visitor.on_error(error);
  return false;
}

void FrameParser::release() { std::string().swap(message_); }

Opcode FrameParser::opcode() const { return static_cast<Opcode>(header_[0] & kOpcodeBits); }

bool FrameParser::fin() const { return (header_[0] & kFin) != 0; }

}  // namespace notifications::websocket
