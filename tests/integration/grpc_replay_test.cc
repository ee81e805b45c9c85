#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/integration/grpc_gateway.h"

namespace notifications::server {
namespace {

using grpc::StatusCode;

v1::StreamRequest resume(const std::vector<std::string>& names, const std::string& after) {
  v1::StreamRequest request = rooms(names);
  request.set_resume_after(after);
  return request;
}

// A gateway with a journal in memory, and who publishes to it.
class Journaling {
 public:
  explicit Journaling(JournalOptions journal, StreamLimits limits = {})
      : gateway(options(journal, limits)), client(gateway.address()) {}

  // The event's position. The payload is the number, or an array of it and the padding.
  std::string publish(int n, const std::string& room = "graph", std::size_t padding = 0,
                      const std::string& event = "e") {
    v1::PublishRequest request;
    request.set_event(event);
    request.add_rooms(room);
    request.set_payload_json(payload(n, padding));
    v1::PublishResponse response;
    EXPECT_TRUE(client.publish(request, &response).ok());
    return response.position();
  }
  // The positions, by number: [0] is that of `first`.
  std::vector<std::string> publish_all(int first, int last, std::size_t padding = 0) {
    std::vector<std::string> positions;
    for (int n = first; n <= last; ++n) positions.push_back(publish(n, "graph", padding));
    return positions;
  }
  static std::string payload(int n, std::size_t padding) {
    if (padding == 0) return std::to_string(n);
    return "[" + std::to_string(n) + ",\"" + std::string(padding, 'x') + "\"]";
  }

  TestGateway gateway;
  TestClient client;

 private:
  static TestGateway::Options options(JournalOptions journal, StreamLimits limits) {
    TestGateway::Options options;
    options.journal = journal;
    options.limits = limits;
    return options;
  }
};

// Nothing but the last event is in the window: older cursors are read from the journal.
JournalOptions without_window(std::uint64_t max_length = 1'000'000) {
  JournalOptions options;
  options.warm_bytes = 1;
  options.max_length = max_length;
  return options;
}

void expect_payloads(TestStream& stream, int first, int last) {
  for (int n = first; n <= last; ++n) ASSERT_EQ(stream.payload(), std::to_string(n));
}

// Takes a gap after `cursor`; where it goes on.
std::string expect_gap(TestStream& stream, const std::string& cursor) {
  const v1::StreamResponse opened = stream.next();
  EXPECT_TRUE(opened.has_opened());
  const v1::StreamResponse gap = stream.next();
  EXPECT_TRUE(gap.has_gap());
  EXPECT_EQ(gap.gap().after(), cursor);
  EXPECT_EQ(gap.gap().resumes_at(), opened.opened().position());
  return gap.gap().resumes_at();
}

TEST(GrpcReplay, OpenedIsTheCursorOfAStreamThatSawNoEvent) {
  Journaling journal(without_window());
  const std::string last = journal.publish(1);
  std::string cursor;
  {
    TestStream fresh(journal.client, rooms({"graph"}));
    cursor = fresh.next().opened().position();
    EXPECT_EQ(cursor, last);
  }
  journal.publish_all(2, 4);
  TestStream back(journal.client, resume({"graph"}, cursor));
  EXPECT_EQ(back.next().opened().position(), cursor);
  expect_payloads(back, 2, 4);
}

class GrpcTrimmed : public testing::Test {
 protected:
  Journaling journal_{without_window(5)};
  const std::vector<std::string> positions_ = journal_.publish_all(1, 20);

  // A gap after `cursor`, all that is held, and then live events.
  void expect_gap_and_all(const std::string& cursor) {
    TestStream stream(journal_.client, resume({"graph"}, cursor));
    EXPECT_EQ(expect_gap(stream, cursor), positions_[14]);
    expect_payloads(stream, 16, 20);
    journal_.publish(21);
    expect_payloads(stream, 21, 21);
  }
};

TEST_F(GrpcTrimmed, CursorOlderThanTheJournalIsAGap) { expect_gap_and_all(positions_[3]); }
TEST_F(GrpcTrimmed, MalformedCursorIsAGap) { expect_gap_and_all("no cursor"); }
TEST_F(GrpcTrimmed, CursorOfAnotherEpochIsAGap) { expect_gap_and_all("another.1-0"); }
TEST_F(GrpcTrimmed, CursorBehindTheEndIsAGap) {
  const std::string epoch = positions_[0].substr(0, positions_[0].find('.'));
  expect_gap_and_all(epoch + ".99999999999999-0");
}

TEST_F(GrpcTrimmed, CursorRightBeforeTheOldestEventMissesNothing) {
  TestStream stream(journal_.client, resume({"graph"}, positions_[14]));
  EXPECT_EQ(stream.next().opened().position(), positions_[14]);
  expect_payloads(stream, 16, 20);
}

TEST(GrpcReplay, BringsOnlyWhatTheStreamAsksFor) {
  Journaling journal(without_window());
  const std::string cursor = journal.publish(0);
  journal.publish(1, "thread:a", 0, "wanted");
  journal.publish(2, "thread:b", 0, "other");
  journal.publish(3, "run:a", 0, "wanted");
  journal.publish(4, "THREAD:c", 0, "wanted");
  journal.publish(5, "graph", 0, "wanted");
  journal.publish(6, "threads", 0, "wanted");
  v1::StreamRequest request = resume({"thread:*", "graph", "thread:a"}, cursor);
  request.add_events("wanted");
  TestStream stream(journal.client, request);
  ASSERT_TRUE(stream.opened());
  journal.publish(7, "thread:a", 0, "other");
  journal.publish(8, "thread:a", 0, "wanted");
  for (const char* payload : {"1", "4", "5", "8"}) EXPECT_EQ(stream.payload(), payload);
}

// A stream that is read by hand, over a connection whose window stays small: what is not read
// stays with the server.
class PacedStream {
 public:
  PacedStream(const std::string& address, const v1::StreamRequest& request)
      : client_(address, small_window()), reader_(client_.stub->Stream(&context_, request)) {
    EXPECT_EQ(next().kind_case(), v1::StreamResponse::kOpened);
  }
  ~PacedStream() {
    context_.TryCancel();
    finish();
  }

