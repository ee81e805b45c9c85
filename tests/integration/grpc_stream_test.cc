#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/grpc_gateway.h"

namespace notifications::server {
namespace {

using grpc::StatusCode;

TEST(GrpcStream, SendsOpenedFirstAndThenEvents) {
  TestGateway gateway;
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"graph"}));
  const v1::StreamResponse first = stream.next();
  ASSERT_TRUE(first.has_opened());
  EXPECT_EQ(first.opened().position(), "");
  ASSERT_TRUE(client.publish("node_status", {"graph", "node:42"}, R"({"a": 1})", "id-1").ok());
  const v1::Envelope envelope = stream.envelope();
  EXPECT_EQ(envelope.id(), "id-1");
  EXPECT_EQ(envelope.source(), "operator");
  EXPECT_EQ(envelope.event(), "node_status");
  ASSERT_EQ(envelope.rooms_size(), 2);
  EXPECT_EQ(envelope.rooms(1), "node:42");
  EXPECT_EQ(envelope.payload_json(), R"({"a": 1})");
  EXPECT_EQ(envelope.position(), "");
  EXPECT_GT(envelope.ts().seconds(), 1'600'000'000);
}

// Whatever is published after a client saw `opened` reaches it: no event may fall in between.
TEST(GrpcStream, IsLiveOnceOpenedWasSeen) {
  TestGateway gateway;
  TestClient client(gateway.address());
  for (int i = 0; i < 100; ++i) {
    TestStream stream(client, rooms({"thread:" + std::to_string(i)}));
    ASSERT_TRUE(stream.opened());
    ASSERT_TRUE(client.publish("e", {"thread:" + std::to_string(i)}, std::to_string(i)).ok());
    ASSERT_EQ(stream.payload(), std::to_string(i));
  }
}

TEST(GrpcStream, DeliversOnceWhateverNumberOfRoomsMatch) {
  TestGateway gateway;
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"graph", "node:1", "node:*", "*"}));
  ASSERT_TRUE(stream.opened());
  ASSERT_TRUE(client.publish("e", {"graph", "node:1", "graph"}, "1").ok());
  ASSERT_TRUE(client.publish("e", {"threads"}, "2").ok());
  EXPECT_EQ(stream.payload(), "1");
  EXPECT_EQ(stream.payload(), "2");
}

TEST(GrpcStream, DeliversInOrderToTwentyStreams) {
  constexpr int kEvents = 500;
  TestGateway gateway;
  TestClient client(gateway.address());
  std::vector<std::unique_ptr<TestStream>> streams;
  for (int i = 0; i < 20; ++i) {
    streams.push_back(std::make_unique<TestStream>(client, rooms({"graph"})));
    ASSERT_TRUE(streams.back()->opened());
  }
  for (int i = 0; i < kEvents; ++i)
    ASSERT_TRUE(client.publish("e", {"graph"}, std::to_string(i)).ok());
  for (const auto& stream : streams)
    for (int i = 0; i < kEvents; ++i) ASSERT_EQ(stream->payload(), std::to_string(i));
}

// Events of one room that come together: each stream gets those it wants, in its format.
TEST(GrpcStream, TakesARunOfEventsAtOnce) {
  constexpr int kEvents = 60;
  TestGateway gateway;
  TestClient client(gateway.address());
  v1::StreamRequest some = rooms({"graph"});
  some.add_events("odd");
  v1::StreamRequest values = rooms({"graph"});
  values.set_payload_format(v1::PAYLOAD_FORMAT_VALUE);
  v1::StreamRequest none = rooms({"graph"});
  none.add_events("other");
  TestStream all(client, rooms({"graph", "*"}));
  TestStream odd(client, some);
  TestStream structured(client, values);
  TestStream silent(client, none);
  for (TestStream* stream : {&all, &odd, &structured, &silent}) ASSERT_TRUE(stream->opened());
  std::vector<std::string> envelopes;
  for (int i = 0; i < kEvents; ++i) {
    envelopes.push_back(R"({"id":"i","ts":"2026-02-19T12:00:00.000Z","source":"s",)"
                        R"("rooms":["graph"],"event":")" +
                        std::string(i % 2 == 0 ? "even" : "odd") + R"(","payload":)" +
                        std::to_string(i) + "}");
  }
  gateway.receive(envelopes);
  gateway.receive(envelopes);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kEvents; ++i) {
      ASSERT_EQ(all.payload(), std::to_string(i));
      ASSERT_EQ(structured.envelope().payload_value().number_value(), i);
      if (i % 2 == 1) {
        ASSERT_EQ(odd.payload(), std::to_string(i));
      }
    }
  }
  EXPECT_EQ(silent.unread(), 0u);
  EXPECT_EQ(odd.unread(), 0u);
}

