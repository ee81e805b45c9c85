#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace notifications::edge {

// RateLimit is a token bucket: how many messages a client may send at once and in the long run.
//
// Thread: shard. Two words a connection.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::int64_t kBurst = 10'000;     // messages at once
  static constexpr std::int64_t kPerSecond = 1'000;  // messages in the long run

  // Whether one more message is within the limit.
  bool admit(Clock::time_point now) {
    if (tokens_ == 0) {
      const auto earned =
          (now - refilled_) / (std::chrono::nanoseconds(1'000'000'000) / kPerSecond);
      if (earned <= 0) return false;
      tokens_ = static_cast<std::int32_t>(std::min<std::int64_t>(earned, kBurst));
      refilled_ = now;
    }
    --tokens_;
    return true;
  }
  void start(Clock::time_point now) { refilled_ = now; }

 private:
  // Refilled only when used up: what was earned meanwhile is counted then.
  Clock::time_point refilled_{};
  std::int32_t tokens_ = kBurst;
};

}  // namespace notifications::edge
