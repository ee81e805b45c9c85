#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "tests/support/edge_client.h"
#include "tests/support/edge_fixture.h"

namespace notifications::test {
namespace {

using namespace std::string_literals;

// A client in the default namespace that watches these rooms.
WebSocketClient watcher(const Edge& edge, std::string_view rooms_json) {
  WebSocketClient client(edge.port());
  client.connect();
  EXPECT_TRUE(client.subscribe(rooms_json));
  return client;
}

TEST(EdgeSocketIo, OpensWithThePacketOfAStockServer) {
  Edge edge;
  WebSocketClient client(edge.port());
  const std::string open = client.next_text();
  const std::regex open_form(
      R"re(0\{"sid":"([A-Za-z0-9_-]{20})","upgrades":\[\],"pingInterval":25000,)re"
      R"re("pingTimeout":20000,"maxPayload":1000000\})re");
  std::smatch opened;
  ASSERT_TRUE(std::regex_match(open, opened, open_form)) << open;
  client.send_text("40");
  const std::string connect = client.next_text();
  const std::regex connect_form(R"re(40\{"sid":"([A-Za-z0-9_-]{20})"\})re");
  std::smatch connected;
  ASSERT_TRUE(std::regex_match(connect, connected, connect_form)) << connect;
  EXPECT_NE(opened[1], connected[1]);
}

TEST(EdgeSocketIo, DeliversAnEventInTheseVeryBytes) {
  Edge edge;
  WebSocketClient client = watcher(edge, R"(["graph"])");
  edge.publish(R"(["graph"])", "node_state", R"({ "n" : 9007199254740993 })");
  const std::string packet = R"(42["node_state",{ "n" : 9007199254740993 }])";
  EXPECT_EQ(client.tcp().read(2 + packet.size()),
            "\x81" + std::string(1, static_cast<char>(packet.size())) + packet);
}

TEST(EdgeSocketIo, WritesTheLengthOfAnEventInTheShortestForm) {
  Edge edge;
  WebSocketClient client = watcher(edge, R"(["graph"])");
  for (const std::size_t size : {125u, 126u, 65535u, 65536u, 500'000u}) {
    const std::string around = R"(42["e",""])";
    const std::string payload = "\"" + std::string(size - around.size(), 'x') + "\"";
    edge.publish(R"(["graph"])", "e", payload);
    std::string header = "\x81";
    const int extended = size < 126 ? 0 : size <= 65535 ? 2 : 8;
    header += static_cast<char>(extended == 0 ? size : extended == 2 ? 126 : 127);
    for (int shift = 8 * (extended - 1); shift >= 0; shift -= 8) {
      header += static_cast<char>(size >> shift & 0xFF);
    }
    EXPECT_EQ(client.tcp().read(header.size()), header) << size;
    EXPECT_EQ(client.tcp().read(size), "42[\"e\"," + payload + "]") << size;
  }
}

TEST(EdgeSocketIo, DeliversOnceWhateverRoomsMatchAndInOrder) {
  Edge edge;
  WebSocketClient client = watcher(edge, R"(["graph","node:1","node:2"])");
  edge.publish(R"(["graph","node:1","node:2"])", "a", "1");
  edge.publish(R"(["run:1"])", "unwatched", "0");
  edge.publish(R"(["node:2"])", "b", "2");
  EXPECT_EQ(client.next_text(), R"(42["a",1])");
  EXPECT_EQ(client.next_text(), R"(42["b",2])");
}

TEST(EdgeSocketIo, DeliversACopyForEachRoomIfAskedTo) {
  Settings settings = edge_settings();
  settings.delivery = Delivery::kPerRoom;
  Edge edge(settings);
  WebSocketClient client = watcher(edge, R"(["graph","node:1"])");
  edge.publish(R"(["graph","node:2","node:1","graph"])", "a", "1");
  edge.publish(R"(["graph"])", "b", "2");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.next_text(), R"(42["a",1])");
  EXPECT_EQ(client.next_text(), R"(42["b",2])");
}

TEST(EdgeSocketIo, DeliversNothingOnceUnsubscribeWasAcknowledged) {
  Edge edge;
  WebSocketClient client = watcher(edge, R"(["graph","threads"])");
  client.send_text(R"(428["unsubscribe",{"room":"graph"}])");
  EXPECT_EQ(client.next_text(), R"(438[{"ok":true,"rooms":["graph"]}])");
  edge.publish(R"(["graph"])", "a", "1");
  edge.publish(R"(["threads"])", "b", "2");
  EXPECT_EQ(client.next_text(), R"(42["b",2])");
}

TEST(EdgeSocketIo, AClientThatLeavesTheNamespaceIsInNoRoom) {
  Edge edge;
  WebSocketClient client = watcher(edge, R"(["graph"])");
  client.send_text("41");
  client.send_text("40");
  EXPECT_EQ(client.next_text().substr(0, 3), "40{");
  edge.publish(R"(["graph"])", "a", "1");
  EXPECT_TRUE(client.subscribe(R"(["graph"])"));
  edge.publish(R"(["graph"])", "b", "2");
  EXPECT_EQ(client.next_text(), R"(42["b",2])");
}

TEST(EdgeSocketIo, AnInvalidSubscribeJoinsNothing) {
  Edge edge;
  WebSocketClient client(edge.port());
  client.connect();
  client.send_text(R"(421["subscribe",{"rooms":["graph","Graph"]}])");
  EXPECT_EQ(client.next_text().substr(0, 36), R"(431[{"ok":false,"error":"invalid_pay)");
  edge.publish(R"(["graph"])", "a", "1");
  EXPECT_TRUE(client.subscribe(R"(["threads"])"));
  EXPECT_EQ(edge.counted("notifications_events_unwatched_total"), 1);
}

TEST(EdgeSocketIo, RefusesMoreRoomsThanAllowedAndJoinsNone) {
  Settings settings = edge_settings();
  settings.max_rooms_per_connection = 3;
  Edge edge(settings);
  WebSocketClient client = watcher(edge, R"(["graph","threads"])");
  client.send_text(R"(421["subscribe",{"rooms":["run:1","run:2"]}])");
  EXPECT_EQ(client.next_text(), R"(431[{"ok":false,"error":"too_many_rooms"}])");
  // Rooms it is in already, and repetitions, count once.
  EXPECT_TRUE(client.subscribe(R"(["graph","run:1","run:1","threads","graph"])"));
  client.send_text(R"(421["subscribe",{"room":"run:2"}])");
  EXPECT_EQ(client.next_text(), R"(431[{"ok":false,"error":"too_many_rooms"}])");
  edge.publish(R"(["run:2"])", "a", "1");
  edge.publish(R"(["run:1"])", "b", "2");
  EXPECT_EQ(client.next_text(), R"(42["b",2])");
}

TEST(EdgeSocketIo, SpreadsConnectionsOverItsShards) {
  Settings settings = edge_settings();
  settings.threads = 2;
  Edge edge(settings);
  std::vector<WebSocketClient> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(watcher(edge, R"(["graph"])"));
  for (int i = 0; i < 50; ++i) edge.publish(R"(["graph"])", "e", std::to_string(i));
  for (WebSocketClient& client : clients) {
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(client.next_text(), "42[\"e\"," + std::to_string(i) + "]");
    }
  }
  edge.await_count("notifications_deliveries_total", 200);
}

TEST(EdgeSocketIo, TakesFramesThatComeInTheSegmentOfTheUpgrade) {
  Edge edge;
  TcpClient tcp(edge.port());
  tcp.send(WebSocketClient::upgrade_request() + WebSocketClient::text("40") +
           WebSocketClient::text(R"(421["subscribe",{"room":"graph"}])") +
           WebSocketClient::frame(9, "ping"));
  tcp.read_until("\r\n\r\n");
  WebSocketClient client(std::move(tcp));
  EXPECT_EQ(client.next_text().substr(0, 8), R"(0{"sid":)");
  EXPECT_EQ(client.next_text().substr(0, 3), "40{");
  EXPECT_EQ(client.next_text(), R"(431[{"ok":true,"rooms":["graph"]}])");
  EXPECT_EQ(client.next(), (ServerFrame{10, "ping"}));
}

TEST(EdgeSocketIo, SurvivesAClientThatGoesWithTheUpgrade) {
  Edge edge;
  TcpClient tcp(edge.port());
  tcp.send(WebSocketClient::upgrade_request() + WebSocketClient::text("40") +
           WebSocketClient::frame(8, close_payload(1000, "bye")));
  tcp.read_until("\r\n\r\n");
  WebSocketClient client(std::move(tcp));
  EXPECT_EQ(client.next_close(), close_payload(1000, "bye"));
  EXPECT_TRUE(client.tcp().closed_by_server());
  edge.await_count("notifications_connections", 0);
  EXPECT_EQ(edge.counted("notifications_disconnects_total", "client_closed"), 1);
}

TEST(EdgeSocketIo, TakesEverythingByteByByte) {
  Edge edge;
  TcpClient tcp(edge.port());
  tcp.dribble(WebSocketClient::upgrade_request());
  tcp.read_until("\r\n\r\n");
  WebSocketClient client(std::move(tcp));
  client.next_text();
  client.tcp().dribble(WebSocketClient::text("40"));
  EXPECT_EQ(client.next_text().substr(0, 3), "40{");
  const std::string subscribe = R"(421["subscribe",{"room":"graph"}])";
  client.tcp().dribble(WebSocketClient::frame(1, subscribe.substr(0, 9), false) +
                       WebSocketClient::frame(9, "between") +
                       WebSocketClient::frame(0, subscribe.substr(9)));
  EXPECT_EQ(client.next(), (ServerFrame{10, "between"}));
  EXPECT_EQ(client.next_text(), R"(431[{"ok":true,"rooms":["graph"]}])");
}

TEST(EdgeSocketIo, AnswersAClientThatOnlyEndedItsHalf) {
  Edge edge;
  WebSocketClient client(edge.port());
  client.connect();
  client.send_text(R"(421["subscribe",{"room":"graph"}])");
  client.tcp().shutdown();
  EXPECT_EQ(client.next_text(), R"(431[{"ok":true,"rooms":["graph"]}])");
  EXPECT_TRUE(client.tcp().closed_by_server());
  edge.await_count("notifications_connections", 0);
  EXPECT_EQ(edge.counted("notifications_disconnects_total", "client_gone"), 1);
}

TEST(EdgeSocketIo, TakesAMessageOfExactlyTheLimitAndNoMore) {
  Settings settings = edge_settings();
  settings.max_payload = 1000;
  Edge edge(settings);
  WebSocketClient client(edge.port());
  client.connect();
  client.send_text(R"(42["x",")" + std::string(1000 - 10, 'y') + R"("])");
  EXPECT_TRUE(client.subscribe(R"(["graph"])"));
  client.send_text(std::string(1001, '4'));
  EXPECT_EQ(client.next_close(), close_payload(1009, ""));
  EXPECT_TRUE(client.tcp().closed_by_server());
  edge.await_count("notifications_disconnects_total", "websocket_message_too_big", 1);
}

TEST(EdgeSocketIo, ClosesAViolatorWithAnEmptyCloseFrame) {
  Edge edge;
  for (const char* packet : {"2", "", "9", "4", "42[\"early\"]", "bAAAA"}) {
    WebSocketClient client(edge.port());
    client.next_text();
    client.send_text(packet);
    EXPECT_EQ(client.next_close(), "") << packet;
    client.tcp().send(WebSocketClient::frame(8, ""));
    EXPECT_TRUE(client.tcp().closed_by_server());
  }
  edge.await_count("notifications_connections", 0);
  EXPECT_EQ(edge.counted("notifications_disconnects_total"), 6);
}

TEST(EdgeSocketIo, IgnoresWhatComesBehindItsCloseFrame) {
  Edge edge;
  WebSocketClient client(edge.port());
  client.connect();
  client.tcp().send(WebSocketClient::text("2") +
                    WebSocketClient::text(R"(421["subscribe",{"room":"graph"}])") +
                    WebSocketClient::frame(9, "ping"));
  EXPECT_EQ(client.next(), (ServerFrame{8, ""}));
  client.tcp().send(WebSocketClient::frame(8, ""));
  EXPECT_EQ(client.tcp().read_rest(), "");
}

// More messages than the bucket holds, in one go.
TEST(EdgeSocketIo, ClosesAClientThatFloodsIt) {
  Edge edge;
  WebSocketClient other = watcher(edge, R"(["graph"])");
  WebSocketClient client(edge.port());
  client.connect();
  std::string pongs;
  for (int i = 0; i < 1000; ++i) pongs += WebSocketClient::text("3");
  bool open = true;
  for (int i = 0; i < 200 && open; ++i)
    open = client.tcp().send(pongs) && !client.tcp().has_input();
  EXPECT_EQ(client.next_close(), close_payload(1008, "rate limit"));
  client.tcp().close();
  edge.await_count("notifications_disconnects_total", "rate_limit", 1);
  edge.publish(R"(["graph"])", "a", "1");
  EXPECT_EQ(other.next_text(), R"(42["a",1])");
}

}  // namespace
}  // namespace notifications::test
