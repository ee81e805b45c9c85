#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace notifications {

class TimerWheel;

// Something that wants to be called at a time: a connection with its heartbeat and deadlines.
//
// Thread: shard. Leaves the wheel when destroyed. One per connection: whoever has several
// deadlines schedules the nearest and looks at the others when it is called.
class TimerNode {
 public:
  TimerNode() = default;
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;
  virtual ~TimerNode();

  // The time has come. The node is out of the wheel and may schedule itself again, or die.
  virtual void on_timer(std::chrono::steady_clock::time_point now) = 0;

 private:
  friend class TimerWheel;
  TimerWheel* wheel_ = nullptr;  // the one it stands in, or null
  TimerNode* previous_ = nullptr;
  TimerNode* next_ = nullptr;
  std::uint64_t tick_ = 0;
};

// TimerWheel holds all deadlines of a shard: constant cost to schedule, move and cancel, no
// allocation, and nothing per deadline in the event loop.
//
// Resolution is kTick; a node is never called early. Deadlines beyond the wheel's span wait in
// their slot and are looked at once per turn of the wheel.
// Thread: shard.
class TimerWheel {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kTick{16};

  explicit TimerWheel(Clock::time_point start) : start_(start) {}
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Calls the node at `when` or up to a tick later; replaces what it was scheduled for.
  void schedule(TimerNode& node, Clock::time_point when);
  void cancel(TimerNode& node);

  // Calls every node whose time has come.
  void advance(Clock::time_point now);

  bool empty() const { return size_ == 0; }

 private:
  friend class TimerNode;
  static constexpr std::size_t kSlots = 1024;  // a span of 16 s

  std::uint64_t tick_of(Clock::time_point when) const;
  void unlink(TimerNode& node);

  const Clock::time_point start_;
  std::uint64_t now_tick_ = 0;  // all ticks up to this one have been served
  std::size_t size_ = 0;
  std::array<TimerNode*, kSlots> slots_{};
  TimerNode* cursor_ = nullptr;  // the node that advance() looks at next
};

}  // namespace notifications
