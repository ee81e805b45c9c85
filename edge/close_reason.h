#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "edge/socketio/violation.h"
#include "edge/websocket/frame_parser.h"

namespace notifications::edge {

// Why a connection ended. Numbers are stable: they stand in logs. 1xx: the client's doing, 2xx:
// WebSocket errors, 3xx: violations of Engine.IO and Socket.IO, 4xx: limits, 5xx: ours.
enum class CloseReason : std::uint16_t {
  kClientClosed = 100,    // a close frame of the client
  kClientGone = 101,      // the client ended the TCP connection without one
  kNetworkError = 102,    // reset, timed out
  kPingTimeout = 110,     // no pong in time
  kConnectTimeout = 111,  // no Socket.IO CONNECT in time
  kWebSocketError = 200,  // + websocket::FrameError
  kViolation = 300,       // + socketio::Violation
  kSlowConsumer = 400,    // more than --max_outbound_bytes waited
  kWriteTimeout = 401,    // data waited without progress for --write_timeout
  kRateLimit = 402,       // too many messages
  kDraining = 500,        // the process is stopping
  kTakeover = 501,        // the session came back on another connection
  kGap = 502,             // events were missed for good: the client starts afresh
  kStoreAway = 503,       // the session's record could not be written
};

// Every reason there is, as one index from 0 to kCloseReasons - 1: for counters.
inline constexpr int kCloseReasons = 12 + websocket::kFrameErrors + socketio::kViolations;
int index(CloseReason reason);
CloseReason close_reason(int index);

CloseReason close_reason(websocket::FrameError error);
CloseReason close_reason(socketio::Violation violation);

// snake_case, for logs and counters: "slow_consumer", "websocket_reserved_bits", ...
std::string_view name(CloseReason reason);

// What the close frame says; nothing for reasons with which no close frame is sent by us, or with
// an empty one, as a stock server does for violations and timeouts.
struct CloseFrame {
  bool send = false;
  std::optional<std::uint16_t> code;
  std::string_view text;
};
CloseFrame close_frame(CloseReason reason);

}  // namespace notifications::edge
