#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/hub.h"
#include "core/metrics.h"
#include "core/position.h"
#include "core/publication.h"
#include "core/runtime/timer_wheel.h"

namespace notifications {

class Shard;

// Something with output to write at the end of a loop turn: a connection.
//
// Thread: shard. Leaves the shard's list when destroyed.
class Flushable {
 public:
  Flushable() = default;
  Flushable(const Flushable&) = delete;
  Flushable& operator=(const Flushable&) = delete;
  virtual ~Flushable();

  // Writes what is queued. May mark itself dirty again, or die.
  virtual void flush() = 0;

 private:
  friend class Shard;
  Shard* dirty_in_ = nullptr;  // the shard in whose list it stands, or null
  std::size_t dirty_index_ = 0;
};

// Shard is one thread, one io_context, one hub, and the connections that live there.
//
// Thread: shard, except post(), id(), last_turn() and stop(). Nothing in a shard is touched from
// elsewhere, so nothing in it locks.
class Shard {
 public:
  using Clock = std::chrono::steady_clock;

  Shard(ShardId id, RoomInterest& interest);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  ShardId id() const { return id_; }
  boost::asio::io_context& io() { return io_; }
  Hub& hub() { return hub_; }
  TimerWheel& timers() { return timers_; }
  // The time at which this turn of the loop began to do work; cheap.
  Clock::time_point now() const { return Clock::now(); }

  // Runs `work` on the shard's thread, in the order of posting. Thread: any.
  template <class Work>
  void post(Work&& work) {
    boost::asio::post(io_, std::forward<Work>(work));
  }

  // Calls `connection.flush()` once at the end of this turn, however often it is marked.
  void mark_dirty(Flushable& connection);

  // With the journal on: everything up to here that concerns this shard's subscribers has been
  // handed to its hub. Nothing before the journal was reached, or with the journal off.
  const std::optional<Position>& head() const { return head_; }
  // The dispatcher says that everything up to `head` has been delivered here.
  void advance(const Position& head) { head_ = head; }

  // Between `after` and `resumes_at` events may be missing, for everybody: told to whoever listens.
  using OnGap = std::function<void(const Position& after, const Position& resumes_at)>;
  void on_gap(OnGap listener) { gap_listeners_.push_back(std::move(listener)); }
  void gap(const Position& after, const Position& resumes_at);

  // What is handed to the hub until the next call; null between events. Of the connections that
  // this makes dirty one in 64 is timed until its flush has returned: no clock is read for the
  // others.
  void delivering(const Publication* event) { delivering_ = event; }
  // Where these times go: since the event's arrival in the process, and since its ts. Before the
  // start.
  void time_deliveries(Histogram& since_arrival, Histogram& since_ts) {
    since_arrival_ = &since_arrival;
    since_ts_ = &since_ts;
  }

  // Calls `work` about once a second, on the shard's thread. Before the start.
  void every_second(std::function<void()> work) { every_second_.push_back(std::move(work)); }

  // Starts the thread. Called once.
  void start();
  // Ends the loop and joins the thread. Thread: any but the shard's.
  void stop();

  // How much later than due the last tick of the loop ran, or the one that is due at `now` would.
  // Thread: any.
  std::chrono::microseconds loop_lag(Clock::time_point now) const;
  // Subscriptions of the hub, about a second ago. Thread: any.
  std::size_t subscriptions() const { return subscriptions_.load(std::memory_order_relaxed); }
  // When the loop last turned; for liveness. Thread: any.
  Clock::time_point last_turn() const {
    return Clock::time_point(Clock::duration(last_turn_.load(std::memory_order_relaxed)));
  }

 private:
  friend class Flushable;
  void forget(Flushable& connection);
  void flush_dirty();
  void tick();
  void look_around(Clock::time_point now);

  // Constant after construction, or the start.
  const ShardId id_;
  std::vector<std::function<void()>> every_second_;
  Histogram* since_arrival_ = nullptr;
  Histogram* since_ts_ = nullptr;

  // Any thread.
  boost::asio::io_context io_;
  std::atomic<Clock::duration::rep> last_turn_;
  std::atomic<std::int64_t> loop_lag_us_ = 0;
  std::atomic<std::size_t> subscriptions_ = 0;

  // This shard only.
  Hub hub_;
  TimerWheel timers_;
  std::optional<Position> head_;
  std::vector<OnGap> gap_listeners_;
  boost::asio::steady_timer tick_timer_;
  // Marked connections; a null stands for one that died. Served from flushed_ on, a slice a turn.
  std::vector<Flushable*> dirty_;
  std::size_t flushed_ = 0;
  std::size_t slice_ = 0;  // how many the last turn served
  bool flush_posted_ = false;
  Clock::time_point look_at_;  // when every_second_ is due
  // The delivery that is being timed.
  const Publication* delivering_ = nullptr;
  std::uint64_t deliveries_marked_ = 0;
  Flushable* timed_ = nullptr;  // stands in dirty_
  Clock::time_point timed_since_;
  std::string timed_ts_;

  std::thread thread_;
};

}  // namespace notifications
