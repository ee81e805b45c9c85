#include "core/runtime/timer_wheel.h"

#include <algorithm>
#include <cassert>

namespace notifications {

TimerNode::~TimerNode() {
  if (wheel_ != nullptr) wheel_->cancel(*this);
}

TimerWheel::~TimerWheel() {
  for (TimerNode* head : slots_) {
    while (head != nullptr) {
      TimerNode* next = head->next_;
      head->wheel_ = nullptr;
      head = next;
    }
  }
}

// Rounded up: never early.
std::uint64_t TimerWheel::tick_of(Clock::time_point when) const {
  if (when <= start_) return 0;
  const auto since = when - start_;
  return static_cast<std::uint64_t>((since + kTick - Clock::duration(1)) / kTick);
}

void TimerWheel::schedule(TimerNode& node, Clock::time_point when) {
  if (node.wheel_ != nullptr) cancel(node);
  // A time that has passed is due at the next tick: never within the call.
  node.tick_ = std::max(tick_of(when), now_tick_ + 1);
  node.wheel_ = this;
  TimerNode*& head = slots_[node.tick_ % kSlots];
  node.previous_ = nullptr;
  node.next_ = head;
  if (head != nullptr) head->previous_ = &node;
  head = &node;
  ++size_;
}

void TimerWheel::cancel(TimerNode& node) {
  if (node.wheel_ == nullptr) return;
  assert(node.wheel_ == this);
  unlink(node);
}

void TimerWheel::unlink(TimerNode& node) {
  // A callback may cancel the very node that comes next.
  if (cursor_ == &node) cursor_ = node.next_;
  if (node.previous_ != nullptr) {
    node.previous_->next_ = node.next_;
  } else {
    slots_[node.tick_ % kSlots] = node.next_;
  }
  if (node.next_ != nullptr) node.next_->previous_ = node.previous_;
  node.wheel_ = nullptr;
  node.previous_ = node.next_ = nullptr;
  --size_;
}

void TimerWheel::advance(Clock::time_point now) {
  if (now < start_) return;
  const auto target = static_cast<std::uint64_t>((now - start_) / kTick);
  // After a long stall one turn of the wheel sees every slot.
  std::uint64_t tick = now_tick_ + 1;
  if (target > now_tick_ + kSlots) tick = target - kSlots + 1;
  for (; tick <= target; ++tick) {
    now_tick_ = tick;
    cursor_ = slots_[tick % kSlots];
    while (cursor_ != nullptr) {
      TimerNode& node = *cursor_;
      cursor_ = node.next_;
      // Later turns of the wheel share the slot; ticks skipped by a stall are due as well.
      if (node.tick_ > target) continue;
      unlink(node);
      node.on_timer(now);
    }
  }
}

}  // namespace notifications
