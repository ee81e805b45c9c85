#include "core/runtime/shard.h"

#include <pthread.h>

#include <algorithm>
#include <string>

#include "core/prefetch.h"
#include "core/runtime/event_age.h"

namespace notifications {
namespace {

// How many connections are written to before heartbeats, reads and other events get their turn. A
// write costs some 5 us, so a turn stays within a few milliseconds however large a room is.
constexpr std::size_t kFlushSlice = 512;
// The first slice of a flush is this small, and each further one an eighth larger, until more is
// delivered meanwhile: what belongs to the same burst and is a moment behind (a reader of a stream
// is woken by the first entry of several) still leaves in the same write to most of them. To look
// for it costs a microsecond a slice.
constexpr std::size_t kFirstSlice = 16;
// One delivery in so many is timed.
constexpr std::uint64_t kTimedDeliveries = 64;
// An idle loop turns so often.
constexpr std::chrono::milliseconds kIdleTick{256};

}  // namespace

Flushable::~Flushable() {
  if (dirty_in_ != nullptr) dirty_in_->forget(*this);
}

Shard::Shard(ShardId id, RoomInterest& interest)
    : id_(id),
      io_(1),
      last_turn_(Clock::now().time_since_epoch().count()),
      hub_(id, interest),
      timers_(Clock::now()),
      tick_timer_(io_) {}

Shard::~Shard() { stop(); }

void Shard::mark_dirty(Flushable& connection) {
  if (connection.dirty_in_ != nullptr) return;
  connection.dirty_in_ = this;
  connection.dirty_index_ = dirty_.size();
  dirty_.push_back(&connection);
  if (delivering_ != nullptr && deliveries_marked_++ % kTimedDeliveries == 0 && timed_ == nullptr) {
    timed_ = &connection;
    timed_since_ = delivering_->received_at();
    timed_ts_ = delivering_->envelope().ts;
  }
  if (flushed_ > 0) slice_ = 0;  // more came in the middle of a flush
  if (flush_posted_) return;
  flush_posted_ = true;
  // Posted, so that it runs behind everything that is ready in this turn and may mark more.
  post([this] { flush_dirty(); });
}

void Shard::forget(Flushable& connection) {
  dirty_[connection.dirty_index_] = nullptr;
  connection.dirty_in_ = nullptr;
  if (timed_ == &connection) timed_ = nullptr;
}

void Shard::flush_dirty() {
  slice_ = slice_ == 0 ? kFirstSlice : std::min(slice_ + slice_ / 8, kFlushSlice);
  const std::size_t end = std::min(dirty_.size(), flushed_ + slice_);
  while (flushed_ < end) {
    Flushable* connection = dirty_[flushed_++];
    // A write takes so long, and what the kernel touches meanwhile is so much, that the next one is
    // in no cache by then. What a flush touches stands around the Flushable part.
    if (flushed_ < dirty_.size()) prefetch_lines(dirty_[flushed_], -1, 2);
    if (connection == nullptr) continue;
    connection->dirty_in_ = nullptr;
    const bool timed = connection == timed_;
    if (timed) timed_ = nullptr;
    connection->flush();
    if (timed && since_arrival_ != nullptr) {
      since_arrival_->observe(std::chrono::duration<double>(Clock::now() - timed_since_).count());
      since_ts_->observe(event_age_seconds(timed_ts_));
    }
  }
  if (flushed_ == dirty_.size()) {
    dirty_.clear();
    flushed_ = 0;
    slice_ = 0;
    flush_posted_ = false;
    return;
  }
  post([this] { flush_dirty(); });
}

void Shard::gap(const Position& after, const Position& resumes_at) {
  for (const OnGap& listener : gap_listeners_) listener(after, resumes_at);
}

void Shard::tick() {
  const Clock::time_point now = Clock::now();
  last_turn_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  const auto late = now - tick_timer_.expiry();
  loop_lag_us_.store(std::chrono::duration_cast<std::chrono::microseconds>(late).count(),
                     std::memory_order_relaxed);
  timers_.advance(now);
  look_around(now);
  tick_timer_.expires_after(timers_.empty() ? kIdleTick : TimerWheel::kTick);
  tick_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

std::chrono::microseconds Shard::loop_lag(Clock::time_point now) const {
  // Of a loop that is held up at this moment the last tick tells nothing.
  const auto overdue =
      std::chrono::duration_cast<std::chrono::microseconds>(now - last_turn() - kIdleTick);
  return std::max(std::chrono::microseconds(loop_lag_us_.load(std::memory_order_relaxed)), overdue);
}

void Shard::look_around(Clock::time_point now) {
  if (now < look_at_) return;
  look_at_ = now + std::chrono::seconds(1);
  subscriptions_.store(hub_.subscriptions(), std::memory_order_relaxed);
  for (const auto& work : every_second_) work();
}

void Shard::start() {
  post([this] {
    tick_timer_.expires_at(Clock::now());
    tick();
  });
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("shard-" + std::to_string(id_)).c_str());
    const auto keep_running = boost::asio::make_work_guard(io_);
    io_.run();
  });
}

void Shard::stop() {
  io_.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace notifications
