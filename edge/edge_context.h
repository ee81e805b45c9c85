#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "core/log.h"
#include "core/metrics.h"
#include "core/runtime/replayer.h"
#include "core/runtime/sessions.h"
#include "core/settings.h"
#include "edge/close_reason.h"
#include "edge/engineio/request.h"
#include "edge/socketio/session.h"

namespace notifications::edge {

// What a WebSocket connection is at: the label of a gauge.
enum class WebSocketState : std::uint8_t {
  kConnecting,  // no Socket.IO CONNECT yet, or none answered
  kConnected,   // in the default namespace
  kClosing,     // its session is over; the socket is not closed yet
};
inline constexpr int kWebSocketStates = 3;

// Why a plain connection was refused or ended before it asked for something that can be answered.
struct HttpError {
  enum : std::size_t {
    kMalformed,     // no HTTP, or none that is served
    kHeadTooLarge,  // beyond 16 KiB
    kBodyTooLarge,  // beyond 64 KiB
    kTimeout,       // a request did not arrive in time
    kSilent,        // not a byte came
    kUnread,        // the answer was not read in time
    kCount
  };
};

// The counters of the edge. Thread: any.
struct EdgeMetrics {
  explicit EdgeMetrics(Metrics& metrics);

  Counter& accepted;            // TCP connections
  Counter& refused;             // TCP connections beyond the limit
  Counter& http_requests;       // plain requests answered
  Counter& connects;            // WebSocket sessions opened
  Counter& subscribes;          // rooms joined
  Counter& subscribe_rejects;   // too many rooms
  Counter& subscribe_invalids;  // an invalid payload
  Counter& unsubscribes;
  Counter& messages_in;  // WebSocket messages and control frames of clients
  Counter& bytes_in;
  Counter& bytes_out;
  Counter& slow_evictions;
  Counter& dropped;     // events that waited for a slow consumer when it was closed
  Gauge& queued_bytes;  // what sockets did not take yet
  Histogram& queue_bytes;
  Counter& sse_connects;
  Counter& sse_bytes_out;
  Counter& sse_slow_evictions;
  Counter& sse_dropped;
  Gauge& sse_connections;
  Gauge& http_connections;
  Gauge& websocket_connections;
  std::array<Gauge*, kWebSocketStates> websocket_states;
  std::array<Counter*, HttpError::kCount> http_errors;
  std::array<Counter*, kCloseReasons> disconnects;
  std::array<Counter*, engineio::kRefusals> handshake_refusals;
};

// EdgeContext is what all connections of an edge share: settings in the form they need, log,
// counters. Constant after construction, but for the number of connections.
//
// Thread: any.
struct EdgeContext {
  EdgeContext(const Settings& settings, Log& log, Metrics& metrics);

  // Logs that a connection ended. What the client did is for debug. What we decided is info: a line
  // a second for each reason, as a drain or a crowd of hostile clients would fill the disk; all of
  // them if the level is debug.
  void log_closed(std::uint64_t connection, CloseReason reason);

  const Settings& settings;
  Log& log;
  // With the journal on; else null. Set before the shards run.
  Replayer* replayer = nullptr;
  Sessions* sessions = nullptr;
  EdgeMetrics metrics;
  const socketio::Session::Options session_options;
  const engineio::OriginPolicy origins;

  std::uint64_t connection_limit;  // from --max_connections or the file limit
  std::atomic<std::uint64_t> connections = 0;
  std::atomic<std::uint64_t> next_connection_id = 1;
  std::atomic<bool> draining = false;

 private:
  struct CloseLimit : LogLimit {
    CloseLimit() : LogLimit(std::chrono::seconds(1)) {}
  };
  std::array<CloseLimit, kCloseReasons> close_limits_;
};

}  // namespace notifications::edge
