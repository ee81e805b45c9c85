#include "core/runtime/timer_wheel.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace notifications {
namespace {

using namespace std::chrono_literals;
using Clock = TimerWheel::Clock;

constexpr Clock::time_point kStart{1h};

// Notes when it was called, and does what the test wants then.
class Node : public TimerNode {
 public:
  void on_timer(Clock::time_point now) override {
    calls.push_back(now);
    const auto then = action;  // a copy: it may destroy the node
    if (then) then();
  }
  std::vector<Clock::time_point> calls;
  std::function<void()> action;
};

class TimerWheelTest : public testing::Test {
 protected:
  // Turns the wheel in steps of `step` up to `until` after the start.
  void run_until(Clock::duration until, Clock::duration step = 1ms) {
    while (now_ + step <= kStart + until) wheel_.advance(now_ += step);
  }
  Clock::time_point now_ = kStart;
  TimerWheel wheel_{kStart};
};

TEST_F(TimerWheelTest, CallsANodeOnceAndNeverEarly) {
  Node node;
  wheel_.schedule(node, kStart + 100ms);
  EXPECT_FALSE(wheel_.empty());
  run_until(99ms);
  EXPECT_TRUE(node.calls.empty());
  run_until(300ms);
  ASSERT_EQ(node.calls.size(), 1u);
  EXPECT_GE(node.calls[0], kStart + 100ms);
  EXPECT_LE(node.calls[0], kStart + 100ms + TimerWheel::kTick);
  EXPECT_TRUE(wheel_.empty());
}

TEST_F(TimerWheelTest, KeepsItsPromiseForEveryMillisecond) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (int ms = 0; ms < 200; ++ms) {
    nodes.push_back(std::make_unique<Node>());
    wheel_.schedule(*nodes.back(), kStart + std::chrono::milliseconds(ms));
  }
  run_until(250ms);
  for (int ms = 0; ms < 200; ++ms) {
    const auto& calls = nodes[static_cast<std::size_t>(ms)]->calls;
    ASSERT_EQ(calls.size(), 1u) << ms;
    EXPECT_GE(calls[0], kStart + std::chrono::milliseconds(ms));
    EXPECT_LE(calls[0], kStart + std::chrono::milliseconds(ms) + TimerWheel::kTick);
  }
}

TEST_F(TimerWheelTest, HoldsDeadlinesLongerThanItsSpan) {
  Node hour;
  Node span;
  wheel_.schedule(hour, kStart + 1h);
  wheel_.schedule(span, kStart + 16384ms);
  run_until(1h - 1ms, 16ms);
  EXPECT_TRUE(hour.calls.empty());
  ASSERT_EQ(span.calls.size(), 1u);
  EXPECT_GE(span.calls[0], kStart + 16384ms);
  EXPECT_LE(span.calls[0], kStart + 16384ms + TimerWheel::kTick);
  run_until(1h + 32ms);
  ASSERT_EQ(hour.calls.size(), 1u);
  EXPECT_GE(hour.calls[0], kStart + 1h);
}

TEST_F(TimerWheelTest, ATimeThatHasPassedIsDueAtTheNextTick) {
  Node node;
  run_until(1s);
  wheel_.schedule(node, kStart);
  EXPECT_TRUE(node.calls.empty());
  run_until(1s + 32ms);
  EXPECT_EQ(node.calls.size(), 1u);
  wheel_.schedule(node, kStart - 1h);
  run_until(1s + 64ms);
  EXPECT_EQ(node.calls.size(), 2u);
}

TEST_F(TimerWheelTest, SchedulingAgainReplacesWhatWasScheduled) {
  Node node;
  wheel_.schedule(node, kStart + 50ms);
  wheel_.schedule(node, kStart + 500ms);
  run_until(499ms);
  EXPECT_TRUE(node.calls.empty());
  wheel_.schedule(node, kStart + 600ms);
  wheel_.schedule(node, kStart + 520ms);
  run_until(1s);
  EXPECT_EQ(node.calls.size(), 1u);
}

TEST_F(TimerWheelTest, ACancelledNodeIsNotCalled) {
  Node node;
  Node neighbour;
  wheel_.schedule(neighbour, kStart + 50ms);
  wheel_.schedule(node, kStart + 50ms);
  wheel_.cancel(node);
  wheel_.cancel(node);
  run_until(1s);
  EXPECT_TRUE(node.calls.empty());
  EXPECT_EQ(neighbour.calls.size(), 1u);
}

TEST_F(TimerWheelTest, ANodeThatDiesLeavesTheWheel) {
  Node stays;
  wheel_.schedule(stays, kStart + 50ms);
  {
    Node dies;
    wheel_.schedule(dies, kStart + 50ms);
  }
  run_until(1s);
  EXPECT_EQ(stays.calls.size(), 1u);
  EXPECT_TRUE(wheel_.empty());
}

TEST(TimerWheel, ANodeMayOutliveTheWheel) {
  Node node;
  {
    TimerWheel wheel(kStart);
    wheel.schedule(node, kStart + 1s);
  }
  TimerWheel next(kStart);
  next.schedule(node, kStart + 16ms);
  next.advance(kStart + 1s);
  EXPECT_EQ(node.calls.size(), 1u);
}

TEST_F(TimerWheelTest, ACallbackMayScheduleItsNodeAgain) {
  Node node;
  node.action = [&] { wheel_.schedule(node, now_ + 100ms); };
  wheel_.schedule(node, kStart + 100ms);
  run_until(1050ms);
  EXPECT_GE(node.calls.size(), 8u);
  EXPECT_LE(node.calls.size(), 10u);
  for (std::size_t i = 1; i < node.calls.size(); ++i) {
    EXPECT_GE(node.calls[i] - node.calls[i - 1], 100ms);
  }
}