// What comes at once to an idle stream may be more than may wait for it.
TEST(GrpcStream, ARunBeyondTheBoundEndsTheStreamAsSlow) {
  TestGateway::Options options;
  options.limits.max_outbound_bytes = 1000;
  TestGateway gateway(options);
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"graph"}));
  ASSERT_TRUE(stream.opened());
  const std::string envelope =
      R"({"id":"i","ts":"2026-02-19T12:00:00.000Z","source":"s","rooms":["graph"],"event":"e",)"
      R"("payload":")" +
      std::string(300, 'x') + "\"}";
  gateway.receive(std::vector<std::string>(20, envelope));
  EXPECT_EQ(stream.end().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(gateway.ended("queue_full"), 1);
}

// We compress nothing, but read it.
TEST(GrpcStream, ReadsRequestsThatClientsCompress) {
  TestGateway gateway;
  grpc::ChannelArguments arguments;
  arguments.SetCompressionAlgorithm(GRPC_COMPRESS_GZIP);
  TestClient client(gateway.address(), arguments);
  TestStream stream(client, rooms(std::vector<std::string>(100, "graph")));
  ASSERT_TRUE(stream.opened());
  const std::string payload = '"' + std::string(10'000, 'x') + '"';
  ASSERT_TRUE(client.publish("e", {"graph"}, payload).ok());
  EXPECT_EQ(stream.payload(), payload);
}

TEST(GrpcStream, MatchesPatternsWithoutRegardToCaseAndRoomsExactly) {
  TestGateway gateway;
  TestClient client(gateway.address());
  TestStream threads(client, rooms({"THREAD:*"}));
  TestStream exact(client, rooms({"thread:A"}));
  TestStream all(client, rooms({"*"}));
  ASSERT_TRUE(threads.opened() && exact.opened() && all.opened());
  ASSERT_TRUE(client.publish("e", {"graph"}, "1").ok());
  ASSERT_TRUE(client.publish("e", {"Thread:A"}, "2").ok());
  ASSERT_TRUE(client.publish("e", {"thread:a"}, "3").ok());
  ASSERT_TRUE(client.publish("e", {"threads"}, "4").ok());
  ASSERT_TRUE(client.publish("e", {"thread:A"}, "5").ok());
  EXPECT_EQ(exact.payload(), "5");
  EXPECT_EQ(threads.payload(), "2");
  EXPECT_EQ(threads.payload(), "3");
  EXPECT_EQ(threads.payload(), "5");
  for (const char* payload : {"1", "2", "3", "4", "5"}) EXPECT_EQ(all.payload(), payload);
}

TEST(GrpcStream, LeavesOutEventsThatWereNotAskedFor) {
  TestGateway gateway;
  TestClient client(gateway.address());
  v1::StreamRequest request = rooms({"graph"});
  request.add_events("b");
  request.add_events("d");
  TestStream stream(client, request);
  ASSERT_TRUE(stream.opened());
  for (const char* event : {"a", "b", "c", "d"}) ASSERT_TRUE(client.publish(event, {"graph"}).ok());
  EXPECT_EQ(stream.envelope().event(), "b");
  EXPECT_EQ(stream.envelope().event(), "d");
}

TEST(GrpcStream, GivesEachStreamTheFormatItAskedFor) {
  TestGateway gateway;
  TestClient client(gateway.address());
  v1::StreamRequest request = rooms({"graph"});
  TestStream as_json(client, request);
  request.set_payload_format(v1::PAYLOAD_FORMAT_VALUE);
  TestStream as_value(client, request);
  ASSERT_TRUE(as_json.opened() && as_value.opened());
  ASSERT_TRUE(client.publish("e", {"graph"}, R"({"n": 7})").ok());
  ASSERT_TRUE(client.publish("e", {"graph"}, R"({"n": 9007199254740993})").ok());
  EXPECT_EQ(as_json.payload(), R"({"n": 7})");
  EXPECT_EQ(as_value.envelope().payload_value().struct_value().fields().at("n").number_value(), 7);
  EXPECT_EQ(as_value.envelope().payload_json(), R"({"n": 9007199254740993})");
}

TEST(GrpcStream, KeepsThePayloadByteForByte) {
  TestGateway gateway;
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"*"}));
  ASSERT_TRUE(stream.opened());
  const std::string big = "\"" + std::string(500'000, 'x') + "\\u2028\u2028\"";
  for (const std::string& payload :
       {std::string(R"({"n":123456789012345678901234567890,"b":1e400,"b":2,"a":"\ud800\/"})"), big,
        std::string("[ 1,\t2 ]")}) {
    ASSERT_TRUE(client.publish("e", {"graph"}, payload).ok());
    EXPECT_EQ(stream.payload(), payload);
  }
}

