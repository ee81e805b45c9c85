#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/integration/publisher_fixture.h"

namespace notifications::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using Admission = Publisher::Admission;
using Status = Publisher::DeliveryStatus;

class PublisherDelivery : public testing::Test {
 protected:
  Publisher::Options options() const { return options_for(redis_.url()); }

  static std::vector<int> zero_to(int end) {
    std::vector<int> numbers(static_cast<std::size_t>(end));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }

  RedisServer redis_;
  ChannelListener listener_{redis_.url()};
  Deliveries deliveries_;  // before the publishers of the tests: outlives them
};

TEST_F(PublisherDelivery, PublishesTheEnvelopeOfARawEventByteForByte) {
  Publisher publisher(options());
  const auto receipt = publisher.publish({"graph", "Node:4-2"}, "custom \"event\"",
                                         "{\"n\" : 9007199254740993}", deliveries_.callback());
  EXPECT_EQ(receipt.admission, Admission::kAccepted);
  EXPECT_EQ(receipt.id, "id-1");
  EXPECT_EQ(
      listener_.first(1).at(0),
      R"({"id":"id-1","ts":"2026-02-19T12:00:00.123Z","source":"platform-server","rooms":["graph","Node:4-2"],"event":"custom \"event\"","payload":{"n" : 9007199254740993}})");
  const auto delivery = deliveries_.first(1).at(0);
  EXPECT_EQ(delivery.status, Status::kDelivered);
  EXPECT_EQ(delivery.id, "id-1");
  EXPECT_EQ(delivery.receivers, 1);
}

