#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/replay_window.h"
#include "core/runtime/replayer.h"
#include "tests/integration/grpc_gateway.h"

namespace notifications::server {
namespace {

TestGateway::Options with_journal(JournalOptions journal = {}) {
  TestGateway::Options options;
  options.journal = journal;
  return options;
}

v1::StreamRequest resume(const std::vector<std::string>& names, const std::string& after) {
  v1::StreamRequest request = rooms(names);
  request.set_resume_after(after);
  return request;
}

class GrpcResume : public testing::Test {
 protected:
  // Publishes "<n>" to a room; the event's position.
  std::string publish(int n, const std::string& room = "graph", const std::string& id = "") {
    v1::PublishRequest request;
    request.set_event("e");
    request.add_rooms(room);
    request.set_payload_json(std::to_string(n));
    request.set_id(id);
    v1::PublishResponse response;
    EXPECT_TRUE(client_.publish(request, &response).ok());
    EXPECT_NE(response.position(), "");
    return response.position();
  }

  TestGateway gateway_{with_journal()};
  TestClient client_{gateway_.address()};
};

TEST_F(GrpcResume, EventsCarryThePositionThatPublishAnswered) {
  TestStream stream(client_, rooms({"graph"}));
  const v1::StreamResponse first = stream.next();
  ASSERT_TRUE(first.has_opened());
  EXPECT_NE(first.opened().position(), "");
  const std::string position = publish(1);
  EXPECT_EQ(stream.envelope().position(), position);
}

TEST_F(GrpcResume, BringsWhatWasMissedAndThenLiveEvents) {
  const std::string seen = publish(1);
  publish(2);
  publish(3, "threads");
  publish(4);
  TestStream stream(client_, resume({"graph"}, seen));
  ASSERT_TRUE(stream.opened());
  EXPECT_EQ(stream.payload(), "2");
  EXPECT_EQ(stream.payload(), "4");
  publish(5);
  EXPECT_EQ(stream.payload(), "5");
}

TEST_F(GrpcResume, CursorAtTheEndMissesNothing) {
  const std::string seen = publish(1);
  TestStream stream(client_, resume({"graph"}, seen));
  ASSERT_TRUE(stream.opened());
  publish(2);
  EXPECT_EQ(stream.payload(), "2");
}

TEST_F(GrpcResume, UnknownCursorIsAGapAndEverythingHeld) {
  publish(1);
  TestStream stream(client_, resume({"graph"}, "nonsense"));
  ASSERT_TRUE(stream.opened());
  const v1::StreamResponse gap = stream.next();
  ASSERT_TRUE(gap.has_gap());
  EXPECT_EQ(gap.gap().after(), "nonsense");
  EXPECT_NE(gap.gap().resumes_at(), "");
  EXPECT_EQ(stream.payload(), "1");
  publish(2);
  EXPECT_EQ(stream.payload(), "2");
}

TEST_F(GrpcResume, RepeatedIdIsDeliveredOnceAndAnsweredAlike) {
  TestStream stream(client_, rooms({"graph"}));
  ASSERT_TRUE(stream.opened());
  const std::string first = publish(1, "graph", "same");
  EXPECT_EQ(publish(2, "graph", "same"), first);
  publish(3);
  EXPECT_EQ(stream.payload(), "1");
  EXPECT_EQ(stream.payload(), "3");
}

// Each stream takes a few events and goes, while more are published; the next one resumes.
TEST_F(GrpcResume, LosesAndRepeatsNothingUnderLoad) {
  constexpr int kEvents = 3000;
  std::string cursor = publish(0);
  std::thread load([this] {
    for (int i = 1; i <= kEvents; ++i) publish(i);
  });
  int expected = 1;
  while (expected <= kEvents) {
    TestStream stream(client_, resume({"graph"}, cursor));
    ASSERT_TRUE(stream.opened());
    for (int taken = 0; taken < 40 && expected <= kEvents; ++taken, ++expected) {
      const v1::Envelope envelope = stream.envelope();
      ASSERT_EQ(envelope.payload_json(), std::to_string(expected));
      cursor = envelope.position();
    }
  }
  load.join();
}

// Far more than a stream may hold back.
TEST(GrpcResumeBacklog, DoesNotEndAStreamThatKeepsReading) {
  TestGateway::Options options = with_journal();
  options.limits.max_outbound_bytes = 20'000;
  TestGateway gateway(options);
  TestClient client(gateway.address());
  v1::PublishRequest request;
  request.set_event("e");
  request.add_rooms("graph");
  request.set_payload_json("\"" + std::string(5000, 'x') + "\"");
  v1::PublishResponse first;
  ASSERT_TRUE(client.publish(request, &first).ok());
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(client.publish(request).ok());
  TestStream stream(client, resume({"graph"}, first.position()));
  ASSERT_TRUE(stream.opened());
  for (int i = 0; i < 400; ++i) ASSERT_EQ(stream.payload(), request.payload_json());
}

// A journal that is away for good.
class SilentJournal final : public Journal {
 public:
  void read(std::optional<StreamId>, std::size_t, std::function<void(JournalPage)> done) override {
    held_.push_back(std::move(done));
  }
  void take(std::string, std::function<void(SessionResult, SessionRecord)>) override {}
  void save(SessionRecord, bool, std::function<void(SessionResult)>) override {}
  void forget(std::string, std::uint64_t) override {}
  void on_taken(std::function<void(std::string_view, std::uint64_t)>) override {}

 private:
  std::vector<std::function<void(JournalPage)>> held_;
};

TEST(GrpcResumeWithoutItsJournal, WaitsAndHoldsUpNeitherTheClientNorTheEnd) {
  BrokerLoop loop;
  SilentJournal journal;
  const ReplayWindow never_started(1 << 20);
  Metrics metrics;
  Replayer replayer(loop.io, journal, never_started, nullptr, metrics);
  TestGateway::Options options;
  options.replayer = &replayer;
  TestGateway gateway(options);
  TestClient client(gateway.address());
  {
    TestStream leaves(client, resume({"graph"}, "e.1-0"));
    ASSERT_TRUE(eventually([&] { return gateway.metric("notifications_connections") == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return gateway.metric("notifications_connections") == 0; }));
  TestStream stays(client, rooms({"graph"}));
  ASSERT_TRUE(eventually([&] { return gateway.metric("notifications_connections") == 1; }));
  const auto start = std::chrono::steady_clock::now();
  gateway.front->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(5));
  EXPECT_FALSE(stays.end().ok());
}

}  // namespace
}  // namespace notifications::server
