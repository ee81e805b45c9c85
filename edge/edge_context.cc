#include "edge/edge_context.h"

#include <sys/resource.h>

#include <algorithm>

namespace notifications::edge {
namespace {

// Files that are not clients: Redis, listeners, epoll, log, admin threads, gRPC in the gateway.
constexpr std::uint64_t kReservedFiles = 128;

constexpr const char* kDroppedName = "notifications_deliveries_dropped_total";
constexpr const char* kDroppedHelp =
    "What waited for a consumer when it was closed because it read too slowly.";

std::uint64_t limit_of(const Settings& settings) {
  rlimit files{};
  std::uint64_t most = 1'000'000;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
    const auto cur = static_cast<std::uint64_t>(files.rlim_cur);
    most = cur > 2 * kReservedFiles ? cur - kReservedFiles : std::max<std::uint64_t>(cur / 2, 1);
  }
  return settings.max_connections == 0 ? most : std::min(most, settings.max_connections);
}

engineio::OriginPolicy policy_of(const Settings& settings) {
  engineio::OriginPolicy policy;
  const auto& allowed = settings.allowed_origins;
  if (std::find(allowed.begin(), allowed.end(), "*") == allowed.end()) policy.allowed = allowed;
  return policy;
}

socketio::Session::Options session_options_of(const Settings& settings) {
  socketio::Session::Options options;
  options.open.ping_interval = settings.ping_interval;
  options.open.ping_timeout = settings.ping_timeout;
  options.open.max_payload = settings.max_payload;
  options.connect_timeout = settings.connect_timeout;
  return options;
}

}  // namespace

EdgeMetrics::EdgeMetrics(Metrics& m)
    : accepted(m.counter("notifications_tcp_accepted_total", "TCP connections accepted.")),
      refused(m.counter("notifications_tcp_refused_total",
                        "TCP connections answered 503 because of the connection limit.")),
      http_requests(m.counter("notifications_http_requests_total", "Plain requests answered.")),
      connects(
          m.counter("notifications_connects_total", "Sessions opened.", {{"front", "socketio"}})),
      subscribes(m.counter("notifications_subscribes_total", "subscribe requests by outcome.",
                           {{"outcome", "ok"}})),
      subscribe_rejects(m.counter("notifications_subscribes_total",
                                  "subscribe requests by outcome.",
                                  {{"outcome", "too_many_rooms"}})),
      subscribe_invalids(m.counter("notifications_subscribes_total",
                                   "subscribe requests by outcome.",
                                   {{"outcome", "invalid_payload"}})),
      unsubscribes(m.counter("notifications_unsubscribes_total", "unsubscribe requests.")),
      messages_in(m.counter("notifications_client_messages_total",
                            "WebSocket messages and control frames of clients.")),
      bytes_in(m.counter("notifications_received_bytes_total", "Bytes read from clients.")),
      bytes_out(m.counter("notifications_sent_bytes_total", "Bytes written to clients.",
                          {{"front", "socketio"}})),
      slow_evictions(m.counter("notifications_slow_evictions_total",
                               "Consumers closed because they read too slowly.",
                               {{"front", "socketio"}})),
      dropped(m.counter(kDroppedName, kDroppedHelp, {{"front", "socketio"}})),
      queued_bytes(m.gauge("notifications_outbound_queued_bytes",
                           "Bytes that wait because sockets of clients take no more.",
                           {{"front", "socketio"}})),
      queue_bytes(m.histogram("notifications_outbound_queue_bytes",
                              "Bytes that wait for a consumer, of some consumers each second.",
                              {0, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216})),
      sse_connects(
          m.counter("notifications_connects_total", "Sessions opened.", {{"front", "sse"}})),
      sse_bytes_out(m.counter("notifications_sent_bytes_total", "Bytes written to clients.",
                              {{"front", "sse"}})),
      sse_slow_evictions(m.counter("notifications_slow_evictions_total",
                                   "Consumers closed because they read too slowly.",
                                   {{"front", "sse"}})),
      sse_dropped(m.counter(kDroppedName, kDroppedHelp, {{"front", "sse"}})),
      sse_connections(
          m.gauge("notifications_connections", "Open connections by kind.", {{"kind", "sse"}})),
      http_connections(
          m.gauge("notifications_connections", "Open connections by kind.", {{"kind", "http"}})),
      websocket_connections(m.gauge("notifications_connections", "Open connections by kind.",
                                    {{"kind", "websocket"}})) {
  constexpr std::array<const char*, kWebSocketStates> kStates = {"connecting", "connected",
                                                                 "closing"};
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    websocket_states[i] =
        &m.gauge("notifications_websocket_states", "WebSocket connections by what they are at.",
                 {{"state", kStates[i]}});
  }
  constexpr std::array<const char*, HttpError::kCount> kHttpErrors = {
      "malformed", "head_too_large", "body_too_large", "timeout", "silent", "unread"};
  for (std::size_t i = 0; i < kHttpErrors.size(); ++i) {
    http_errors[i] = &m.counter("notifications_http_errors_total",
                                "Requests that were no HTTP, too large or too slow.",
                                {{"reason", kHttpErrors[i]}});
  }
  for (int i = 0; i < kCloseReasons; ++i) {
    disconnects[static_cast<std::size_t>(i)] =
        &m.counter("notifications_disconnects_total", "Sessions ended, by reason.",
                   {{"reason", std::string(name(close_reason(i)))}});
  }
  for (int i = 0; i < engineio::kRefusals; ++i) {
    handshake_refusals[static_cast<std::size_t>(i)] =
        &m.counter("notifications_handshake_refusals_total", "Engine.IO requests refused.",
                   {{"reason", std::string(name(static_cast<engineio::Refusal>(i)))}});
  }
}

EdgeContext::EdgeContext(const Settings& s, Log& l, Metrics& m)
    : settings(s),
      log(l),
      metrics(m),
      session_options(session_options_of(s)),
      origins(policy_of(s)),
      connection_limit(limit_of(s)) {
  m.gauge("notifications_connection_limit", "Connections the edge takes at a time.")
      .set(static_cast<std::int64_t>(connection_limit));
}

void EdgeContext::log_closed(std::uint64_t connection, CloseReason reason) {
  const bool ours = static_cast<int>(reason) >= static_cast<int>(CloseReason::kPingTimeout);
  const LogField id{"connection", connection};
  const LogField word{"reason", name(reason)};
  const LogField code{"code", static_cast<int>(reason)};
  if (log.enabled(LogLevel::kDebug)) {
    const auto write = ours ? &Log::info : &Log::debug;
    (log.*write)("client closed", {id, word, code});
  } else if (ours && log.enabled(LogLevel::kInfo)) {
    const auto suppressed = close_limits_[static_cast<std::size_t>(index(reason))].admit();
    if (suppressed) log.info("client closed", {id, word, code, {"suppressed", *suppressed}});
  }
}

}  // namespace notifications::edge
