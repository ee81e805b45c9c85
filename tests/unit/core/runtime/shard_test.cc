#include "core/runtime/shard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <vector>

namespace notifications {
namespace {

using namespace std::chrono_literals;

class Writer : public Flushable {
 public:
  void flush() override {
    ++flushes;
    const auto then = action;  // a copy: it may destroy the writer
    if (then) then();
  }
  int flushes = 0;
  std::function<void()> action;
};

// A shard whose loop the test turns itself.
class ShardTest : public testing::Test {
 protected:
  void turn() {
    shard_.io().restart();
    shard_.io().poll();
  }
  RoomInterest interest_;
  Shard shard_{0, interest_};
};

TEST_F(ShardTest, FlushesOnceAtTheEndOfTheTurnHoweverOftenMarked) {
  Writer writer;
  shard_.post([&] {
    shard_.mark_dirty(writer);
    shard_.mark_dirty(writer);
    EXPECT_EQ(writer.flushes, 0);
  });
  shard_.post([&] { EXPECT_EQ(writer.flushes, 0); });
  turn();
  EXPECT_EQ(writer.flushes, 1);
  turn();
  EXPECT_EQ(writer.flushes, 1);
  shard_.mark_dirty(writer);
  turn();
  EXPECT_EQ(writer.flushes, 2);
}

TEST_F(ShardTest, FlushesAnyNumberInTheOrderOfMarking) {
  std::vector<std::unique_ptr<Writer>> writers;
  std::vector<int> order;
  for (int i = 0; i < 2000; ++i) {
    writers.push_back(std::make_unique<Writer>());
    writers.back()->action = [&order, i] { order.push_back(i); };
    shard_.mark_dirty(*writers.back());
  }
  turn();
  ASSERT_EQ(order.size(), 2000u);
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

// Heartbeats and reads get their turn within a large room's flush.
TEST_F(ShardTest, LetsOtherWorkInBetweenTheFlushesOfALargeRoom) {
  std::vector<std::unique_ptr<Writer>> writers;
  int flushed = 0;
  for (int i = 0; i < 5000; ++i) {
    writers.push_back(std::make_unique<Writer>());
    writers.back()->action = [&] { ++flushed; };
    shard_.mark_dirty(*writers.back());
  }
  int flushed_before_work = -1;
  shard_.post([&] { flushed_before_work = flushed; });
  turn();
  EXPECT_EQ(flushed, 5000);
  EXPECT_LT(flushed_before_work, 5000);
}

TEST_F(ShardTest, AFlushMayMarkItselfAgain) {
  Writer writer;
  writer.action = [&] {
    if (writer.flushes < 3) shard_.mark_dirty(writer);
  };
  shard_.mark_dirty(writer);
  turn();
  EXPECT_EQ(writer.flushes, 3);
}

TEST_F(ShardTest, WhoeverDiesWhileMarkedIsForgotten) {
  Writer before;
  Writer after;
  auto dies = std::make_unique<Writer>();
  auto killed = std::make_unique<Writer>();
  before.action = [&] { killed.reset(); };
  shard_.mark_dirty(before);
  shard_.mark_dirty(*dies);
  shard_.mark_dirty(*killed);
  shard_.mark_dirty(after);
  dies.reset();
  turn();
  EXPECT_EQ(before.flushes, 1);
  EXPECT_EQ(after.flushes, 1);
}

TEST_F(ShardTest, AFlushMayDestroyItsOwner) {
  auto* writer = new Writer;
  Writer other;
  writer->action = [&] { delete writer; };
  shard_.mark_dirty(*writer);
  shard_.mark_dirty(other);
  turn();
  EXPECT_EQ(other.flushes, 1);
}

TEST(Shard, RunsItsWorkInOrderOnOneThreadOfItsOwn) {
  RoomInterest interest;
  Shard shard(3, interest);
  EXPECT_EQ(shard.id(), 3);
  shard.start();
  std::vector<int> order;
  std::promise<std::thread::id> last;
  for (int i = 0; i < 100; ++i) shard.post([&order, i] { order.push_back(i); });
  shard.post([&] { last.set_value(std::this_thread::get_id()); });
  EXPECT_NE(last.get_future().get(), std::this_thread::get_id());
  shard.stop();
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  shard.stop();
}

TEST(Shard, TurnsEvenWhenNothingHappens) {
  RoomInterest interest;
  Shard shard(0, interest);
  const auto before = shard.last_turn();
  shard.start();
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (shard.last_turn() <= before + 300ms && std::chrono::steady_clock::now() < limit) {
    std::this_thread::yield();
  }
  EXPECT_GT(shard.last_turn(), before + 300ms);
}

class Alarm : public TimerNode {
 public:
  void on_timer(std::chrono::steady_clock::time_point now) override { rang.set_value(now); }
  std::promise<std::chrono::steady_clock::time_point> rang;
};

TEST(Shard, ServesItsTimers) {
  RoomInterest interest;
  Shard shard(0, interest);
  Alarm alarm;
  const auto when = std::chrono::steady_clock::now() + 50ms;
  shard.start();
  shard.post([&] { shard.timers().schedule(alarm, when); });
  auto rang = alarm.rang.get_future();
  ASSERT_EQ(rang.wait_for(20s), std::future_status::ready);
  EXPECT_GE(rang.get(), when);
  shard.stop();
}

}  // namespace
}  // namespace notifications