TEST(GrpcStream, CarriesTheLargestEnvelope) {
  TestGateway gateway;
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"*"}));
  ASSERT_TRUE(stream.opened());
  const std::string payload = "\"" + std::string((8 << 20) - 300, 'x') + "\"";
  ASSERT_TRUE(client.publish("e", {"graph"}, payload).ok());
  ASSERT_TRUE(client.publish("e", {"graph"}, payload).ok());
  EXPECT_EQ(stream.payload(), payload);
  EXPECT_EQ(stream.payload(), payload);
}

struct BadRequest {
  const char* name;
  v1::StreamRequest request;
  StatusCode code;
  std::string message;  // its beginning
};

TEST(GrpcStream, AnswersBadRequestsWithTheFieldsName) {
  TestGateway gateway;
  TestClient client(gateway.address());
  std::vector<BadRequest> cases;
  cases.push_back({"no room", rooms({}), StatusCode::INVALID_ARGUMENT, "rooms: "});
  cases.push_back({"bad room", rooms({"graph", "thread:"}), StatusCode::INVALID_ARGUMENT,
                   "rooms[1]: \"thread:\" "});
  cases.push_back(
      {"bad pattern", rooms({"thread:1*"}), StatusCode::INVALID_ARGUMENT, "rooms[0]: "});
  cases.push_back({"empty event", rooms({"*"}), StatusCode::INVALID_ARGUMENT, "events[0]: "});
  cases.back().request.add_events("");
  cases.push_back({"format", rooms({"*"}), StatusCode::INVALID_ARGUMENT, "payload_format: "});
  cases.back().request.set_payload_format(static_cast<v1::PayloadFormat>(77));
  cases.push_back({"cursor", rooms({"*"}), StatusCode::INVALID_ARGUMENT, "resume_after: "});
  cases.back().request.set_resume_after(std::string(257, 'x'));
  for (const BadRequest& bad : cases) {
    TestStream stream(client, bad.request);
    const grpc::Status status = stream.end();
    EXPECT_EQ(status.error_code(), bad.code) << bad.name;
    EXPECT_EQ(status.error_message().substr(0, bad.message.size()), bad.message) << bad.name;
  }
  EXPECT_EQ(gateway.metric("notifications_grpc_streams_refused_total"), 6);
  EXPECT_EQ(gateway.metric("notifications_connects_total"), 0);
}

TEST(GrpcStream, AnswersACursorWithAGapWhereThereIsNoJournal) {
  TestGateway gateway;
  TestClient client(gateway.address());
  v1::StreamRequest request = rooms({"graph"});
  request.set_resume_after("epoch.1-0");
  TestStream stream(client, request);
  const v1::StreamResponse opened = stream.next();
  ASSERT_TRUE(opened.has_opened());
  EXPECT_EQ(opened.opened().position(), "");
  const v1::StreamResponse gap = stream.next();
  ASSERT_TRUE(gap.has_gap());
  EXPECT_EQ(gap.gap().after(), "epoch.1-0");
  EXPECT_EQ(gap.gap().resumes_at(), "");
}

TEST(GrpcStream, GoesWhenTheClientCancels) {
  TestGateway gateway;
  TestClient client(gateway.address());
  {
    TestStream stream(client, rooms({"graph"}));
    ASSERT_TRUE(stream.opened());
    EXPECT_EQ(gateway.metric("notifications_connections"), 1);
  }
  EXPECT_TRUE(eventually([&] { return gateway.metric("notifications_connections") == 0; }));
  EXPECT_EQ(gateway.ended("client_left"), 1);
}

TEST(GrpcStream, SurvivesClientsThatCancelUnderLoad) {
  TestGateway gateway;
  TestClient publisher(gateway.address());
  std::atomic<bool> stop = false;
  std::thread load([&] {
    const std::string payload = "\"" + std::string(2000, 'x') + "\"";
    while (!stop) EXPECT_TRUE(publisher.publish("e", {"graph"}, payload).ok());
  });
  {
    TestClient client(gateway.address());
    TestStream steady(client, rooms({"graph"}));
    ASSERT_TRUE(steady.opened());
    for (int i = 0; i < 200; ++i) {
      TestStream brief(client, rooms({"graph", "*"}));
      if (i % 3 != 0) {
        ASSERT_TRUE(brief.opened());
      }
      if (i % 3 == 2) {
        ASSERT_TRUE(brief.next().has_envelope());
      }
    }
    stop = true;
    load.join();
    EXPECT_GT(steady.unread(), 0u);
  }
  EXPECT_TRUE(eventually([&] { return gateway.metric("notifications_connections") == 0; }));
  // Some were cancelled before they left the client.
  EXPECT_GE(gateway.metric("notifications_connects_total"), 134);
  EXPECT_EQ(gateway.metric("notifications_disconnects_total"),
            gateway.metric("notifications_connects_total"));
}