  // One without a kind at the end.
  v1::StreamResponse next() {
    v1::StreamResponse message;
    if (!reader_->Read(&message)) message.Clear();
    return message;
  }
  grpc::Status finish() {
    v1::StreamResponse ignored;
    while (!status_ && reader_->Read(&ignored)) continue;
    if (!status_) status_ = reader_->Finish();
    return *status_;
  }
  void cancel() { context_.TryCancel(); }

 private:
  static grpc::ChannelArguments small_window() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    return arguments;
  }

  TestClient client_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::StreamResponse>> reader_;
  std::optional<grpc::Status> status_;
};

// 5 MB behind, of which a stream may hold back 20 kB, and more comes in all the time.
TEST(GrpcReplay, LargeBacklogReachesASlowButSteadyReaderWhileOthersPublish) {
  constexpr int kBacklog = 1000;
  constexpr int kLive = 400;
  constexpr std::size_t kPadding = 5000;
  Journaling journal(without_window(), {20'000, milliseconds(2000)});
  const std::string cursor = journal.publish(0);
  journal.publish_all(1, kBacklog, kPadding);
  PacedStream stream(journal.gateway.address(), resume({"graph"}, cursor));
  std::thread load([&] {
    for (int n = kBacklog + 1; n <= kBacklog + kLive; ++n) {
      journal.publish(n, "graph", kPadding);
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  int n = 1;
  for (; n <= kBacklog + kLive; ++n) {
    const v1::StreamResponse message = stream.next();
    if (message.envelope().payload_json() != Journaling::payload(n, kPadding)) break;
    if (n <= kBacklog) std::this_thread::sleep_for(milliseconds(1));
  }
  load.join();
  EXPECT_EQ(n, kBacklog + kLive + 1);
  EXPECT_EQ(journal.gateway.metric("notifications_slow_evictions_total"), 0);
}

TEST(GrpcReplay, ReaderThatStopsDuringItIsEnded) {
  Journaling journal(without_window(), {20'000, milliseconds(300)});
  const std::string cursor = journal.publish(0);
  journal.publish_all(1, 400, 5000);
  PacedStream stream(journal.gateway.address(), resume({"graph"}, cursor));
  ASSERT_TRUE(stream.next().has_envelope());
  ASSERT_TRUE(eventually([&] { return journal.gateway.ended("write_stalled") == 1; }));
  EXPECT_FALSE(stream.finish().ok());
}

TEST(GrpcReplay, CancelDuringItLeavesNothingBehind) {
  Journaling journal(without_window(), {20'000, seconds(60)});
  const std::string cursor = journal.publish(0);
  journal.publish_all(1, 400, 5000);
  for (int i = 0; i < 20; ++i) {
    PacedStream stream(journal.gateway.address(), resume({"graph"}, cursor));
    for (int n = 1; n <= i; ++n) ASSERT_TRUE(stream.next().has_envelope());
    stream.cancel();
    EXPECT_EQ(stream.finish().error_code(), StatusCode::CANCELLED);
  }
  EXPECT_TRUE(eventually([&] { return journal.gateway.metric("notifications_connections") == 0; }));
}

TEST(GrpcReplay, DrainDuringItEndsTheStreamWithoutAHole) {
  constexpr int kEvents = 400;
  Journaling journal(without_window(), {20'000, seconds(60)});
  const std::string cursor = journal.publish(0);
  journal.publish_all(1, kEvents, 5000);
  PacedStream stream(journal.gateway.address(), resume({"graph"}, cursor));
  std::promise<void> drained;
  journal.gateway.front->drain(milliseconds(10), [&] { drained.set_value(); });
  int n = 1;
  for (v1::StreamResponse message = stream.next(); message.has_envelope(); ++n) {
    ASSERT_EQ(message.envelope().payload_json(), Journaling::payload(n, 5000));
    std::this_thread::sleep_for(milliseconds(1));  // slower than the drain
    message = stream.next();
  }
  EXPECT_EQ(stream.finish().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(stream.finish().error_message(), "draining");
  EXPECT_LT(n, kEvents);  // it did not wait for the whole backlog
  EXPECT_EQ(drained.get_future().wait_for(kPatience), std::future_status::ready);
}

TEST(GrpcReplay, ManyStreamsReadTheJournalAtOnceAndEachGetsAll) {
  constexpr int kEvents = 300;
  Journaling journal(without_window(), {20'000, seconds(10)});
  const std::string cursor = journal.publish(0);
  journal.publish_all(1, kEvents, 500);
  std::vector<std::unique_ptr<TestStream>> streams;
  for (int i = 0; i < 30; ++i) {
    streams.push_back(std::make_unique<TestStream>(journal.client, resume({"graph"}, cursor)));
  }
  journal.publish(kEvents + 1, "graph", 500);
  for (const auto& stream : streams) {
    ASSERT_TRUE(stream->opened());
    for (int n = 1; n <= kEvents + 1; ++n) {
      ASSERT_EQ(stream->payload(), Journaling::payload(n, 500));
    }
  }
}

}  // namespace
}  // namespace notifications::server
