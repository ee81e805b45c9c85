#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/redis/journal_entry.h"
#include "tests/integration/publisher_fixture.h"

namespace notifications::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using Status = Publisher::DeliveryStatus;
using Counts = std::map<Status, std::size_t>;

Publisher::Options journaling(const RedisServer& redis) {
  auto options = options_for(redis.url());
  options.journal = true;
  return options;
}

struct Entry {
  std::string position;
  std::string text;
};

std::vector<Entry> journal_of(const RedisServer& redis) {
  std::vector<Entry> found;
  const auto reply = redis.command({"XRANGE", "notifications.v1:journal", "-", "+"});
  for (const auto& element : reply.elements) {
    const auto entry = redis::read_stream_entry(element);
    EXPECT_TRUE(entry);
    if (entry) found.push_back({entry->position(), std::string(entry->text)});
  }
  return found;
}

std::vector<int> numbers_in(const RedisServer& redis) {
  std::vector<std::string> texts;
  for (Entry& entry : journal_of(redis)) texts.push_back(std::move(entry.text));
  return numbers_of(texts);
}

std::vector<int> first_numbers(int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

// How often a command ran.
int calls(const RedisServer& redis, const std::string& command) {
  const std::string text = redis.command({"INFO", "commandstats"}).text;
  const auto at = text.find("cmdstat_" + command + ":calls=");
  return at == std::string::npos ? 0 : std::stoi(text.substr(text.find('=', at) + 1));
}

bool eventually(const std::function<bool()>& holds) {
  const auto deadline = steady_clock::now() + kPatience;
  while (!holds()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

class PublisherJournal : public testing::Test {
 protected:
  Deliveries deliveries_;  // before the publishers of the tests: outlives them
};

TEST_F(PublisherJournal, AppendsAndPublishesInOneStepAndTellsThePosition) {
  RedisServer redis;
  ChannelListener listener(redis.url());
  Publisher publisher(journaling(redis));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  ASSERT_TRUE(publisher.flush(kPatience));

  const std::vector<std::string> texts{numbered_text(1, 0), numbered_text(2, 1),
                                       numbered_text(3, 2)};
  EXPECT_EQ(listener.first(3), texts);
  const auto entries = journal_of(redis);
  const auto reports = deliveries_.first(3);
  ASSERT_EQ(entries.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(entries[i].text, texts[i]);
    EXPECT_EQ(reports[i].status, Status::kDelivered);
    EXPECT_EQ(reports[i].position, entries[i].position);
    EXPECT_EQ(reports[i].receivers, 0);
  }
  // What was at hand together went together.
  EXPECT_EQ(calls(redis, "eval"), 1);
  EXPECT_LE(calls(redis, "evalsha"), 2);
}

TEST_F(PublisherJournal, WhatWaitedForRedisGoesInFewCalls) {
  RedisServer redis;
  auto options = journaling(redis);
  redis.stop();
  Publisher publisher(options);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  redis.start();
  ASSERT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(numbers_in(redis), first_numbers(200));
  EXPECT_EQ(deliveries_.first(200).back().status, Status::kDelivered);
  EXPECT_LE(calls(redis, "eval") + calls(redis, "evalsha"), 20);
}

// A call with several events hangs when the publisher is closed: each has its report.
TEST_F(PublisherJournal, ClosingReportsEveryEventOfACallWithoutAnAnswer) {
  RedisServer redis;
  auto options = journaling(redis);
  options.close_timeout = milliseconds(300);
  Publisher publisher(options);
  std::promise<void> reached;
  std::promise<void> go_on;
  // Holds the private thread up, so that what is published meanwhile is at hand together.
  ASSERT_TRUE(publish_number(publisher, 0, [&](const Publisher::Delivery&) {
    reached.set_value();
    go_on.get_future().wait();
  }));
  ASSERT_EQ(reached.get_future().wait_for(kPatience), std::future_status::ready);
  redis.sigstop();
  for (int i = 1; i <= 10; ++i) ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  go_on.set_value();
  publisher.close();
  redis.sigcont();
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kUnknown, 10}}));
}