TEST_F(PublisherDelivery, PublishesEachPlatformEventWithItsRoomsAndPayload) {
  constexpr char kTime[] = "2026-02-19T11:59:59Z";
  auto slow = options();
  slow.coalesce_interval = hours(1);  // so that the flush lets them out, behind the others
  Publisher publisher(slow);
  const std::vector<Publisher::Receipt> receipts = {
      publisher.node_status({.node_id = "42", .provision_status = {.state = "ready"}}),
      publisher.node_state({.node_id = "42", .state = {R"({"a":1})"}, .updated_at = kTime}),
      publisher.node_reminder_count({.node_id = "42", .count = 2, .updated_at = kTime}),
      publisher.thread_created({.id = "7", .alias = "a", .status = "open", .created_at = kTime}),
      publisher.thread_updated(
          {.id = "7", .alias = "a", .summary = "s", .status = "open", .created_at = kTime}),
      publisher.message_created({.thread_id = "7",
                                 .id = "m",
                                 .kind = "user",
                                 .text = "hi",
                                 .source = "web",
                                 .created_at = kTime}),
      publisher.run_status_changed({.thread_id = "7",
                                    .run_id = "r",
                                    .status = "running",
                                    .created_at = kTime,
                                    .updated_at = kTime}),
      publisher.run_event_appended(
          {.run_id = "r", .thread_id = "7", .mutation = "append", .event = {"{}"}}),
      publisher.run_event_updated(
          {.run_id = "r", .thread_id = "7", .mutation = "update", .event = {"{}"}}),
      publisher.tool_output_chunk({.run_id = "r",
                                   .thread_id = "7",
                                   .event_id = "e",
                                   .seq_global = 1,
                                   .seq_stream = 1,
                                   .source = "stdout",
                                   .ts = kTime,
                                   .data = "x"}),
      publisher.tool_output_terminal({.run_id = "r",
                                      .thread_id = "7",
                                      .event_id = "e",
                                      .exit_code = 0,
                                      .status = "success",
                                      .bytes_stdout = 1,
                                      .total_chunks = 1,
                                      .ts = kTime})};
  for (const auto& receipt : receipts) EXPECT_TRUE(receipt) << receipt.error;
  EXPECT_TRUE(publisher.thread_activity_changed({.thread_id = "7", .activity = "idle"}));
  EXPECT_TRUE(publisher.thread_reminders_count({.thread_id = "7", .reminders_count = 3}));
  ASSERT_TRUE(publisher.flush(kPatience));

  const std::vector<std::string> rest = {
      R"("rooms":["graph","node:42"],"event":"node_status","payload":{"nodeId":"42","provisionStatus":{"state":"ready"}}})",
      R"("rooms":["graph","node:42"],"event":"node_state","payload":{"nodeId":"42","state":{"a":1},"updatedAt":"2026-02-19T11:59:59Z"}})",
      R"("rooms":["graph","node:42"],"event":"node_reminder_count","payload":{"nodeId":"42","count":2,"updatedAt":"2026-02-19T11:59:59Z"}})",
      R"("rooms":["threads"],"event":"thread_created","payload":{"thread":{"id":"7","alias":"a","summary":null,"status":"open","createdAt":"2026-02-19T11:59:59Z"}}})",
      R"("rooms":["threads"],"event":"thread_updated","payload":{"thread":{"id":"7","alias":"a","summary":"s","status":"open","createdAt":"2026-02-19T11:59:59Z"}}})",
      R"("rooms":["thread:7"],"event":"message_created","payload":{"threadId":"7","message":{"id":"m","kind":"user","text":"hi","source":"web","createdAt":"2026-02-19T11:59:59Z"}}})",
      R"("rooms":["thread:7","run:r"],"event":"run_status_changed","payload":{"threadId":"7","run":{"id":"r","status":"running","threadId":"7","createdAt":"2026-02-19T11:59:59Z","updatedAt":"2026-02-19T11:59:59Z"}}})",
      R"("rooms":["run:r","thread:7"],"event":"run_event_appended","payload":{"runId":"r","mutation":"append","event":{}}})",
      R"("rooms":["run:r","thread:7"],"event":"run_event_updated","payload":{"runId":"r","mutation":"update","event":{}}})",
      R"("rooms":["run:r","thread:7"],"event":"tool_output_chunk","payload":{"runId":"r","threadId":"7","eventId":"e","seqGlobal":1,"seqStream":1,"source":"stdout","ts":"2026-02-19T11:59:59Z","data":"x"}})",
      R"("rooms":["run:r","thread:7"],"event":"tool_output_terminal","payload":{"runId":"r","threadId":"7","eventId":"e","exitCode":0,"status":"success","bytesStdout":1,"bytesStderr":0,"totalChunks":1,"droppedChunks":0,"savedPath":null,"message":null,"ts":"2026-02-19T11:59:59Z"}})",
      R"("rooms":["threads","thread:7"],"event":"thread_activity_changed","payload":{"threadId":"7","activity":"idle"}})",
      R"("rooms":["threads","thread:7"],"event":"thread_reminders_count","payload":{"threadId":"7","remindersCount":3}})"};
  const auto heard = listener_.first(13);
  ASSERT_EQ(heard.size(), 13u);
  for (std::size_t i = 0; i < rest.size(); ++i) {
    EXPECT_EQ(heard[i], R"({"id":"id-)" + std::to_string(i + 1) +
                            R"(","ts":"2026-02-19T12:00:00.123Z","source":"platform-server",)" +
                            rest[i]);
  }
}

TEST_F(PublisherDelivery, WritesItsOwnIdsTimeAndSource) {
  Publisher::Options plain;
  plain.redis_url = redis_.url();
  plain.source = "billing";
  Publisher publisher(plain);
  ASSERT_TRUE(publish_number(publisher, 1));
  EXPECT_THAT(
      listener_.first(1).at(0),
      testing::MatchesRegex(
          "\\{\"id\":\"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\","
          "\"ts\":\"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z\","
          "\"source\":\"billing\",\"rooms\":\\[\"graph\"\\],\"event\":\"test\",\"payload\":1\\}"));
}

TEST_F(PublisherDelivery, PublishesToTheChannelThatItWasGiven) {
  ChannelListener other(redis_.url(), "other");
  auto changed = options();
  changed.channel = "other";
  Publisher publisher(changed);
  ASSERT_TRUE(publish_number(publisher, 1));
  EXPECT_EQ(other.first(1), std::vector<std::string>{numbered_text(1, 1)});
}

