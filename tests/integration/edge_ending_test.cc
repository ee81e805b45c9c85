#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/edge_client.h"
#include "tests/support/edge_fixture.h"

namespace notifications::test {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kPatience{30};
const std::string kDraining = close_payload(1001, "draining");

bool ready(const std::future<void>& future, std::chrono::milliseconds within = kPatience) {
  return future.wait_for(within) == std::future_status::ready;
}

WebSocketClient connected(const Edge& edge, int receive_buffer = 0) {
  WebSocketClient client(edge.port(), receive_buffer);
  client.connect();
  return client;
}

// Says goodbye as a browser does, and sees the socket closed.
void answer_close(WebSocketClient& client) {
  client.tcp().send(WebSocketClient::frame(8, kDraining));
  EXPECT_EQ(client.tcp().read_rest(), "");
}

TEST(EdgeDrain, SaysGoodbyeToEveryClientAndIsDoneWhenTheyAreGone) {
  Settings settings = edge_settings();
  settings.threads = 2;
  Edge edge(settings);
  std::vector<WebSocketClient> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(connected(edge));
  TcpClient idle(edge.port());
  edge.await_count("notifications_connections", 7);
  const auto done = edge.drain(100ms);
  EXPECT_EQ(idle.read_rest(), "");
  idle.close();
  for (WebSocketClient& client : clients) {
    EXPECT_EQ(client.next(), (ServerFrame{8, kDraining}));
    EXPECT_FALSE(ready(done, 0ms));
    answer_close(client);
  }
  EXPECT_TRUE(ready(done));
  edge.await_count("notifications_disconnects_total", "draining", 6);
}

TEST(EdgeDrain, FlushesWhatIsQueuedBeforeTheGoodbye) {
  Settings settings = edge_settings();
  settings.max_outbound_bytes = 1u << 30;
  Edge edge(settings);
  WebSocketClient client = connected(edge, 4096);
  EXPECT_TRUE(client.subscribe(R"(["graph"])"));
  const std::string payload = "\"" + std::string(5'000'000, 'x') + "\"";
  edge.publish(R"(["graph"])", "e", payload);
  edge.await_count("notifications_deliveries_total", 1);
  const auto done = edge.drain(0ms);
  EXPECT_EQ(client.next_text().size(), payload.size() + 8);
  EXPECT_EQ(client.next(), (ServerFrame{8, kDraining}));
  answer_close(client);
  EXPECT_TRUE(ready(done));
}

TEST(EdgeDrain, IsDoneAtOnceWithoutClients) {
  Settings settings = edge_settings();
  settings.threads = 3;
  Edge edge(settings);
  EXPECT_TRUE(ready(edge.drain(10min)));
}

TEST(EdgeDrain, AcceptsNobodyAnyMore) {
  Edge edge;
  WebSocketClient client = connected(edge);
  const auto done = edge.drain(0ms);
  EXPECT_EQ(client.next(), (ServerFrame{8, kDraining}));
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(edge.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), -1);
  ::close(fd);
  answer_close(client);
  EXPECT_TRUE(ready(done));
}

TEST(EdgeDrain, DoesNotWaitForAClientThatDoesNotAnswer) {
  Edge edge;
  WebSocketClient client = connected(edge);
  const auto done = edge.drain(0ms);
  EXPECT_EQ(client.next(), (ServerFrame{8, kDraining}));
  edge.pass_time(0, 4s);
  EXPECT_TRUE(ready(done));
  EXPECT_EQ(client.tcp().read_rest(), "");
}