TEST_F(PublisherJournal, WithoutItNothingIsAppendedAndNoPositionTold) {
  RedisServer redis;
  Publisher publisher(options_for(redis.url()));
  ASSERT_TRUE(publish_number(publisher, 0, deliveries_.callback()));
  ASSERT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.first(1).at(0).position, "");
  EXPECT_EQ(redis.command({"DBSIZE"}).integer, 0);
}

TEST_F(PublisherJournal, AnIdPublishedAgainGetsTheFirstAnswer) {
  RedisServer redis;
  auto options = journaling(redis);
  options.new_id = [] { return "same"; };
  Publisher publisher(options);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  ASSERT_TRUE(publisher.flush(kPatience));
  const auto reports = deliveries_.first(2);
  EXPECT_EQ(reports[0].position, reports[1].position);
  EXPECT_EQ(reports[1].status, Status::kDelivered);
  EXPECT_EQ(numbers_in(redis), (std::vector<int>{0}));
}

TEST_F(PublisherJournal, KeepsNoMoreThanItsLimits) {
  RedisServer redis;
  auto options = journaling(redis);
  options.journal_retention = milliseconds(1);
  options.idempotency_window = std::chrono::seconds(60);
  Publisher publisher(options);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(publish_number(publisher, i));
    ASSERT_TRUE(publisher.flush(kPatience));
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(numbers_in(redis), (std::vector<int>{4}));
  const auto lifetime = redis.command({"PTTL", "notifications.v1:id:id-5"}).integer;
  EXPECT_GT(lifetime, 30'000);
  EXPECT_LE(lifetime, 60'000);
}

// The server hangs with the events in its hands, takes them when it comes back, and its answers go
// to a connection that is gone.
TEST_F(PublisherJournal, EventsWhoseAnswersWereLostAreSentAgainAndAppendedOnce) {
  RedisServer redis;
  ChannelListener listener(redis.url());
  auto options = journaling(redis);
  options.max_in_flight_events = 3;
  options.answer_timeout = milliseconds(300);
  Publisher publisher(options);
  ASSERT_TRUE(publish_number(publisher, 0, deliveries_.callback()));
  ASSERT_TRUE(publisher.flush(kPatience));

  redis.sigstop();
  for (int i = 1; i < 10; ++i) ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  ASSERT_TRUE(eventually([&] { return !publisher.counters().connected; }));
  redis.sigcont();
  ASSERT_TRUE(publisher.flush(kPatience));

  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kDelivered, 10}}));
  EXPECT_EQ(deliveries_.most_reports_of_one(), 1u);
  EXPECT_EQ(numbers_in(redis), first_numbers(10));
  EXPECT_EQ(numbers_of(listener.first(10)), first_numbers(10));
  // The first event, what the server took while nobody listened, and the same again.
  EXPECT_GE(calls(redis, "eval") + calls(redis, "evalsha"), 3);
  const auto entries = journal_of(redis);
  const auto reports = deliveries_.first(10);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(reports[i].position, entries[i].position) << i;
}

TEST_F(PublisherJournal, AnEventIsUnknownOnceItsIdMayBeForgotten) {
  RedisServer redis;
  auto options = journaling(redis);
  options.max_in_flight_events = 2;
  options.answer_timeout = milliseconds(200);
  options.connect_timeout = milliseconds(200);
  options.idempotency_window = milliseconds(600);
  Publisher publisher(options);
  ASSERT_TRUE(publish_number(publisher, 0));
  ASSERT_TRUE(publisher.flush(kPatience));

  redis.sigstop();
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  const auto reports = deliveries_.first(2);
  EXPECT_EQ(reports.at(1).status, Status::kUnknown);
  EXPECT_EQ(reports.at(1).detail, "the connection was lost before the answer came");
  redis.sigcont();
  ASSERT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kUnknown, 2}, {Status::kDelivered, 3}}));
}

TEST_F(PublisherJournal, WhatWaitsToBeSentAgainIsUnknownAtTheClose) {
  RedisServer redis;
  auto options = journaling(redis);
  options.max_in_flight_events = 1;
  options.answer_timeout = milliseconds(200);
  options.close_timeout = milliseconds(1);
  {
    Publisher publisher(options);
    ASSERT_TRUE(publish_number(publisher, 0));
    ASSERT_TRUE(publisher.flush(kPatience));
    redis.sigstop();
    for (int i = 1; i <= 2; ++i) ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
    ASSERT_TRUE(eventually([&] { return !publisher.counters().connected; }));
  }
  redis.sigcont();
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kUnknown, 1}, {Status::kNotSent, 1}}));
}

