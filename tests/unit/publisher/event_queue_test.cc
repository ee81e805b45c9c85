#include "publisher-client/event_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace notifications::publishing {
namespace {

using std::chrono::milliseconds;
using Admission = Publisher::Admission;
using Status = Publisher::DeliveryStatus;
using Values = std::vector<std::string>;

// Plays both sides: callers that push, and the private thread that takes and reports.
class EventQueueTest : public testing::Test {
 protected:
  EventQueueTest() { open({.events = 3, .bytes = 100}); }

  void open(EventQueue::Limits limits) {
    queue_.emplace(limits, milliseconds(100), [this] {
      ++wakes_;
      wakes_.notify_all();
    });
  }

  void await_wakes(int count) {
    for (int seen = wakes_; seen < count; seen = wakes_) wakes_.wait(seen);
  }

  static QueuedEvent event(const std::string& id, std::size_t bytes = 10) {
    QueuedEvent event;
    event.id = id;
    event.charged_bytes = bytes;
    return event;
  }

  Admission push(const std::string& id, std::size_t bytes = 10) {
    return queue_->push(event(id, bytes));
  }

  Admission push_metric(const std::string& key, const std::string& id, int at_ms) {
    PendingMetric metric;
    metric.event = event(id);
    return queue_->push_metric(key, std::move(metric), at(at_ms));
  }

  // Takes everything that may be taken; ids in the order in which they would be sent.
  Values take(int at_ms = 0) {
    EventQueue::Work work = queue_->take(at(at_ms));
    Values ids;
    for (QueuedEvent& ready : work.ready) held_.push_back(std::move(ready));
    for (PendingMetric& metric : work.due) held_.push_back(std::move(metric.event));
    for (const QueuedEvent& one : held_) ids.push_back(one.id);
    for (const QueuedEvent& old : work.superseded) report(old, Status::kSuperseded);
    next_due_ = work.next_due;
    return ids;
  }

  void report(const QueuedEvent& one, Status status) {
    queue_->release(one, status);
    queue_->reported(one);
  }

  // Reports the first event that was taken.
  void deliver_first(Status status = Status::kDelivered) {
    report(held_.front(), status);
    held_.erase(held_.begin());
  }

  static EventQueue::Time at(int ms) { return EventQueue::Time(milliseconds(1'000'000 + ms)); }
  static EventQueue::Time in(milliseconds time) { return std::chrono::steady_clock::now() + time; }

  static constexpr std::chrono::seconds kLong{10};