TEST_F(PublisherDelivery, KeepsTheOrderOfPipelinedEvents) {
  Publisher publisher(options());
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(publish_number(publisher, i));
  EXPECT_EQ(numbers_of(listener_.first(20'000)), zero_to(20'000));
}

TEST_F(PublisherDelivery, KeepsTheOrderOfEachOfSeveralThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2'000;
  Publisher publisher(options());
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&publisher, t] {
      for (int i = 0; i < kEach; ++i) publish_number(publisher, t * kEach + i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::vector<int>> by_thread(kThreads);
  for (const int number : numbers_of(listener_.first(kThreads * kEach))) {
    by_thread.at(static_cast<std::size_t>(number / kEach)).push_back(number % kEach);
  }
  for (const auto& numbers : by_thread) EXPECT_EQ(numbers, zero_to(kEach));
}

TEST_F(PublisherDelivery, PublishesAHundredThousandEventsAndReportsEachOnce) {
  constexpr int kEvents = 100'000;
  Publisher publisher(options());
  const auto began = steady_clock::now();
  for (int i = 0; i < kEvents; ++i) {
    ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  }
  const auto accepted = steady_clock::now();
  ASSERT_TRUE(publisher.flush(kPatience));
  const auto flushed = steady_clock::now();
  const auto milliseconds_of = [](auto time) {
    return static_cast<long>(std::chrono::duration_cast<milliseconds>(time).count());
  };
  std::printf("%d events: accepted in %ld ms, delivered in %ld ms\n", kEvents,
              milliseconds_of(accepted - began), milliseconds_of(flushed - began));
  EXPECT_EQ(deliveries_.by_status()[Status::kDelivered], 100'000u);
  EXPECT_EQ(deliveries_.most_reports_of_one(), 1u);
  EXPECT_EQ(publisher.counters().delivered, 100'000u);
  EXPECT_EQ(publisher.counters().queued_bytes, 0u);
  EXPECT_EQ(publisher.counters().connects, 1u);
}

TEST_F(PublisherDelivery, PublishesAnEventThatFillsTheEnvelopeToTheLastByte) {
  constexpr std::size_t kMost = 8 * 1024 * 1024;
  const std::size_t around = numbered_text(1, 0).size() - 1;
  const auto text_of = [&](std::size_t size) {
    return "\"" + std::string(size - around - 2, 'x') + "\"";
  };
  Publisher publisher(options());
  ASSERT_TRUE(publisher.publish({"graph"}, "test", text_of(kMost)));
  EXPECT_EQ(listener_.first(1).at(0).size(), kMost);
  const auto refused = publisher.publish({"graph"}, "test", text_of(kMost + 1));
  EXPECT_EQ(refused.admission, Admission::kInvalid);
  EXPECT_EQ(refused.error, "payload: makes the envelope longer than 8388608 bytes");
}

TEST_F(PublisherDelivery, CoalescesThreadMetricsToTheLastValue) {
  auto slow = options();
  slow.coalesce_interval = hours(1);
  Publisher publisher(slow);
  for (int i = 1; i <= 50; ++i) {
    ASSERT_TRUE(publisher.thread_reminders_count({.thread_id = "7", .reminders_count = i},
                                                 deliveries_.callback()));
    ASSERT_TRUE(publisher.thread_activity_changed(
        {.thread_id = "7", .activity = "step " + std::to_string(i)}, deliveries_.callback()));
  }
  ASSERT_TRUE(publisher.flush(kPatience));
  const auto heard = listener_.first(2);
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_THAT(heard[0], testing::EndsWith(R"("payload":{"threadId":"7","remindersCount":50}})"));
  EXPECT_THAT(heard[1], testing::EndsWith(R"("payload":{"threadId":"7","activity":"step 50"}})"));
  EXPECT_EQ(deliveries_.by_status(),
            (std::map<Status, std::size_t>{{Status::kDelivered, 2}, {Status::kSuperseded, 98}}));
  EXPECT_EQ(deliveries_.most_reports_of_one(), 1u);
}

TEST_F(PublisherDelivery, PublishesAThreadMetricWithoutAFlushOnceItsIntervalHasPassed) {
  auto quick = options();
  quick.coalesce_interval = milliseconds(30);
  Publisher publisher(quick);
  const auto began = steady_clock::now();
  ASSERT_TRUE(publisher.thread_activity_changed({.thread_id = "7", .activity = "working"}));
  EXPECT_EQ(listener_.first(1).size(), 1u);
  EXPECT_GE(steady_clock::now() - began, milliseconds(30));
  ASSERT_TRUE(publisher.thread_activity_changed({.thread_id = "7", .activity = "idle"}));
  EXPECT_EQ(listener_.first(2).size(), 2u);
}

TEST_F(PublisherDelivery, AnInvalidEventIsRefusedWithTheFieldAndNothingIsPublished) {
  Publisher publisher(options());
  const auto refused = publisher.node_status({.node_id = "42", .provision_status = {.state = "up"}},
                                             deliveries_.callback());
  EXPECT_EQ(refused.admission, Admission::kInvalid);
  EXPECT_EQ(refused.error,
            "payload.provisionStatus.state: must be one of not_ready, provisioning, ready, "
            "deprovisioning, provisioning_error, deprovisioning_error");
  ASSERT_TRUE(publish_number(publisher, 1));
  ASSERT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(numbers_of(listener_.first(1)), std::vector<int>{1});
  EXPECT_TRUE(deliveries_.by_status().empty());
  EXPECT_EQ(publisher.counters().invalid, 1u);
  EXPECT_EQ(publisher.counters().accepted, 1u);
}

TEST_F(PublisherDelivery, ACallbackMayPublishAndItsFlushNeverWaits) {
  std::promise<bool> flushed;
  Publisher publisher(options());
  ASSERT_TRUE(publish_number(publisher, 1, [&](const Publisher::Delivery&) {
    publish_number(publisher, 2);
    flushed.set_value(publisher.flush(hours(1)));
  }));
  EXPECT_FALSE(flushed.get_future().get());
  EXPECT_EQ(numbers_of(listener_.first(2)), (std::vector<int>{1, 2}));
}

TEST_F(PublisherDelivery, ACallbackThatThrowsIsToldToTheLogAndCostsNothing) {
  std::vector<std::string> lines;  // of the private thread, until the close
  auto logging = options();
  logging.log = [&](std::string_view line) { lines.emplace_back(line); };
  Publisher publisher(logging);
  ASSERT_TRUE(publish_number(
      publisher, 1, [](const Publisher::Delivery&) { throw std::runtime_error("oh no"); }));
  ASSERT_TRUE(publish_number(publisher, 2, [](const Publisher::Delivery&) { throw 2; }));
  ASSERT_TRUE(publish_number(publisher, 3, deliveries_.callback()));
  EXPECT_TRUE(publisher.flush(kPatience));
  publisher.close();
  EXPECT_EQ(deliveries_.by_status()[Status::kDelivered], 1u);
  EXPECT_EQ(publisher.counters().delivered, 3u);
  EXPECT_THAT(lines, testing::IsSupersetOf(
                         {"the delivery callback of event id-1 threw: oh no",
                          "the delivery callback of event id-2 threw: no std::exception"}));
}

TEST_F(PublisherDelivery, ReportsWhatRedisRefuses) {
  RedisServer strict(configured({"user mute on >secret +@all -publish ~* &*"}));
  auto mute = options();
  mute.redis_url = "redis://mute:secret@127.0.0.1:" + std::to_string(strict.port());
  Publisher publisher(mute);
  ASSERT_TRUE(publish_number(publisher, 1, deliveries_.callback()));
  const auto delivery = deliveries_.first(1).at(0);
  EXPECT_EQ(delivery.status, Status::kRefused);
  EXPECT_THAT(delivery.detail, testing::HasSubstr("NOPERM"));
  EXPECT_EQ(publisher.counters().refused, 1u);
}

// Redis would see the connection open for as long as they run.
TEST_F(PublisherDelivery, ProgramsThatAreStartedDoNotInheritTheConnection) {
  Publisher publisher(options());
  ASSERT_TRUE(publish_number(publisher, 1));
  ASSERT_TRUE(publisher.flush(kPatience));
  int connections = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0 ||
        peer.sin_family != AF_INET || ntohs(peer.sin_port) != redis_.port()) {
      continue;
    }
    ++connections;
    EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << fd;
  }
  EXPECT_GE(connections, 2);  // the publisher's and the listener's
}

TEST_F(PublisherDelivery, LogsInWithAPasswordAndNamesItself) {
  RedisServer guarded(guarded_by("open-sesame"));
  Publisher publisher(options_for(guarded.url()));
  ASSERT_TRUE(publish_number(publisher, 1, deliveries_.callback()));
  EXPECT_EQ(deliveries_.first(1).at(0).status, Status::kDelivered);
  EXPECT_THAT(guarded.command({"CLIENT", "LIST"}).text,
              testing::HasSubstr("name=notifications-publisher"));
}

}  // namespace
}  // namespace notifications::test
