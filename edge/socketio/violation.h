#pragma once

#include <cstdint>
#include <string_view>

namespace notifications::socketio {

// What a client did wrong in Engine.IO or Socket.IO. Each ends the transport with a close frame
// without a status code, as a stock server does; the name is for logs and counters.
enum class Violation : std::uint8_t {
  // Engine.IO
  kInvalidPacketType,  // an empty frame, or an unknown first character
  kClientPing,         // in revision 4 only the server pings
  kEmptyMessage,       // a bare `4`
  // Socket.IO's encoding
  kUnknownPacketType,
  kIllegalAttachments,  // count of attachments missing, not a number, below one
  kTooManyAttachments,  // more than ten
  kInvalidPayload,      // not JSON, or of a shape its type does not have; a reserved event name
  kUnexpectedBinary,    // an attachment that nothing announced
  kMissingBinary,       // text where an announced attachment was due
  kIllegalPlaceholder,  // a placeholder for an attachment that there is not
  // Socket.IO's states
  kNotConnected,        // a packet for a namespace that was not joined
  kAlreadyConnected,    // CONNECT twice
  kClientConnectError,  // CONNECT_ERROR is the server's to send
};
inline constexpr int kViolations = 13;

// snake_case: "invalid_packet_type", ...
std::string_view name(Violation violation);

}  // namespace notifications::socketio
