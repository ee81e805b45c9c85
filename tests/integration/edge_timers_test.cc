#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/support/edge_client.h"
#include "tests/support/edge_fixture.h"

namespace notifications::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

TEST(EdgeTimers, PingsAndClosesAClientThatDoesNotAnswer) {
  Settings settings = edge_settings();
  settings.ping_interval = 50ms;
  settings.ping_timeout = 100ms;
  Edge edge(settings);
  WebSocketClient client(edge.port());
  const auto start = steady_clock::now();
  client.connect();
  EXPECT_EQ(client.next_text(), "2");
  EXPECT_GE(steady_clock::now() - start, 40ms);
  // Anything but a pong is no sign of life.
  client.send_text(R"(421["subscribe",{"room":"graph"}])");
  EXPECT_EQ(client.next_text(), R"(431[{"ok":true,"rooms":["graph"]}])");
  EXPECT_EQ(client.next(), (ServerFrame{8, ""}));
  EXPECT_GE(steady_clock::now() - start, 140ms);
  client.tcp().send(WebSocketClient::frame(8, ""));
  EXPECT_TRUE(client.tcp().closed_by_server());
  edge.await_count("notifications_disconnects_total", "ping_timeout", 1);
}

TEST(EdgeTimers, KeepsAClientThatAnswers) {
  Settings settings = edge_settings();
  settings.ping_interval = 20ms;
  settings.ping_timeout = 20s;
  Edge edge(settings);
  WebSocketClient client(edge.port());
  const auto start = steady_clock::now();
  client.connect();
  // The next ping is due an interval after the pong, however long the timeout is.
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(client.next_text(), "2");
    client.send_text("3");
  }
  EXPECT_LT(steady_clock::now() - start, 10s);
  EXPECT_EQ(edge.counted("notifications_disconnects_total"), 0);
}

TEST(EdgeTimers, SendsOnePingAtATime) {
  Settings settings = edge_settings();
  settings.ping_interval = 20ms;
  settings.ping_timeout = 300ms;
  Edge edge(settings);
  WebSocketClient client(edge.port());
  client.connect();
  EXPECT_EQ(client.next_text(), "2");
  EXPECT_EQ(client.next(), (ServerFrame{8, ""}));
}

TEST(EdgeTimers, ClosesAClientThatDoesNotConnect) {
  Settings settings = edge_settings();
  settings.connect_timeout = 50ms;
  Edge edge(settings);
  WebSocketClient client(edge.port());
  client.next_text();
  client.send_text("40/other,");
  EXPECT_EQ(client.next_text(), R"(44/other,{"message":"Invalid namespace"})");
  EXPECT_EQ(client.next(), (ServerFrame{8, ""}));
  client.tcp().close();
  edge.await_count("notifications_disconnects_total", "connect_timeout", 1);
}

TEST(EdgeTimers, LetsAClientThatConnectedBe) {
  Settings settings = edge_settings();
  settings.connect_timeout = 50ms;
  settings.ping_interval = 200ms;
  Edge edge(settings);
  WebSocketClient client(edge.port());
  client.connect();
  EXPECT_EQ(client.next_text(), "2");
}

TEST(EdgeTimers, ClosesTheSocketOfAClientThatDoesNotAnswerAClose) {
  Edge edge;
  WebSocketClient client(edge.port());
  client.connect();
  client.send_text("2");
  EXPECT_EQ(client.next(), (ServerFrame{8, ""}));
  edge.pass_time(0, 4s);
  EXPECT_EQ(client.tcp().read_rest(), "");
  edge.await_count("notifications_connections", 0);
}

TEST(EdgeTimers, AnswersHalfARequestWithATimeout) {
  Edge edge;
  TcpClient client(edge.port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n");
  edge.await_count("notifications_connections", 1);
  // What was sent has been read once a later connection has been served.
  WebSocketClient(edge.port()).connect();
  edge.pass_time(0, 11s);
  EXPECT_EQ(client.read_rest(), "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n");
  client.close();
  edge.await_count("notifications_http_errors_total", 1);
}

TEST(EdgeTimers, ClosesAConnectionThatNeverAsks) {
  Edge edge;
  TcpClient client(edge.port());
  edge.await_count("notifications_connections", 1);
  edge.pass_time(0, 11s);
  EXPECT_EQ(client.read_rest(), "");
  edge.await_count("notifications_connections", 0);
}

TEST(EdgeTimers, ClosesAnIdleConnectionBehindItsAnswer) {
  Edge edge;
  TcpClient client(edge.port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().substr(0, 22), "HTTP/1.1 404 Not Found");
  edge.pass_time(0, 6s);
  EXPECT_EQ(client.read_rest(), "");
  edge.await_count("notifications_connections", 0);
}

}  // namespace
}  // namespace notifications::test