// A stream that is opened and never read: HTTP/2's flow control stops its data.
class SilentStream {
 public:
  SilentStream(TestClient& client, const v1::StreamRequest& request)
      : reader_(client.stub->Stream(&context_, request)) {
    v1::StreamResponse opened;
    EXPECT_TRUE(reader_->Read(&opened));
  }
  // Reads what there is; the number of events, and the status.
  std::pair<int, grpc::Status> read_to_the_end() {
    int events = 0;
    v1::StreamResponse message;
    while (reader_->Read(&message)) ++events;
    return {events, reader_->Finish()};
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::StreamResponse>> reader_;
};

grpc::ChannelArguments without_bandwidth_probing() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return arguments;
}

TEST(GrpcStream, SlowConsumerEndsOverItsQueueAndOthersStillReceive) {
  TestGateway::Options options;
  options.limits.max_outbound_bytes = 100'000;
  options.limits.write_timeout = seconds(60);
  TestGateway gateway(options);
  TestClient publisher(gateway.address());
  TestClient slow_client(gateway.address(), without_bandwidth_probing());
  SilentStream slow(slow_client, rooms({"graph"}));
  TestStream good(publisher, rooms({"graph"}));
  ASSERT_TRUE(good.opened());
  const std::string payload = "\"" + std::string(10'000, 'x') + "\"";
  int published = 0;
  while (gateway.ended("queue_full") == 0 && published < 1000) {
    ASSERT_TRUE(publisher.publish("e", {"graph"}, payload).ok());
    ASSERT_EQ(good.payload(), payload);
    ++published;
  }
  EXPECT_EQ(gateway.metric("notifications_slow_evictions_total"), 1);
  // Once it reads again, it gets what was on its way, and then the reason.
  const auto [events, status] = slow.read_to_the_end();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "slow consumer: too much data waits to be read");
  EXPECT_GT(events, 0);
  EXPECT_LT(events, published);
}

TEST(GrpcStream, StalledConsumerEndsAfterTheWriteTimeout) {
  TestGateway::Options options;
  options.limits.write_timeout = milliseconds(300);
  TestGateway gateway(options);
  TestClient publisher(gateway.address());
  TestClient slow_client(gateway.address(), without_bandwidth_probing());
  SilentStream slow(slow_client, rooms({"graph"}));
  // One publication, larger than any window.
  const std::string payload = "\"" + std::string(3'000'000, 'x') + "\"";
  ASSERT_TRUE(publisher.publish("e", {"graph"}, payload).ok());
  ASSERT_TRUE(eventually([&] { return gateway.ended("write_stalled") == 1; }));
  // Its status cannot be written either, so that in the end the call is cut.
  ASSERT_TRUE(eventually([&] { return gateway.metric("notifications_connections") == 0; }));
  EXPECT_EQ(slow.read_to_the_end().second.error_code(), StatusCode::CANCELLED);
  EXPECT_EQ(gateway.metric("notifications_slow_evictions_total"), 1);
}

TEST(GrpcStream, QuietConsumerIsNotSlow) {
  TestGateway::Options options;
  options.limits.write_timeout = milliseconds(50);
  TestGateway gateway(options);
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"graph"}));
  ASSERT_TRUE(stream.opened());
  for (int i = 0; i < 5; ++i) {
    // Longer than the timeout: nothing waits, so nothing is late.
    std::this_thread::sleep_for(milliseconds(80));
    ASSERT_TRUE(client.publish("e", {"graph"}, std::to_string(i)).ok());
    ASSERT_EQ(stream.payload(), std::to_string(i));
  }
}

TEST(GrpcStream, TakesAPublicationLargerThanItsQueue) {
  TestGateway::Options options;
  options.limits.max_outbound_bytes = 1000;
  TestGateway gateway(options);
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"graph"}));
  ASSERT_TRUE(stream.opened());
  const std::string payload = "\"" + std::string(50'000, 'x') + "\"";
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.publish("e", {"graph"}, payload).ok());
    ASSERT_EQ(stream.payload(), payload);
  }
}

}  // namespace
}  // namespace notifications::server
