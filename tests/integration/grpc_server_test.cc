#include "server/grpc_server.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

#include "tests/integration/grpc_gateway.h"

namespace notifications::server {
namespace {

using grpc::StatusCode;

TEST(GrpcServer, SaysInOneLineThatItsPortIsTaken) {
  TestGateway gateway;
  Metrics metrics;
  GrpcServer second({gateway.front->address(), {}}, gateway.memory, nullptr, {}, metrics,
                    gateway.log);
  const auto problem = second.open();
  ASSERT_TRUE(problem);
  EXPECT_EQ(*problem, "cannot listen on " + gateway.address() + ": Address already in use");
}

TEST(GrpcServer, SaysInOneLineThatItsHostIsUnknown) {
  TestGateway gateway;
  Metrics metrics;
  GrpcServer server({Address{"no.such.host.invalid", 0}, {}}, gateway.memory, nullptr, {}, metrics,
                    gateway.log);
  const auto problem = server.open();
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->find("cannot listen on no.such.host.invalid:0: "), 0u) << *problem;
}

TEST(GrpcServer, ListensOnIpv6) {
  TestGateway gateway;
  Metrics metrics;
  GrpcServer server({Address{"::1", 0}, {}}, gateway.memory, nullptr, {}, metrics, gateway.log);
  const auto problem = server.open();
  if (problem) GTEST_SKIP() << *problem;
  EXPECT_EQ(server.address().text().substr(0, 6), "[::1]:");
  TestClient client(server.address().text());
  // Reached, but not started.
  const grpc::Status status = client.publish("e", {"graph"});
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "starting");
}

// A front that drains on its own thread, as Process does.
class Drain {
 public:
  Drain(GrpcServer& front, milliseconds period) : start_(std::chrono::steady_clock::now()) {
    front.drain(period, [this] { done_.set_value(); });
  }
  ~Drain() { EXPECT_EQ(finished_.wait_for(kPatience), std::future_status::ready); }
  // How long it took; waits for it.
  milliseconds duration() {
    finished_.wait_for(kPatience);
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start_);
  }

 private:
  const std::chrono::steady_clock::time_point start_;
  std::promise<void> done_;
  std::future<void> finished_ = done_.get_future();
};

TEST(GrpcServer, DrainsAtOnceWithoutStreams) {
  TestGateway gateway;
  Drain drain(*gateway.front, seconds(30));
  EXPECT_LT(drain.duration(), seconds(5));
}

TEST(GrpcServer, DrainSpreadsTheEndsAndSaysWhy) {
  TestGateway gateway;
  TestClient client(gateway.address());
  std::vector<std::unique_ptr<TestStream>> streams;
  for (int i = 0; i < 40; ++i) {
    streams.push_back(std::make_unique<TestStream>(client, rooms({"graph"})));
    ASSERT_TRUE(streams.back()->opened());
  }
  Drain drain(*gateway.front, milliseconds(1000));
  ASSERT_TRUE(eventually([&] { return gateway.ended("draining") > 0; }));
  // With 40 random times within 900 ms, all of them at once would be no spread at all.
  EXPECT_LT(gateway.ended("draining"), 40);
  for (const auto& stream : streams) {
    const grpc::Status status = stream->end();
    EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
    EXPECT_EQ(status.error_message(), "draining");
  }
  EXPECT_LT(drain.duration(), milliseconds(5000));
  EXPECT_EQ(gateway.ended("draining"), 40);
}

TEST(GrpcServer, DrainRefusesNewStreamsAndFlushesTheOldOnes) {
  TestGateway gateway;
  TestClient client(gateway.address());
  TestStream old(client, rooms({"graph"}));
  ASSERT_TRUE(old.opened());
  Drain drain(*gateway.front, milliseconds(3000));
  TestStream late(client, rooms({"graph"}));
  const grpc::Status status = late.end();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "draining");
  // Delivered unless the old stream's turn came before: between the answer to the last publish and
  // its way to the shard it may.
  int published = 0;
  while (client.publish("e", {"graph"}, "1").ok() && gateway.ended("draining") == 0) ++published;
  EXPECT_EQ(old.end().error_message(), "draining");
  EXPECT_GE(static_cast<int>(old.unread()), published - 1);
}

TEST(GrpcServer, DrainCutsAConsumerThatDoesNotRead) {
  TestGateway gateway;
  TestClient client(gateway.address());
  grpc::ClientContext context;
  auto reader = client.stub->Stream(&context, rooms({"graph"}));
  v1::StreamResponse message;
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_TRUE(client.publish("e", {"graph"}, "\"" + std::string(8'000'000, 'x') + "\"").ok());
  Drain drain(*gateway.front, milliseconds(200));
  EXPECT_LT(drain.duration(), milliseconds(5000));
  EXPECT_EQ(gateway.metric("notifications_connections"), 0);
}

TEST(GrpcServer, StopsAtOnceWithStreamsOpen) {
  auto gateway = std::make_unique<TestGateway>();
  TestClient client(gateway->address());
  TestStream stream(client, rooms({"graph"}));
  ASSERT_TRUE(stream.opened());
  gateway->front->stop();
  EXPECT_FALSE(stream.end().ok());
}

TEST(GrpcServer, StopHurriesADrain) {
  TestGateway gateway;
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"graph"}));
  ASSERT_TRUE(stream.opened());
  const auto start = std::chrono::steady_clock::now();
  Drain drain(*gateway.front, seconds(600));
  gateway.front->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(5));
}

}  // namespace
}  // namespace notifications::server
