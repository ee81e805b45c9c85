#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/log.h"

namespace notifications::redis {

// OutageLog tells an outage in few lines, however many attempts it takes: lost, still away (after
// 30 s, then ever more rarely), back.
//
// Thread: the broker's.
class OutageLog {
 public:
  using Clock = std::chrono::steady_clock;

  // `server`: where it is, without secrets. `log` outlives this.
  OutageLog(Log& log, std::string server) : log_(log), server_(std::move(server)) {}

  // Something failed; `why` is one line.
  void down(std::string_view why, Clock::time_point now = Clock::now()) {
    if (!away_since_) {
      away_since_ = now;
      failures_ = 1;
      pause_ = kFirstNote;
      next_note_ = now + pause_;
      log_.warn(seen_ ? "redis lost" : "redis not reachable",
                {{"server", server_}, {"reason", why}});
      return;
    }
    ++failures_;
    if (now < next_note_) {
      log_.debug("redis attempt failed", {{"server", server_}, {"reason", why}});
      return;
    }
    pause_ = std::min<Clock::duration>(pause_ * 4, kLongestPause);
    next_note_ = now + pause_;
    log_.warn("redis still away",
              {{"server", server_}, {"away", away(now)}, {"failures", failures_}, {"reason", why}});
  }

  // All is well.
  void up(Clock::time_point now = Clock::now()) {
    if (away_since_)
      log_.info("redis back", {{"server", server_}, {"away", away(now)}, {"failures", failures_}});
    else if (!seen_)
      log_.info("redis connected", {{"server", server_}});
    seen_ = true;
    away_since_.reset();
  }

 private:
  static constexpr Clock::duration kFirstNote = std::chrono::seconds(30);
  static constexpr Clock::duration kLongestPause = std::chrono::minutes(10);

  std::chrono::milliseconds away(Clock::time_point now) const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - *away_since_);
  }

  Log& log_;
  const std::string server_;
  bool seen_ = false;  // whether it was ever up
  std::optional<Clock::time_point> away_since_;
  Clock::time_point next_note_;
  Clock::duration pause_{};
  std::uint64_t failures_ = 0;  // of this outage
};

}  // namespace notifications::redis
