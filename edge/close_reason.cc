#include "edge/close_reason.h"

#include <array>
#include <cassert>
#include <string>

#include "edge/websocket/frame.h"

namespace notifications::edge {
namespace {

using websocket::CloseCode;

struct Row {
  CloseReason reason;
  std::string_view name;
  CloseFrame frame;
};

constexpr std::array<Row, 12> kRows = {{
    {CloseReason::kClientClosed, "client_closed", {}},
    {CloseReason::kClientGone, "client_gone", {}},
    {CloseReason::kNetworkError, "network_error", {}},
    {CloseReason::kPingTimeout, "ping_timeout", {true, std::nullopt, {}}},
    {CloseReason::kConnectTimeout, "connect_timeout", {true, std::nullopt, {}}},
    {CloseReason::kSlowConsumer,
     "slow_consumer",
     {true, CloseCode::kPolicyViolation, "slow consumer"}},
    {CloseReason::kWriteTimeout,
     "write_timeout",
     {true, CloseCode::kPolicyViolation, "slow consumer"}},
    {CloseReason::kRateLimit, "rate_limit", {true, CloseCode::kPolicyViolation, "rate limit"}},
    {CloseReason::kDraining, "draining", {true, CloseCode::kGoingAway, "draining"}},
    {CloseReason::kTakeover, "takeover", {true, CloseCode::kPolicyViolation, "taken over"}},
    {CloseReason::kGap, "gap", {true, CloseCode::kTryAgainLater, "gap"}},
    {CloseReason::kStoreAway, "store_away", {true, CloseCode::kTryAgainLater, "try again later"}},
}};

constexpr int kFirstFrameError = static_cast<int>(kRows.size());
constexpr int kFirstViolation = kFirstFrameError + websocket::kFrameErrors;

// The names of the two ranges, made once.
const std::array<std::string, kCloseReasons>& range_names() {
  static const auto kNames = [] {
    std::array<std::string, kCloseReasons> names;
    for (int i = 0; i < websocket::kFrameErrors; ++i) {
      names[static_cast<std::size_t>(kFirstFrameError + i)] =
          "websocket_" + std::string(name(static_cast<websocket::FrameError>(i)));
    }
    for (int i = 0; i < socketio::kViolations; ++i) {
      names[static_cast<std::size_t>(kFirstViolation + i)] =
          "violation_" + std::string(name(static_cast<socketio::Violation>(i)));
    }
    return names;
  }();
  return kNames;
}

int number(CloseReason reason) { return static_cast<int>(reason); }

}  // namespace

CloseReason close_reason(websocket::FrameError error) {
  return static_cast<CloseReason>(number(CloseReason::kWebSocketError) + static_cast<int>(error));
}

CloseReason close_reason(socketio::Violation violation) {
  return static_cast<CloseReason>(number(CloseReason::kViolation) + static_cast<int>(violation));
}

int index(CloseReason reason) {
  const int n = number(reason);
  if (n >= number(CloseReason::kWebSocketError) &&
      n < number(CloseReason::kWebSocketError) + websocket::kFrameErrors) {
    return kFirstFrameError + n - number(CloseReason::kWebSocketError);
  }
  if (n >= number(CloseReason::kViolation) &&
      n < number(CloseReason::kViolation) + socketio::kViolations) {
    return kFirstViolation + n - number(CloseReason::kViolation);
  }
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].reason == reason) return static_cast<int>(i);
  }
  assert(false);
  return 0;
}

CloseReason close_reason(int index) {
  if (index >= kFirstViolation) {
    return close_reason(static_cast<socketio::Violation>(index - kFirstViolation));
  }
  if (index >= kFirstFrameError) {
    return close_reason(static_cast<websocket::FrameError>(index - kFirstFrameError));
  }
  return kRows[static_cast<std::size_t>(index)].reason;
}

std::string_view name(CloseReason reason) {
  const int i = index(reason);
  return i < kFirstFrameError ? kRows[static_cast<std::size_t>(i)].name
                              : std::string_view(range_names()[static_cast<std::size_t>(i)]);
}

CloseFrame close_frame(CloseReason reason) {
  const int i = index(reason);
  if (i < kFirstFrameError) return kRows[static_cast<std::size_t>(i)].frame;
  if (i < kFirstViolation) {
    const auto error = static_cast<websocket::FrameError>(i - kFirstFrameError);
    return {true, websocket::close_code(error), {}};
  }
  return {true, std::nullopt, {}};
}

}  // namespace notifications::edge