TEST_F(TimerWheelTest, ACallbackThatIsDueAtOnceDoesNotHoldUpTheWheel) {
  Node node;
  node.action = [&] { wheel_.schedule(node, kStart); };
  wheel_.schedule(node, kStart);
  wheel_.advance(kStart + 160ms);
  EXPECT_LE(node.calls.size(), 10u);
  EXPECT_GE(node.calls.size(), 1u);
}

// Whoever is in the same slot may be cancelled, moved or destroyed by the one that is called,
// before its turn or after it.
TEST_F(TimerWheelTest, ACallbackMayCancelAnyOther) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < 5; ++i) {
    nodes.push_back(std::make_unique<Node>());
    wheel_.schedule(*nodes.back(), kStart + 48ms);
  }
  for (auto& node : nodes) {
    node->action = [&] {
      for (auto& other : nodes) wheel_.cancel(*other);
    };
  }
  run_until(1s);
  std::size_t calls = 0;
  for (const auto& node : nodes) calls += node->calls.size();
  EXPECT_EQ(calls, 1u);
  EXPECT_TRUE(wheel_.empty());
}

TEST_F(TimerWheelTest, ACallbackMayDestroyAnyNodeItselfIncluded) {
  for (std::size_t caller = 0; caller < 4; ++caller) {
    for (std::size_t victim = 0; victim < 4; ++victim) {
      std::vector<std::unique_ptr<Node>> nodes;
      std::vector<bool> called(4, false);
      for (std::size_t i = 0; i < 4; ++i) {
        nodes.push_back(std::make_unique<Node>());
        nodes[i]->action = [&, i] {
          called[i] = true;
          if (i == caller) nodes[victim].reset();
        };
        wheel_.schedule(*nodes[i], now_ + 48ms);
      }
      wheel_.advance(now_ += 100ms);
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_TRUE(called[i] || i == victim) << caller << victim << i;
      }
      EXPECT_TRUE(wheel_.empty());
    }
  }
}

TEST_F(TimerWheelTest, ACallbackMayMoveAnotherIntoTheSlotAtHand) {
  Node first;
  Node second;
  wheel_.schedule(second, kStart + 48ms);
  wheel_.schedule(first, kStart + 48ms);
  first.action = [&] { wheel_.schedule(second, kStart + 48ms + 16384ms); };
  second.action = [&] { wheel_.schedule(first, kStart + 48ms + 16384ms); };
  run_until(1s);
  EXPECT_EQ(first.calls.size() + second.calls.size(), 1u);
  run_until(20s);
  EXPECT_GE(first.calls.size() + second.calls.size(), 2u);
}

TEST_F(TimerWheelTest, AfterAStallEverythingDueIsCalledOnce) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < 4000; ++i) {
    nodes.push_back(std::make_unique<Node>());
    wheel_.schedule(*nodes.back(), kStart + 16ms * i);
  }
  wheel_.advance(kStart + 40s);
  for (int i = 0; i < 4000; ++i) {
    const bool due = 16ms * i <= 40s;
    EXPECT_EQ(nodes[static_cast<std::size_t>(i)]->calls.size(), due ? 1u : 0u) << i;
  }
  wheel_.advance(kStart + 16ms * 4000);
  for (const auto& node : nodes) EXPECT_EQ(node->calls.size(), 1u);
}

TEST_F(TimerWheelTest, ATimeBeforeTheStartTurnsNothing) {
  Node node;
  wheel_.schedule(node, kStart + 1ms);
  wheel_.advance(kStart - 1h);
  EXPECT_TRUE(node.calls.empty());
}

// Against a plain map of deadlines, with stalls of any length between the turns.
TEST_F(TimerWheelTest, AgreesWithThePlainModelOverAnyHistory) {
  std::mt19937 random(42);
  const auto below = [&](std::uint32_t n) { return random() % n; };
  std::vector<std::unique_ptr<Node>> nodes;
  std::map<Node*, Clock::time_point> due;
  for (int i = 0; i < 50; ++i) nodes.push_back(std::make_unique<Node>());
  for (int step = 0; step < 20'000; ++step) {
    Node& node = *nodes[below(50)];
    switch (below(4)) {
      case 0:
      case 1:
        due[&node] = now_ + std::chrono::milliseconds(below(below(10) == 0 ? 100'000 : 500));
        wheel_.schedule(node, due[&node]);
        break;
      case 2:
        due.erase(&node);
        wheel_.cancel(node);
        break;
      default:
        now_ += std::chrono::milliseconds(below(200) == 0 ? below(60'000) : below(40));
        for (auto& other : nodes) other->calls.clear();
        wheel_.advance(now_);
        for (auto& other : nodes) {
          const auto entry = due.find(other.get());
          ASSERT_LE(other->calls.size(), 1u);
          if (!other->calls.empty()) {
            ASSERT_NE(entry, due.end());
            ASSERT_LE(entry->second, now_);
            due.erase(entry);
          } else if (entry != due.end()) {
            // Up to a tick late, and a deadline that had passed waits for the next tick.
            ASSERT_GT(entry->second + 2 * TimerWheel::kTick, now_);
          }
        }
    }
    ASSERT_EQ(wheel_.empty(), due.empty());
  }
}

}  // namespace
}  // namespace notifications
