#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "core/redis/connection.h"

namespace notifications::redis {

// ServerClock tells times of ours as the server at the other end of a connection would. It asks
// once on each connection and counts on from there.
//
// A command may lie in the socket of a server that stands still, for minutes, and run when it goes
// on. What must not be done that late says so in the server's own time.
// Thread: the connection's. The connection outlives it.
class ServerClock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit ServerClock(Connection& connection) : connection_(connection) {}

  // To be called in the connection's on_up; `ready` is called when the server has answered.
  void on_up(std::function<void()> ready) {
    ready_ = false;
    offset_.reset();
    const auto asked_at = std::chrono::steady_clock::now();
    connection_.send({"TIME"}, [this, asked_at, ready = std::move(ready)](const Reply& reply) {
      if (reply.kind == Reply::Kind::kLost || reply.kind == Reply::Kind::kNotSent) return;
      if (const auto time = read(reply)) offset_ = *time - milliseconds_of(asked_at);
      ready_ = true;
      ready();
    });
  }

  // Whether the server of this connection has answered.
  bool ready() const { return ready_; }

  // In milliseconds; "" if the server does not tell its time. Requires: ready().
  std::string text(TimePoint time) const {
    return offset_ ? std::to_string(milliseconds_of(time) + *offset_) : std::string();
  }

 private:
  static std::int64_t milliseconds_of(TimePoint time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  }

  // {seconds, microseconds}
  static std::optional<std::int64_t> read(const Reply& reply) {
    if (reply.elements.size() != 2) return std::nullopt;
    std::int64_t parts[2] = {};
    for (int i = 0; i < 2; ++i) {
      const std::string& text = reply.elements[i].text;
      const auto end = text.data() + text.size();
      if (std::from_chars(text.data(), end, parts[i]).ptr != end) return std::nullopt;
    }
    return parts[0] * 1000 + parts[1] / 1000;
  }

  Connection& connection_;
  bool ready_ = false;
  std::optional<std::int64_t> offset_;  // from our clock to the server's, in milliseconds
};

// Whether append.lua refused since it ran too late.
inline bool too_late(const Reply& reply) {
  return reply.kind == Reply::Kind::kError && reply.text.rfind("TOOLATE", 0) == 0;
}

}  // namespace notifications::redis