TEST_F(PublisherJournal, AServerThatForgotTheScriptIsSentItAgain) {
  RedisServer redis;
  Publisher publisher(journaling(redis));
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
    if (i % 100 != 0) continue;
    ASSERT_TRUE(publisher.flush(kPatience));
    redis.command({"SCRIPT", "FLUSH"});
  }
  ASSERT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kDelivered, 300}}));
  EXPECT_EQ(numbers_in(redis), first_numbers(300));
  EXPECT_EQ(publisher.counters().connects, 4u);
}

TEST_F(PublisherJournal, AServerKilledAgainAndAgainLosesDoublesAndReordersNothing) {
  constexpr int kEvents = 3000;
  RedisServer::Options durable;
  durable.durable = true;
  RedisServer redis(durable);
  Publisher publisher(journaling(redis));
  std::thread load([&] {
    for (int i = 0; i < kEvents; ++i) {
      EXPECT_TRUE(publish_number(publisher, i, deliveries_.callback()));
      if (i % 10 == 0) std::this_thread::sleep_for(milliseconds(1));
    }
  });
  for (std::size_t kills = 1; kills <= 4; ++kills) {
    deliveries_.first(kills * kEvents / 6);
    redis.kill();
    redis.start();
  }
  load.join();
  ASSERT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kDelivered, kEvents}}));
  EXPECT_EQ(numbers_in(redis), first_numbers(kEvents));
}

TEST_F(PublisherJournal, OnlyAFailedAppendFailsTheEvent) {
  RedisServer redis(configured({"user default on nopass ~* resetchannels +@all"}));
  Publisher publisher(journaling(redis));
  ASSERT_TRUE(publish_number(publisher, 0, deliveries_.callback()));
  ASSERT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.first(1).at(0).status, Status::kDelivered);
  EXPECT_EQ(numbers_in(redis), (std::vector<int>{0}));

  redis.command({"SET", "notifications.v1:journal", "in the way"});
  ASSERT_TRUE(publish_number(publisher, 1, deliveries_.callback()));
  ASSERT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.first(2).at(1).status, Status::kRefused);
  EXPECT_THAT(deliveries_.first(2).at(1).detail, HasSubstr("WRONGTYPE"));
}

// The lines of a publisher's log.
class Lines {
 public:
  std::function<void(std::string_view)> writer() {
    return [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

TEST_F(PublisherJournal, SaysThatAGatewayKeepsNone) {
  RedisServer redis;
  Lines lines;
  auto options = journaling(redis);
  options.log = lines.writer();
  Publisher publisher(options);
  ASSERT_TRUE(publish_number(publisher, 0));
  ASSERT_TRUE(publisher.flush(kPatience));
  EXPECT_FALSE(publisher.counters().journal_disagreement);

  redis.command({"SET", "notifications.v1:mode:off", "edge-1"});
  redis.command({"CLIENT", "KILL", "TYPE", "normal"});
  EXPECT_TRUE(eventually([&] { return publisher.counters().journal_disagreement; }));
  redis.command({"DEL", "notifications.v1:mode:off"});
  redis.command({"CLIENT", "KILL", "TYPE", "normal"});
  EXPECT_TRUE(eventually([&] { return !publisher.counters().journal_disagreement; }));
  publisher.close();
  EXPECT_THAT(lines.all(),
              testing::IsSupersetOf({"the journal is on here, but off at edge-1",
                                     "all gateways of the channel agree about the journal now"}));
}

TEST_F(PublisherJournal, SaysThatAGatewayKeepsOne) {
  RedisServer redis;
  Lines lines;
  auto options = options_for(redis.url());
  options.log = lines.writer();
  redis.command({"SET", "notifications.v1:mode:on", "edge-1"});
  Publisher publisher(options);
  EXPECT_TRUE(eventually([&] { return publisher.counters().journal_disagreement; }));
  publisher.close();
  EXPECT_EQ(lines.all().back(), "the journal is off here, but on at edge-1");
}

}  // namespace
}  // namespace notifications::test
