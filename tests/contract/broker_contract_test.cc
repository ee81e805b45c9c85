// What every broker promises (core/broker.h), held against memory and a real Redis alike.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/memory/memory_broker.h"
#include "core/redis/redis_broker.h"
#include "tests/support/recorder.h"
#include "tests/support/redis_server.h"

namespace notifications::test {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

// Where brokers come from: all brokers of one backend see the same events.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::unique_ptr<Broker> make(boost::asio::io_context& io) = 0;
};

class MemoryBackend : public Backend {
 public:
  std::unique_ptr<Broker> make(boost::asio::io_context& io) override {
    return std::make_unique<MemoryBroker>(io);
  }
};

class RedisBackend : public Backend {
 public:
  std::unique_ptr<Broker> make(boost::asio::io_context& io) override {
    redis::RedisBroker::Options options;
    options.url = redis::parse_url(server_.url()).value();
    options.instance = "contract:" + std::to_string(++instances_);
    return std::make_unique<redis::RedisBroker>(io, options, log_, metrics_);
  }

 private:
  RedisServer server_;
  Log log_{LogLevel::kOff, LogFormat::kText};
  Metrics metrics_;
  int instances_ = 0;
};

struct Kind {
  const char* name;
  std::unique_ptr<Backend> (*make)();
};

class BrokerContract : public testing::TestWithParam<Kind> {
 protected:
  BrokerContract() : backend_(GetParam().make()), broker_(backend_->make(thread_.io)) {}
  // The thread outlives the broker: that one's stop() needs it.
  ~BrokerContract() override { broker_->stop(); }

  void start() {
    broker_->start(sink_);
    ASSERT_TRUE(eventually([&] { return broker_->status().flowing; }));
  }

  IoThread thread_;
  EventRecorder sink_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Broker> broker_;
};

TEST_P(BrokerContract, DeliversTheBytesAsTheyWerePublished) {
  start();
  const std::string odd =
      "{\"a\":\"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\\u0000\"}\r\n$5\r\n*3\r\nmessage\0 "s;
  EXPECT_EQ(await(publish(*broker_, odd)).status, PublishStatus::kPublished);
  ASSERT_TRUE(sink_.await(1));
  EXPECT_EQ(sink_.texts(), std::vector<std::string>{odd});
}

TEST_P(BrokerContract, DeliversLargeMessagesWhole) {
  start();
  std::vector<std::string> texts;
  for (const std::size_t size : {500'000u, 8u * 1024 * 1024, 1u, 300'000u}) {
    texts.emplace_back(size, 'x');
    for (std::size_t i = 0; i < size; i += 1009) texts.back()[i] = static_cast<char>('a' + i % 23);
    EXPECT_EQ(await(publish(*broker_, texts.back())).status, PublishStatus::kPublished);
  }
  ASSERT_TRUE(sink_.await(4));
  EXPECT_TRUE(sink_.texts() == texts) << "the bytes differ";
}

TEST_P(BrokerContract, KeepsTheOrderOfOnePublisher) {
  start();
  constexpr int kCount = 5000;
  std::vector<std::string> texts;
  std::vector<std::future<PublishOutcome>> outcomes;
  for (int i = 0; i < kCount; ++i) {
    texts.push_back("message " + std::to_string(i));
    outcomes.push_back(publish(*broker_, texts.back()));
  }
  for (auto& outcome : outcomes)
    ASSERT_EQ(await(std::move(outcome)).status, PublishStatus::kPublished);
  ASSERT_TRUE(sink_.await(kCount));
  EXPECT_EQ(sink_.texts(), texts);
}

TEST_P(BrokerContract, EndsEachBatchOnceAndGathersWhatCameTogether) {
  start();
  constexpr int kCount = 1000;
  std::vector<std::future<PublishOutcome>> outcomes;
  // From the broker's own thread, so that they all gather in one turn.
  thread_.call([&] {
    for (int i = 0; i < kCount; ++i) outcomes.push_back(publish(*broker_, std::to_string(i)));
  });
  ASSERT_TRUE(sink_.await(kCount));
  EXPECT_GE(sink_.batches(), 1u);
  EXPECT_LT(sink_.batches(), kCount / 4u);
  EXPECT_EQ(sink_.empty_batches(), 0u);
}

TEST_P(BrokerContract, AnswersAPublishWithTheTimestampItStandsUnder) {
  start();
  const PublishOutcome outcome = await(publish(*broker_, "{}"));
  EXPECT_EQ(outcome.status, PublishStatus::kPublished);
  EXPECT_EQ(outcome.ts, "2026-02-19T12:00:00.000Z");
  EXPECT_EQ(outcome.position, "");
  EXPECT_EQ(outcome.detail, "");
}

