#pragma once

#include <chrono>

namespace notifications::engineio {

// Heartbeat says when to ping a client and when to give it up.
//
// One ping is outstanding at a time; the next one is due an interval after the pong. Only a pong
// counts as life: a client that sends events but no pongs is gone after the timeout. A pong that
// nobody asked for starts the interval anew.
//
// Thread: shard. A value: two words, no timer; the owner asks at deadline().
class Heartbeat {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Action { kNone, kSendPing, kGiveUp };

  // The first ping is due an interval after `now`, when the open packet is sent.
  void start(Clock::time_point now, Clock::duration interval) {
    deadline_ = now + interval;
    waiting_ = false;
  }
  // Requires: started.
  Action tick(Clock::time_point now, Clock::duration timeout) {
    if (now < deadline_) return Action::kNone;
    if (waiting_) return Action::kGiveUp;
    waiting_ = true;
    deadline_ = now + timeout;
    return Action::kSendPing;
  }
  void on_pong(Clock::time_point now, Clock::duration interval) { start(now, interval); }

  // When to call tick() next.
  Clock::time_point deadline() const { return deadline_; }

 private:
  Clock::time_point deadline_{};
  bool waiting_ = false;  // a ping is out
};

}  // namespace notifications::engineio