  std::atomic<int> wakes_ = 0;
  std::optional<EventQueue> queue_;
  std::vector<QueuedEvent> held_;
  std::optional<EventQueue::Time> next_due_;
};

TEST_F(EventQueueTest, HandsOutWhatWasAcceptedInOrder) {
  EXPECT_EQ(push("a"), Admission::kAccepted);
  EXPECT_EQ(push("b"), Admission::kAccepted);
  EXPECT_EQ(take(), (Values{"a", "b"}));
}

TEST_F(EventQueueTest, RefusesTheNewestWhenTooManyWait) {
  for (const char* id : {"a", "b", "c"}) EXPECT_EQ(push(id), Admission::kAccepted);
  EXPECT_EQ(push("d"), Admission::kQueueFull);
  EXPECT_EQ(take(), (Values{"a", "b", "c"}));
  EXPECT_EQ(queue_->counters().queue_full, 1u);
  EXPECT_EQ(queue_->counters().accepted, 3u);
}

TEST_F(EventQueueTest, CountsAnEventUntilItsReportAndNotUntilItIsTaken) {
  for (const char* id : {"a", "b", "c"}) push(id);
  take();
  EXPECT_EQ(push("d"), Admission::kQueueFull);
  deliver_first();
  EXPECT_EQ(push("d"), Admission::kAccepted);
  EXPECT_EQ(queue_->counters().queued_events, 3u);
}

TEST_F(EventQueueTest, RefusesTheNewestWhenTooManyBytesWait) {
  EXPECT_EQ(push("a", 60), Admission::kAccepted);
  EXPECT_EQ(push("b", 41), Admission::kQueueFull);
  EXPECT_EQ(push("c", 40), Admission::kAccepted);
  EXPECT_EQ(queue_->counters().queued_bytes, 100u);
}

TEST_F(EventQueueTest, TakesAnEventOfAnySizeWhenEmpty) {
  EXPECT_EQ(push("big", 1000), Admission::kAccepted);
  EXPECT_EQ(push("small", 1), Admission::kQueueFull);
  take();
  deliver_first();
  EXPECT_EQ(push("small", 1), Admission::kAccepted);
  EXPECT_EQ(push("big", 1000), Admission::kQueueFull);
}

TEST_F(EventQueueTest, BoundsTheMetricsWithTheOthers) {
  push("a");
  push_metric("k", "m1", 0);
  EXPECT_EQ(push_metric("k", "m2", 0), Admission::kAccepted);
  EXPECT_EQ(push_metric("k", "m3", 0), Admission::kQueueFull);
  EXPECT_EQ(push("b"), Admission::kQueueFull);
  take();  // reports the superseded m1
  EXPECT_EQ(push("b"), Admission::kAccepted);
}

TEST_F(EventQueueTest, RefusesEverythingOnceClosed) {
  push("a");
  queue_->close();
  EXPECT_EQ(push("b"), Admission::kClosed);
  EXPECT_EQ(push_metric("k", "m", 0), Admission::kClosed);
  EXPECT_EQ(take(), Values{"a"});
}

TEST_F(EventQueueTest, WakesThePrivateThreadOnceForABurst) {
  push("a");
  push("b");
  EXPECT_EQ(wakes_, 1);
  take();
  push("c");
  EXPECT_EQ(wakes_, 2);
}

TEST_F(EventQueueTest, HandsOutAMetricWhenItIsDueAndTellsWhenToComeAgain) {
  push_metric("k", "m1", 0);
  EXPECT_EQ(take(10), Values{});
  EXPECT_EQ(next_due_, at(100));
  EXPECT_EQ(take(100), Values{"m1"});
  EXPECT_EQ(next_due_, std::nullopt);
}

TEST_F(EventQueueTest, ReportsASupersededMetricOnce) {
  push_metric("k", "m1", 0);
  push_metric("k", "m2", 10);
  take(20);
  take(30);
  EXPECT_EQ(queue_->counters().superseded, 1u);
  EXPECT_EQ(take(100), Values{"m2"});
}

TEST_F(EventQueueTest, CountsWhatBecameOfEachEvent) {
  open({.events = 10, .bytes = 1000});
  for (const char* id : {"a", "b", "c", "d"}) push(id);
  take();
  for (Status status : {Status::kDelivered, Status::kRefused, Status::kUnknown, Status::kNotSent}) {
    deliver_first(status);
  }
  const auto counters = queue_->counters();
  EXPECT_EQ(counters.delivered, 1u);
  EXPECT_EQ(counters.refused, 1u);
  EXPECT_EQ(counters.unknown, 1u);
  EXPECT_EQ(counters.not_sent, 1u);
  EXPECT_EQ(counters.queued_events, 0u);
  EXPECT_EQ(counters.queued_bytes, 0u);
}

TEST_F(EventQueueTest, FlushOfAnIdleQueueReturnsAtOnce) {
  EXPECT_TRUE(queue_->flush(in(milliseconds(0))));
  EXPECT_EQ(wakes_, 0);
}

TEST_F(EventQueueTest, FlushGivesUpAtItsDeadline) {
  push("a");
  EXPECT_FALSE(queue_->flush(in(milliseconds(5))));
}

TEST_F(EventQueueTest, FlushReleasesPendingMetricsAtOnce) {
  push_metric("k", "m1", 0);
  EXPECT_FALSE(queue_->flush(in(milliseconds(0))));
  EXPECT_EQ(take(0), Values{"m1"});
}

TEST_F(EventQueueTest, FlushWaitsForWhatWasAcceptedBeforeItAndNotForWhatCameLater) {
  push("before");
  take();
  auto flushed = std::async(std::launch::async, [this] { return queue_->flush(in(kLong)); });
  await_wakes(2);  // the flush has begun: it asks for the pending metrics
  push("later");
  deliver_first();
  EXPECT_TRUE(flushed.get());
  EXPECT_FALSE(queue_->idle());
}

TEST_F(EventQueueTest, IsIdleOnlyAfterTheCallbackReturned) {
  push("a");
  take();
  queue_->release(held_.front(), Status::kDelivered);
  EXPECT_FALSE(queue_->idle());
  EXPECT_EQ(queue_->counters().queued_events, 0u);
  queue_->reported(held_.front());
  EXPECT_TRUE(queue_->idle());
}

}  // namespace
}  // namespace notifications::publishing