// Its turn to go was far off while it was an idle connection; what it becomes goes at once, in good
// order, and is waited for.
TEST(EdgeDrain, SendsAClientAwayThatUpgradesMeanwhile) {
  Edge edge;
  TcpClient tcp(edge.port());
  edge.await_count("notifications_connections", 1);
  const auto done = edge.drain(std::chrono::hours(10'000));
  for (int i = 0; i < 2; ++i) edge.on_shard(0, [] {});  // the drain has begun behind these
  tcp.send(WebSocketClient::upgrade_request());
  EXPECT_EQ(tcp.read_until("\r\n\r\n").substr(0, 12), "HTTP/1.1 101");
  WebSocketClient client(std::move(tcp));
  EXPECT_EQ(client.next_text().substr(0, 8), R"(0{"sid":)");
  EXPECT_EQ(client.next(), (ServerFrame{8, kDraining}));
  EXPECT_FALSE(ready(done, 0ms));
  answer_close(client);
  EXPECT_TRUE(ready(done));
}

TEST(EdgeStop, ClosesEverySocketWhateverItsState) {
  Settings settings = edge_settings();
  settings.threads = 2;
  settings.max_outbound_bytes = 1u << 30;
  Edge edge(settings);
  WebSocketClient blocked = connected(edge, 4096);
  EXPECT_TRUE(blocked.subscribe(R"(["graph"])"));
  WebSocketClient closing = connected(edge);
  closing.send_text("2");
  EXPECT_EQ(closing.next(), (ServerFrame{8, ""}));
  TcpClient idle(edge.port());
  TcpClient half(edge.port());
  half.send("GET / HT");
  edge.publish(R"(["graph"])", "e", "\"" + std::string(5'000'000, 'x') + "\"");
  edge.await_count("notifications_deliveries_total", 1);
  edge.await_count("notifications_connections", 4);
  edge.stop();
  EXPECT_TRUE(blocked.tcp().closed_by_server());
  EXPECT_TRUE(closing.tcp().closed_by_server());
  EXPECT_TRUE(idle.closed_by_server());
  EXPECT_TRUE(half.closed_by_server());
  EXPECT_EQ(edge.counted("notifications_connections"), 0);
}

// Nothing of a connection may outlive the front: not even what is still to be told that its socket
// is closed.
TEST(EdgeStop, TearsDownUnderLoad) {
  for (int round = 0; round < 30; ++round) {
    Settings settings = edge_settings();
    settings.threads = 1 + round % 3;
    auto edge = std::make_unique<Edge>(settings);
    std::vector<WebSocketClient> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(connected(*edge));
      clients.back().send_text(R"(42["subscribe",{"room":"graph"}])");
    }
    for (int i = 0; i < 20; ++i) edge->publish(R"(["graph"])", "e", std::to_string(i));
    for (WebSocketClient& client : clients) client.send_text("3");
    edge.reset();
  }
}

// Clients of all manners come and go while events flow; one good one loses nothing.
TEST(EdgeCrowd, ComesAndGoesWhileEventsFlow) {
  Settings settings = edge_settings();
  settings.threads = 2;
  settings.max_outbound_bytes = 64 * 1024;
  Edge edge(settings);
  WebSocketClient good = connected(edge);
  ASSERT_TRUE(good.subscribe(R"(["graph"])"));
  std::atomic<bool> go_on{true};
  std::thread publisher([&] {
    const std::string padding(1'000, 'x');
    for (int i = 0; go_on; ++i) {
      edge.publish(R"(["graph"])", "e", "[" + std::to_string(i) + ",\"" + padding + "\"]");
      if (good.next_text().substr(0, 8 + std::to_string(i).size()) !=
          "42[\"e\",[" + std::to_string(i)) {
        ADD_FAILURE() << "not event " << i;
        return;
      }
    }
  });
  std::vector<std::thread> crowd;
  for (unsigned seed = 1; seed <= 2; ++seed) {
    crowd.emplace_back([&, seed] {
      std::mt19937 random(seed);
      const std::string subscribe = WebSocketClient::text(R"(42["subscribe",{"room":"graph"}])");
      const std::string all = WebSocketClient::upgrade_request() + WebSocketClient::text("40") +
                              subscribe + WebSocketClient::text("41") +
                              WebSocketClient::text("40") + subscribe;
      for (int i = 0; i < 200; ++i) {
        TcpClient client(edge.port(), random() % 2 == 0 ? 4096 : 0);
        client.send(all.substr(0, random() % 3 == 0 ? random() % all.size() : all.size()));
        if (random() % 2 == 0 && client.has_input()) client.read(1);
        if (random() % 4 == 0) client.send(WebSocketClient::frame(8, ""));
        if (random() % 3 == 0) {
          client.reset();
        } else if (random() % 2 == 0) {
          client.shutdown();
        }
      }
    });
  }
  for (std::thread& thread : crowd) thread.join();
  go_on = false;
  publisher.join();
  edge.await_count("notifications_connections", 1);
  EXPECT_EQ(edge.counted("notifications_rooms"), 0);
}

}  // namespace
}  // namespace notifications::test
