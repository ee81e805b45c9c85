#include "edge/socketio/packet.h"

#include <algorithm>
#include <cmath>

#include "core/envelope_codec.h"
#include "edge/socketio/placeholders.h"
#include "edge/websocket/js_number.h"

namespace notifications::socketio {
namespace {

using websocket::js_space_length;
using websocket::js_to_number;

// The bytes of the character at the start of `text` that JavaScript takes for a digit when it looks
// at it alone: 0 to 9, and white space, as Number(" ") is 0. 0 if it is none.
std::size_t digit_length(std::string_view text) {
  if (!text.empty() && text[0] >= '0' && text[0] <= '9') return 1;
  return js_space_length(text);
}

// Decoder reads one packet front to back; each step consumes its part of `rest_`.
class Decoder {
 public:
  explicit Decoder(std::string_view text) : rest_(text) {}

  Result<Packet, Violation> run() {
    if (!read_type() || !read_attachments()) return violation_;
    read_namespace();
    read_id();
    if (!read_data()) return violation_;
    return std::move(packet_);
  }

 private:
  bool fail(Violation violation) {
    violation_ = violation;
    return false;
  }

  bool is_binary() const {
    return packet_.type == PacketType::kBinaryEvent || packet_.type == PacketType::kBinaryAck;
  }

  bool read_type() {
    const std::size_t length = digit_length(rest_);
    if (length == 0) return fail(Violation::kUnknownPacketType);
    const double type = js_to_number(rest_.substr(0, length));
    if (type > static_cast<int>(PacketType::kBinaryAck)) {
      return fail(Violation::kUnknownPacketType);
    }
    packet_.type = static_cast<PacketType>(type);
    rest_.remove_prefix(length);
    return true;
  }

  bool read_attachments() {
    if (!is_binary()) return true;
    const std::size_t dash = rest_.find('-');
    if (dash == std::string_view::npos) return fail(Violation::kIllegalAttachments);
    const double count = js_to_number(rest_.substr(0, dash));
    if (!std::isfinite(count) || count != std::trunc(count) || count < 1) {
      return fail(Violation::kIllegalAttachments);
    }
    if (count > kMaxAttachments) return fail(Violation::kTooManyAttachments);
    packet_.attachments = static_cast<std::uint8_t>(count);
    rest_.remove_prefix(dash + 1);
    return true;
  }

  void read_namespace() {
    if (rest_.empty() || rest_[0] != '/') return;
    const std::size_t comma = std::min(rest_.find(','), rest_.size());
    packet_.nsp = rest_.substr(0, comma);
    rest_.remove_prefix(std::min(comma + 1, rest_.size()));
  }

  void read_id() {
    std::size_t end = 0;
    while (const std::size_t n = digit_length(rest_.substr(end))) end += n;
    if (end == 0) return;
    packet_.id = websocket::js_to_string(js_to_number(rest_.substr(0, end)));
    rest_.remove_prefix(end);
  }

  // Data that is missing altogether passes whatever the type: only what is there is checked.
  bool read_data() {
    if (rest_.empty()) return true;
    packet_.data = rest_;
    if (!is_payload_valid()) return fail(Violation::kInvalidPayload);
    if (is_binary()) {
      packet_.placeholders_valid = are_placeholders_valid(packet_.data, packet_.attachments);
    }
    return true;
  }

  bool is_payload_valid() {
    json::Scanner in(rest_, kMaxPacketDepth);
    const json::Kind kind = in.peek();
    switch (packet_.type) {
      case PacketType::kConnect:
        return kind == json::Kind::kObject && is_json();
      case PacketType::kDisconnect:
        return false;
      case PacketType::kConnectError:
        return (kind == json::Kind::kObject || kind == json::Kind::kString) && is_json();
      case PacketType::kAck:
      case PacketType::kBinaryAck:
        return kind == json::Kind::kArray && is_json();
      case PacketType::kEvent:
      case PacketType::kBinaryEvent:
        return read_event(in);
    }
    return false;
  }

  bool is_json() const { return json::is_valid(rest_, kMaxPacketDepth); }

  // An array whose first element, the name, is a string that is not reserved, or a number.
  bool read_event(json::Scanner& in) {
    if (!in.enter_array() || !in.next_element()) return false;
    std::string_view raw;
    switch (in.peek()) {
      case json::Kind::kNumber:
        in.skip_value(raw);
        break;
      case json::Kind::kString:
        in.read_string(packet_.event.emplace());
        break;
      default:
        return false;
    }
    while (in.next_element()) {
      in.skip_value(raw);
      if (packet_.arguments++ == 0) packet_.argument = raw;
    }
    return in.finish() && !(packet_.event && is_reserved_event(*packet_.event));
  }

  std::string_view rest_;
  Packet packet_;
  Violation violation_ = Violation::kUnknownPacketType;
};

}  // namespace

Result<Packet, Violation> decode(std::string_view text) { return Decoder(text).run(); }

}  // namespace notifications::socketio
