#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace notifications::redis {

// Canary judges whether events flow: a probe that was written here must come back here.
//
// A plain state machine, told the time; the broker does the writing. A probe is done when its key
// was set and its message heard on every way that events take. Thread: the broker's.
class Canary {
 public:
  using Clock = std::chrono::steady_clock;
  enum Way : unsigned { kPubSub = 1, kStream = 2 };

  // `run` is unlike that of any other process, so that no stranger's probe is taken for ours.
  // `ways`: those that events take, one or several.
  Canary(std::string run, std::chrono::milliseconds timeout, unsigned ways)
      : run_(std::move(run)), timeout_(timeout), ways_(ways) {}

  // Starts a probe, in place of one still out; returns the text to write.
  const std::string& send(Clock::time_point now) {
    text_ = run_ + ":" + std::to_string(++number_);
    sent_at_ = now;
    if (!missing_since_) missing_since_ = now;
    out_ = true;
    set_ = false;
    heard_ = 0;
    return text_;
  }

  // A probe is due but cannot be written.
  void miss(Clock::time_point now) {
    if (!missing_since_) missing_since_ = now;
  }

  // The key was set to `text`. True if the probe is done.
  bool set(std::string_view text, Clock::time_point now) {
    if (out_ && text == text_) set_ = true;
    return done(now);
  }

  // `text` came in on this way. True if the probe is done.
  bool heard(Way way, std::string_view text, Clock::time_point now) {
    if (out_ && text == text_) heard_ |= way;
    return done(now);
  }

  // The server refused to write it.
  void refused() {
    out_ = false;
    flowing_ = false;
  }

  // A connection was lost; no matter, if events do not take this way.
  void lost(Way way) {
    if ((ways_ & way) == 0) return;
    refused();
    missing_since_.reset();
  }

  // True, once, when the canary timeout has passed since the first probe that was not done.
  bool overdue(Clock::time_point now) {
    if (!flowing_ || !missing_since_ || now < *missing_since_ + timeout_) return false;
    flowing_ = false;
    return true;
  }

  // When overdue() may become true; nothing while no probe is missing.
  std::optional<Clock::time_point> overdue_at() const {
    if (!flowing_ || !missing_since_) return std::nullopt;
    return *missing_since_ + timeout_;
  }

  // Whether a probe is out that may still come back in time.
  bool waiting(Clock::time_point now) const { return out_ && now < sent_at_ + timeout_; }
  bool flowing() const { return flowing_; }
  // How long the last probe that was done took.
  Clock::duration round_trip() const { return round_trip_; }

 private:
  bool done(Clock::time_point now) {
    if (!out_ || !set_ || (heard_ & ways_) != ways_) return false;
    out_ = false;
    round_trip_ = now - sent_at_;
    if (round_trip_ > timeout_) return false;  // events flow, but too late to say so
    missing_since_.reset();
    flowing_ = true;
    return true;
  }

  // Constant after construction.
  const std::string run_;
  const std::chrono::milliseconds timeout_;
  const unsigned ways_;

  std::uint64_t number_ = 0;
  std::string text_;  // of the last probe
  Clock::time_point sent_at_;
  bool out_ = false;
  bool set_ = false;
  unsigned heard_ = 0;  // on which ways
  bool flowing_ = false;
  std::optional<Clock::time_point> missing_since_;  // the first probe since the last one done
  Clock::duration round_trip_{};
};

}  // namespace notifications::redis