TEST_P(BrokerContract, TakesPublishesFromManyThreadsAtOnce) {
  start();
  constexpr int kThreads = 4;
  constexpr int kEach = 1000;
  std::atomic<int> published = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        PublishCommand command;
        command.text = std::to_string(t) + ":" + std::to_string(i);
        command.deadline = std::chrono::steady_clock::now() + kPatience;
        broker_->publish(std::move(command), [&](const PublishOutcome& outcome) {
          if (outcome.status == PublishStatus::kPublished) ++published;
        });
      }
    });
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(sink_.await(kThreads * kEach));
  ASSERT_TRUE(eventually([&] { return published == kThreads * kEach; }));
  // Each thread's own order is kept, whatever came between.
  std::vector<int> next(kThreads, 0);
  for (const std::string& text : sink_.texts()) {
    const auto t = static_cast<std::size_t>(text[0] - '0');
    EXPECT_EQ(text.substr(2), std::to_string(next[t]++));
  }
}

TEST_P(BrokerContract, CallsEverybodyOnItsOwnThread) {
  std::thread::id status_thread;
  broker_->on_status_change(
      [&](const BrokerStatus&) { status_thread = std::this_thread::get_id(); });
  start();
  std::promise<std::thread::id> done_thread;
  PublishCommand command;
  command.text = "{}";
  command.deadline = std::chrono::steady_clock::now() + kPatience;
  broker_->publish(std::move(command), [&](const PublishOutcome&) {
    done_thread.set_value(std::this_thread::get_id());
  });
  EXPECT_EQ(done_thread.get_future().get(), thread_.id());
  ASSERT_TRUE(sink_.await(1));
  EXPECT_EQ(sink_.threads().front(), thread_.id());
  thread_.call([&] { EXPECT_EQ(status_thread, thread_.id()); });
}

TEST_P(BrokerContract, TellsWhenItIsConnectedAndFlowing) {
  std::promise<void> flowing;
  bool told = false;
  broker_->on_status_change([&](const BrokerStatus& status) {
    if (!status.connected || !status.flowing || std::exchange(told, true)) return;
    flowing.set_value();
  });
  EXPECT_FALSE(broker_->status().connected);
  EXPECT_FALSE(broker_->status().flowing);
  broker_->start(sink_);
  ASSERT_EQ(flowing.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(broker_->status().connected);
  EXPECT_TRUE(broker_->status().flowing);
  EXPECT_EQ(broker_->status().reconnects, 0u);
  EXPECT_EQ(broker_->status().last_error, "");
}

TEST_P(BrokerContract, StopAnswersWhatIsPendingAndNothingComesAfterIt) {
  start();
  std::atomic<int> answered = 0;
  std::atomic<bool> stopped = false;
  std::atomic<int> late = 0;
  constexpr int kCount = 2000;
  for (int i = 0; i < kCount; ++i) {
    PublishCommand command;
    command.text = "pending";
    command.deadline = std::chrono::steady_clock::now() + kPatience;
    broker_->publish(std::move(command), [&](const PublishOutcome&) {
      ++answered;
      if (stopped) ++late;
    });
  }
  broker_->stop();
  stopped = true;
  EXPECT_EQ(answered, kCount);
  const std::size_t seen = sink_.texts().size();
  // What the broker's thread still had to do would be done by the end of this call.
  thread_.call([] {});
  EXPECT_EQ(sink_.texts().size(), seen);
  EXPECT_EQ(late, 0);
  EXPECT_FALSE(broker_->status().connected);
  EXPECT_FALSE(broker_->status().flowing);
}

TEST_P(BrokerContract, APublishAfterStopIsUnavailableAtOnce) {
  start();
  broker_->stop();
  EXPECT_EQ(await(publish(*broker_, "{}")).status, PublishStatus::kUnavailable);
}

TEST_P(BrokerContract, StopsWithoutEverHavingStarted) {
  broker_->stop();
  EXPECT_FALSE(broker_->status().connected);
}

TEST_P(BrokerContract, StopsRightAfterTheStart) {
  broker_->start(sink_);
  auto outcome = publish(*broker_, "{}");
  broker_->stop();
  EXPECT_EQ(outcome.wait_for(0s), std::future_status::ready);
}

INSTANTIATE_TEST_SUITE_P(Brokers, BrokerContract,
                         testing::Values(Kind{"Memory",
                                              []() -> std::unique_ptr<Backend> {
                                                return std::make_unique<MemoryBackend>();
                                              }},
                                         Kind{"Redis",
                                              []() -> std::unique_ptr<Backend> {
                                                return std::make_unique<RedisBackend>();
                                              }}),
                         [](const testing::TestParamInfo<Kind>& kind) {
                           return std::string(kind.param.name);
                         });

}  // namespace
}  // namespace notifications::test
