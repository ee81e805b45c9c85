#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/edge_client.h"
#include "tests/support/edge_fixture.h"

namespace notifications::test {
namespace {

const std::string kPolling = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kRefusal = R"({"code":0,"message":"Transport unknown"})";

std::string status_of(const std::string& answer) { return answer.substr(0, answer.find('\r')); }
std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

// What one connection gets for these bytes, until the server ends it.
std::string rest_after(const Edge& edge, std::string_view bytes) {
  TcpClient client(edge.port());
  client.send(bytes);
  return client.read_rest();
}

TEST(EdgeHttp, AnswersRequestsOneAfterTheOtherOnOneConnection) {
  Edge edge;
  TcpClient client(edge.port());
  for (int i = 0; i < 3; ++i) {
    client.send(kPolling);
    const std::string answer = client.read_answer();
    EXPECT_EQ(status_of(answer), "HTTP/1.1 400 Bad Request");
    EXPECT_EQ(body_of(answer), kRefusal);
  }
  EXPECT_EQ(edge.counted("notifications_http_requests_total"), 3);
}

TEST(EdgeHttp, AnswersPipelinedRequestsInOrder) {
  Edge edge;
  TcpClient client(edge.port());
  client.send(kPolling + "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" + kPolling);
  EXPECT_EQ(body_of(client.read_answer()), kRefusal);
  EXPECT_EQ(status_of(client.read_answer()), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(body_of(client.read_answer()), kRefusal);
}

TEST(EdgeHttp, AnswersARequestThatComesByteByByte) {
  Edge edge;
  TcpClient client(edge.port());
  client.dribble("POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + kPolling);
  EXPECT_EQ(body_of(client.read_answer()), kRefusal);
  EXPECT_EQ(body_of(client.read_answer()), kRefusal);
}

// Whoever asks faster than it reads is read no further, and loses nothing.
TEST(EdgeHttp, HoldsBackAClientThatDoesNotReadItsAnswers) {
  Edge edge;
  TcpClient client(edge.port(), 4096);
  constexpr int kRequests = 30'000;
  std::thread sender([&] {
    std::string many;
    for (int i = 0; i < 100; ++i) many += kPolling;
    for (int i = 0; i < kRequests / 100; ++i) client.send(many);
  });
  // Nothing is read before the server must have stopped to write.
  std::int64_t before = -1;
  while (edge.counted("notifications_http_requests_total") != before) {
    before = edge.counted("notifications_http_requests_total");
    for (int i = 0; i < 20; ++i) edge.on_shard(0, [] {});
  }
  EXPECT_LT(before, kRequests);
  for (int i = 0; i < kRequests && !HasFailure(); ++i)
    EXPECT_EQ(body_of(client.read_answer()), kRefusal);
  sender.join();
  EXPECT_EQ(edge.counted("notifications_http_requests_total"), kRequests);
}

TEST(EdgeHttp, KeepsAConnectionAsItsProtocolSays) {
  Edge edge;
  const auto closes = [&](const std::string& request) {
    const std::string rest = rest_after(edge, request);
    EXPECT_EQ(status_of(rest), "HTTP/1.1 404 Not Found") << request;
    return rest.find("\r\nConnection: close\r\n") != rest.npos;
  };
  EXPECT_TRUE(closes("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  EXPECT_TRUE(closes("GET / HTTP/1.0\r\n\r\n"));
  TcpClient client(edge.port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string answer = client.read_answer();
  EXPECT_NE(answer.find("\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n"), answer.npos);
}

TEST(EdgeHttp, AnswersHeadWithoutABody) {
  Edge edge;
  const std::string rest =
      rest_after(edge, "HEAD /socket.io/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(rest), "HTTP/1.1 400 Bad Request");
  EXPECT_NE(rest.find("\r\nContent-Length: 40\r\n"), rest.npos);
  EXPECT_EQ(body_of(rest), "");
}

TEST(EdgeHttp, RefusesWhatIsNoRequest) {
  Edge edge;
  const std::string bad = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
  for (const std::string& bytes :
       {std::string("\x16\x03\x01\x02\x00", 5), std::string("hello\r\n\r\n"),
        std::string("GET / HTTP/9.9\r\n\r\n"), std::string("GET /\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n")}) {
    EXPECT_EQ(rest_after(edge, bytes), bad) << bytes;
  }
  edge.await_count("notifications_http_errors_total", 6);
  edge.await_count("notifications_connections", 0);
}

TEST(EdgeHttp, RefusesHeadersBeyondItsLimit) {
  Edge edge;
  const std::string expected =
      "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(rest_after(edge, "GET / HTTP/1.1\r\nA: " + std::string(17'000, 'x') + "\r\n\r\n"),
            expected);
  // Endless, too: it is not waited for.
  EXPECT_EQ(rest_after(edge, "GET / HTTP/1.1\r\nA: " + std::string(100'000, 'x')), expected);
  EXPECT_EQ(rest_after(edge, "GET /" + std::string(17'000, 'x')), expected);
  const std::string fits = rest_after(
      edge, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nA: " + std::string(15'000, 'x') +
                "\r\n\r\n");
  EXPECT_EQ(status_of(fits), "HTTP/1.1 404 Not Found");
}

TEST(EdgeHttp, RefusesABodyBeyondItsLimit) {
  Edge edge;
  EXPECT_EQ(rest_after(edge, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n"),
            "HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\n\r\n");
  const std::string fits = rest_after(
      edge, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n" +
                std::string(60'000, 'x'));
  EXPECT_EQ(status_of(fits), "HTTP/1.1 404 Not Found");
}

TEST(EdgeHttp, RefusesAnUpgradeElsewhere) {
  Edge edge;
  const std::string rest = rest_after(edge, WebSocketClient::upgrade_request("/other"));
  EXPECT_EQ(status_of(rest), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(edge.counted("notifications_connects_total"), 0);
}

TEST(EdgeHttp, LetsGoOfAClientThatEndsAtAnyPoint) {
  Edge edge;
  const std::string request = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde";
  const std::string upgrade = WebSocketClient::upgrade_request() + WebSocketClient::text("40") +
                              WebSocketClient::text("42[\"x\"]");
  for (const std::string& bytes : {request, upgrade}) {
    for (std::size_t size = 0; size <= bytes.size(); size += 3) {
      TcpClient ends(edge.port());
      ends.send(bytes.substr(0, size));
      ends.shutdown();
      EXPECT_TRUE(ends.closed_by_server()) << size;
      TcpClient resets(edge.port());
      resets.send(bytes.substr(0, size));
      resets.reset();
    }
  }
  edge.await_count("notifications_connections", 0);
}

TEST(EdgeHttp, AnswersConnectionsBeyondTheLimitWith503) {
  Settings settings = edge_settings();
  settings.max_connections = 2;
  Edge edge(settings);
  WebSocketClient first(edge.port());
  auto second = std::make_unique<WebSocketClient>(edge.port());
  for (const std::string& request : {kPolling, WebSocketClient::upgrade_request()}) {
    EXPECT_EQ(rest_after(edge, request),
              "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n");
  }
  edge.await_count("notifications_tcp_refused_total", 2);
  second.reset();
  edge.await_count("notifications_connections", 1);
  WebSocketClient third(edge.port());
  third.connect();
  EXPECT_EQ(first.next_text().substr(0, 8), R"(0{"sid":)");
}

// However many come at once: each is answered or closed, and none of them stays.
TEST(EdgeHttp, SurvivesACrowdBeyondTheLimit) {
  Settings settings = edge_settings();
  settings.max_connections = 1;
  settings.threads = 2;
  Edge edge(settings);
  WebSocketClient inside(edge.port());
  inside.connect();
  std::vector<TcpClient> crowd;
  for (int i = 0; i < 150; ++i) crowd.emplace_back(edge.port());
  edge.await_count("notifications_tcp_refused_total", 150);
  for (TcpClient& client : crowd) {
    client.send(kPolling);
    const std::string rest = client.read_rest();
    EXPECT_TRUE(rest.empty() || status_of(rest) == "HTTP/1.1 503 Service Unavailable") << rest;
    client.close();
  }
  edge.await_count("notifications_connections", 1);
  EXPECT_TRUE(inside.subscribe(R"(["graph"])"));
}

// Its reset is known when the first answer is written; what it asked for behind that must find the
// connection closed, and become nothing.
TEST(EdgeHttp, AnUpgradeBehindARequestOfAClientThatIsGoneIsNotMade) {
  Edge edge;
  WebSocketClient other(edge.port());
  other.connect();
  TcpClient client(edge.port());
  client.send(kPolling);
  client.read_answer();
  std::promise<void> go;
  edge.hold_shard(0, go.get_future());
  client.send(kPolling + kPolling + WebSocketClient::upgrade_request() +
              WebSocketClient::text("40"));
  client.reset();
  go.set_value();
  edge.await_count("notifications_connections", 1);
  EXPECT_EQ(edge.counted("notifications_connects_total", "socketio"), 1);
  EXPECT_TRUE(other.subscribe(R"(["graph"])"));
}

}  // namespace
}  // namespace notifications::test
