#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/edge_client.h"
#include "tests/support/edge_fixture.h"

namespace notifications::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr int kSmallBuffer = 4096;

std::string payload_of(std::size_t size) { return "\"" + std::string(size, 'x') + "\""; }

WebSocketClient watcher(const Edge& edge, int receive_buffer = 0) {
  WebSocketClient client(edge.port(), receive_buffer);
  client.connect();
  EXPECT_TRUE(client.subscribe(R"(["graph"])"));
  return client;
}

// Publishes until so many were evicted; `good` reads each event. Returns how many events that took.
int publish_until_evicted(Edge& edge, WebSocketClient& good, const std::string& payload,
                          std::int64_t evictions) {
  for (int i = 0; i < 5000; ++i) {
    if (edge.counted("notifications_slow_evictions_total") >= evictions) return i;
    edge.publish(R"(["graph"])", "e", payload);
    EXPECT_EQ(good.next_text().size(), payload.size() + 8);
  }
  ADD_FAILURE() << "nobody was evicted";
  return 0;
}

TEST(EdgeSlowConsumer, IsClosedOverTheByteLimitAndOthersStillReceive) {
  Settings settings = edge_settings();
  settings.max_outbound_bytes = 256 * 1024;
  Edge edge(settings);
  WebSocketClient good = watcher(edge);
  WebSocketClient slow = watcher(edge, kSmallBuffer);
  const std::string payload = payload_of(20'000);
  const int published = publish_until_evicted(edge, good, payload, 1);
  edge.publish(R"(["graph"])", "last", "1");
  EXPECT_EQ(good.next_text(), R"(42["last",1])");

  // What it gets in the end are whole frames, and the reason.
  int received = 0;
  ServerFrame frame = slow.next();
  for (; frame.opcode == 1; frame = slow.next()) {
    ++received;
    EXPECT_EQ(frame.payload, "42[\"e\"," + payload + "]");
  }
  EXPECT_EQ(frame, (ServerFrame{8, close_payload(1008, "slow consumer")}));
  EXPECT_LT(received, published);
  slow.tcp().send(WebSocketClient::frame(8, close_payload(1008, "")));
  EXPECT_TRUE(slow.tcp().closed_by_server());
  edge.await_count("notifications_disconnects_total", "slow_consumer", 1);
  edge.await_count("notifications_connections", 1);
}

TEST(EdgeSlowConsumer, IsClosedAfterTheWriteTimeoutAndOthersStillReceive) {
  Settings settings = edge_settings();
  settings.write_timeout = 200ms;
  settings.max_outbound_bytes = 1u << 30;
  Edge edge(settings);
  WebSocketClient good = watcher(edge);
  WebSocketClient slow = watcher(edge, kSmallBuffer);
  publish_until_evicted(edge, good, payload_of(50'000), 1);
  EXPECT_EQ(slow.next_close(), close_payload(1008, "slow consumer"));
  slow.tcp().close();
  edge.await_count("notifications_disconnects_total", "write_timeout", 1);
}

// One event that outweighs the limit many times over goes to whoever has nothing waiting.
TEST(EdgeSlowConsumer, AnEmptyQueueTakesAnEventOfAnySize) {
  Settings settings = edge_settings();
  settings.max_outbound_bytes = 1000;
  Edge edge(settings);
  WebSocketClient client = watcher(edge, kSmallBuffer);
  const std::string payload = payload_of(4'000'000);
  for (int i = 0; i < 2; ++i) {
    edge.publish(R"(["graph"])", "e", payload);
    EXPECT_EQ(client.next_text().size(), payload.size() + 8);
  }
  EXPECT_EQ(edge.counted("notifications_slow_evictions_total"), 0);
}

// A burst within one turn of the loop is no slowness: the socket has not been asked yet.
TEST(EdgeSlowConsumer, ABurstThatTheSocketTakesEvictsNobody) {
  Settings settings = edge_settings();
  settings.max_outbound_bytes = 10'000;
  Edge edge(settings);
  WebSocketClient client = watcher(edge);
  std::promise<void> go;
  edge.hold_shard(0, go.get_future());
  // With one shard the broker shares its loop: all of it is one batch.
  std::vector<std::future<void>> published;
  for (int i = 0; i < 60; ++i) {
    published.push_back(std::async(std::launch::async,
                                   [&] { edge.publish(R"(["graph"])", "e", payload_of(1'000)); }));
  }
  go.set_value();
  for (auto& one : published) one.wait();
  for (int i = 0; i < 60; ++i) EXPECT_EQ(client.next_text().size(), 1'010u);
  EXPECT_EQ(edge.counted("notifications_slow_evictions_total"), 0);
}

// Reading slowly, but reading: the clock of the write timeout starts anew with each progress.
TEST(EdgeSlowConsumer, ProgressKeepsASlowReaderAlive) {
  Settings settings = edge_settings();
  settings.write_timeout = 1h;
  settings.ping_interval = 10h;
  settings.max_outbound_bytes = 1u << 30;
  Edge edge(settings);
  WebSocketClient client = watcher(edge);
  constexpr std::size_t kBytes = 36'000'000;  // more than the system buffers, twice
  for (int i = 0; i < 6; ++i) edge.publish(R"(["graph"])", "e", payload_of(kBytes / 6));
  edge.await_count("notifications_deliveries_total", 6);
  for (int i = 0; i < 2; ++i) edge.on_shard(0, [] {});  // now the socket takes no more
  const auto blocked = steady_clock::now();
  const std::int64_t sent = edge.counted("notifications_sent_bytes_total");
  while (steady_clock::now() < blocked + 500ms) edge.on_shard(0, [] {});

  EXPECT_EQ(client.tcp().read(kBytes / 2).size(), kBytes / 2);
  EXPECT_GT(edge.counted("notifications_sent_bytes_total"), sent);
  // An hour after it was blocked first, and less than one after the last progress.
  edge.pass_time(0, std::chrono::duration_cast<std::chrono::milliseconds>(blocked + 1h + 250ms -
                                                                          steady_clock::now()));
  EXPECT_EQ(client.tcp().read(kBytes / 2).size(), kBytes / 2);
  EXPECT_EQ(edge.counted("notifications_slow_evictions_total"), 0);
}

// It asked for acks and never reads them.
TEST(EdgeSlowConsumer, IsClosedForItsOwnAcksToo) {
  Settings settings = edge_settings();
  settings.max_outbound_bytes = 50'000;
  Edge edge(settings);
  WebSocketClient client(edge.port(), kSmallBuffer);
  client.connect();
  std::string rooms;
  for (int i = 0; i < 900; ++i)
    rooms += (i == 0 ? "" : ",") + ("\"run:" + std::to_string(i) + "\"");
  const std::string subscribe =
      WebSocketClient::text("421[\"subscribe\",{\"rooms\":[" + rooms + "]}]");
  bool open = true;
  for (int i = 0; i < 5000 && open; ++i) {
    open = client.tcp().send(subscribe) && edge.counted("notifications_slow_evictions_total") == 0;
  }
  edge.await_count("notifications_slow_evictions_total", 1);
  EXPECT_EQ(client.next_close(), close_payload(1008, "slow consumer"));
}

TEST(EdgeSlowConsumer, MayLeaveWhileAWriteIsBlocked) {
  Settings settings = edge_settings();
  settings.max_outbound_bytes = 1u << 30;
  Edge edge(settings);
  WebSocketClient slow = watcher(edge, kSmallBuffer);
  WebSocketClient half = watcher(edge, kSmallBuffer);
  WebSocketClient polite = watcher(edge, kSmallBuffer);
  const std::string payload = payload_of(8'000'000);
  edge.publish(R"(["graph"])", "e", payload);
  edge.await_count("notifications_deliveries_total", 3);
  slow.tcp().reset();
  edge.await_count("notifications_disconnects_total", "network_error", 1);
  // Whoever only ends its half, or says goodbye, still gets what it is owed.
  half.tcp().shutdown();
  EXPECT_EQ(half.next_text().size(), payload.size() + 8);
  EXPECT_TRUE(half.tcp().closed_by_server());
  polite.tcp().send(WebSocketClient::frame(8, close_payload(1000, "")));
  EXPECT_EQ(polite.next_text().size(), payload.size() + 8);
  EXPECT_EQ(polite.next(), (ServerFrame{8, close_payload(1000, "")}));
  EXPECT_TRUE(polite.tcp().closed_by_server());
  edge.await_count("notifications_connections", 0);
}

}  // namespace
}  // namespace notifications::test
