#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "core/runtime/event_age.h"
#include "core/runtime/shard.h"

namespace notifications {
namespace {

using namespace std::chrono_literals;

constexpr char kTs[] = "2026-02-19T12:00:00.000Z";

class Writer : public Flushable {
 public:
  void flush() override {}
};

class Watcher : public Subscriber {
 public:
  void deliver(const PublicationPtr&) override {}
};

// What a shard measures about itself; the test turns its loop.
class ShardMeasuresTest : public testing::Test {
 protected:
  ShardMeasuresTest() { shard_.time_deliveries(times_, ages_); }

  void turn() {
    shard_.io().restart();
    shard_.io().poll();
  }
  // One event that came in `ago`, delivered to `count` connections.
  void deliver(std::size_t count, std::chrono::seconds ago = 0s) {
    Envelope envelope;
    envelope.ts = kTs;
    const Publication event(std::move(envelope), "", "", Shard::Clock::now() - ago);
    shard_.delivering(&event);
    for (std::size_t i = 0; i < count; ++i) {
      writers_.push_back(std::make_unique<Writer>());
      shard_.mark_dirty(*writers_.back());
    }
    shard_.delivering(nullptr);
  }
  std::uint64_t timed() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : times_.counts()) sum += count;
    return sum;
  }

  RoomInterest interest_;
  Shard shard_{0, interest_};
  Histogram times_{{1, 10}};
  Histogram ages_{{1e6}};
  std::vector<std::unique_ptr<Writer>> writers_;
};

TEST_F(ShardMeasuresTest, TimesADeliveryFromItsArrivalToTheEndOfItsFlush) {
  deliver(1, 5s);
  EXPECT_EQ(timed(), 0u);
  turn();
  EXPECT_EQ(times_.counts(), (std::vector<std::uint64_t>{0, 1, 0}));
  EXPECT_GE(times_.sum(), 5);
}

// The event is no more when its connection is flushed.
TEST_F(ShardMeasuresTest, TellsHowOldAnEventWasWhenItWasHandedOver) {
  deliver(1);
  turn();
  EXPECT_EQ(ages_.counts(), (std::vector<std::uint64_t>{0, 1}));
  const double age = event_age_seconds(kTs);
  EXPECT_NEAR(ages_.sum(), age, 60);
}

TEST_F(ShardMeasuresTest, IsLateWhileItsLoopIsHeldUp) {
  const auto started = shard_.last_turn();
  EXPECT_EQ(shard_.loop_lag(started), 0us);
  EXPECT_EQ(shard_.loop_lag(started + 256ms), 0us);
  EXPECT_EQ(shard_.loop_lag(started + 10s), 9744ms);
}

TEST_F(ShardMeasuresTest, TimesOneDeliveryIn64) {
  for (int i = 0; i < 640; ++i) {
    deliver(1);
    turn();
  }
  EXPECT_EQ(timed(), 10u);
}

TEST_F(ShardMeasuresTest, TimesOneOfATurnHoweverLargeTheRoom) {
  deliver(1000);
  turn();
  EXPECT_EQ(timed(), 1u);
}

TEST_F(ShardMeasuresTest, DoesNotTimeWhatIsNoEvent) {
  Writer writer;
  shard_.mark_dirty(writer);
  turn();
  EXPECT_EQ(timed(), 0u);
}

TEST_F(ShardMeasuresTest, ForgetsWhoDiedBeforeTheFlush) {
  deliver(1);
  writers_.clear();
  turn();
  EXPECT_EQ(timed(), 0u);
  deliver(64);
  turn();
  EXPECT_EQ(timed(), 1u);
}

TEST_F(ShardMeasuresTest, CountsSubscriptionsAboutOnceASecond) {
  Watcher watcher;
  shard_.post([&] {
    shard_.hub().join(watcher, "graph");
    shard_.hub().join(watcher, "threads");
  });
  int looks = 0;
  shard_.every_second([&] { ++looks; });
  shard_.start();
  const auto limit = Shard::Clock::now() + 20s;
  while (shard_.subscriptions() != 2 && Shard::Clock::now() < limit) {
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(shard_.subscriptions(), 2u);
  shard_.post([&] { shard_.hub().leave_all(watcher); });
  while (shard_.subscriptions() != 0 && Shard::Clock::now() < limit) {
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(shard_.subscriptions(), 0u);
  shard_.stop();
  EXPECT_GE(looks, 2);
}

}  // namespace
}  // namespace notifications
