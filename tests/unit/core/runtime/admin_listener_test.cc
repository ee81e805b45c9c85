#include "core/runtime/admin_listener.h"

#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace notifications {
namespace {

constexpr char kToken[] = "a-token-of-some-length";

AdminPage page(AdminResponse response) {
  return {[response = std::move(response)] { return response; }};
}

AdminListener::Pages pages() {
  const auto setting = [] { return AdminResponse{200, "text/plain; charset=utf-8", "as it is\n"}; };
  const auto change = [](const AdminChange& asked) {
    return AdminResponse{asked.query == "to=this" ? 200 : 400, "text/plain; charset=utf-8",
                         std::string(asked.query) + " by " + std::string(asked.peer) + "\n"};
  };
  return {{"/open", page({200, "text/plain; charset=utf-8", "open\n"})},
          {"/guarded", page({200, "application/json", "{}\n"})},
          {"/sick", page({503, "text/plain; charset=utf-8", "sick\n"})},
          {"/setting", {setting, change}}};
}

// An address of this host that is not loopback; "" if it has none.
std::string outer_address() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "";
  std::string found;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_LOOPBACK) != 0 || (one->ifa_flags & IFF_UP) == 0) continue;
    std::array<char, NI_MAXHOST> text{};
    if (getnameinfo(one->ifa_addr, sizeof(sockaddr_in), text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      found = text.data();
    }
  }
  freeifaddrs(all);
  return found;
}

class AdminListenerTest : public testing::Test {
 protected:
  explicit AdminListenerTest(const std::string& token = kToken,
                             const std::string& host = "127.0.0.1")
      : host_(host) {
    auto opened = AdminListener::open({host, 0}, pages(), {token, {"/guarded"}});
    EXPECT_TRUE(opened);
    if (opened) listener_ = std::move(opened).value();
  }

  // The whole answer; the server closes behind it.
  std::string ask(const std::string& request_line, const std::string& headers = "") const {
    namespace asio = boost::asio;
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    socket.connect({asio::ip::make_address(host_), listener_->address().port});
    const std::string host = headers.find("Host: ") == headers.npos ? "Host: [::1]\r\n" : "";
    asio::write(socket, asio::buffer(request_line + " HTTP/1.1\r\n" + host + headers + "\r\n"));
    std::string answer;
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(answer), end);
    return answer;
  }
  // "200", and the answer's body.
  std::string status(const std::string& request_line, const std::string& headers = "") const {
    return ask(request_line, headers).substr(9, 3);
  }
  std::string body(const std::string& request_line, const std::string& headers = "") const {
    const std::string answer = ask(request_line, headers);
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }

  const std::string host_;
  std::unique_ptr<AdminListener> listener_;
};

class OpenAdminListenerTest : public AdminListenerTest {
 protected:
  OpenAdminListenerTest() : AdminListenerTest("") {}
};

TEST_F(AdminListenerTest, AnswersWithStatusTypeAndLength) {
  EXPECT_EQ(ask("GET /sick"),
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 5\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nsick\n");
}

TEST_F(AdminListenerTest, AnswersHeadWithoutABody) {
  EXPECT_EQ(status("HEAD /open"), "200");
  EXPECT_EQ(body("HEAD /open"), "");
}

TEST_F(AdminListenerTest, KnowsNoOtherPagesAndMethods) {
  EXPECT_EQ(status("GET /"), "404");
  EXPECT_EQ(status("GET /open/more"), "404");
  EXPECT_EQ(status("GET /../etc/passwd"), "404");
  EXPECT_EQ(status("POST /open", "Content-Length: 0\r\n"), "405");
  EXPECT_EQ(status("PUT /open?to=this", "Content-Length: 0\r\n"), "405");
  EXPECT_EQ(status("PUT /nowhere", "Content-Length: 0\r\n"), "405");
  EXPECT_NE(ask("DELETE /open").find("\r\nAllow: GET, HEAD\r\n"), std::string::npos);
}

TEST_F(AdminListenerTest, AsksForTheTokenWhereItGuards) {
  EXPECT_EQ(status("GET /guarded"), "401");
  EXPECT_EQ(status("HEAD /guarded"), "401");
  EXPECT_EQ(status("GET /setting"), "200");
  EXPECT_EQ(status("PUT /setting?to=this"), "401");
  EXPECT_EQ(status("PUT /setting?to=this", "Authorization: Bearer not-the-token-at-all\r\n"),
            "401");
  EXPECT_EQ(status("GET /open"), "200");
}

TEST_F(AdminListenerTest, TakesTheTokenAndNothingLikeIt) {
  const std::string token = kToken;
  const auto with = [&](const std::string& authorization) {
    return status("GET /guarded", "Authorization: " + authorization + "\r\n");
  };
  EXPECT_EQ(with("Bearer " + token), "200");
  EXPECT_EQ(with("bearer " + token), "200");  // RFC 7235: schemes are case-insensitive
  EXPECT_EQ(with("Bearer " + token + "x"), "401");
  EXPECT_EQ(with("Bearer " + token + token), "401");
  EXPECT_EQ(with("Bearer " + token.substr(1)), "401");
  EXPECT_EQ(with("Bearer " + token.substr(0, token.size() - 1)), "401");
  EXPECT_EQ(with("Bearer A" + token.substr(1)), "401");
  EXPECT_EQ(with("Bearer"), "401");
  EXPECT_EQ(with("Bearer "), "401");
  EXPECT_EQ(with("Basic " + token), "401");
  EXPECT_EQ(with(token), "401");
}

TEST_F(AdminListenerTest, ChangesWhatThePageLetsChangeForWhoHasTheToken) {
  const std::string token = "Authorization: Bearer " + std::string(kToken) + "\r\n";
  EXPECT_EQ(body("PUT /setting?to=this", token), "to=this by 127.0.0.1\n");
  EXPECT_EQ(status("PUT /setting?to=that", token), "400");
  EXPECT_EQ(body("PUT /setting", token), " by 127.0.0.1\n");
  EXPECT_EQ(body("GET /setting?to=this"), "as it is\n");
  // A body is of no use, and does no harm.
  EXPECT_EQ(status("PUT /setting?to=this", token + "Content-Length: 4\r\n\r\nbody"), "200");
}

// A page of another site, open in a browser on this host, can have these sent, but not a PUT.
TEST_F(OpenAdminListenerTest, ChangesNothingForWhatABrowserSendsUnasked) {
  EXPECT_EQ(status("GET /setting?to=this"), "200");
  EXPECT_EQ(body("GET /setting?to=this"), "as it is\n");
  EXPECT_EQ(status("POST /setting?to=this", "Content-Length: 0\r\n"), "405");
  const std::string preflight = ask("OPTIONS /setting?to=this",
                                    "Origin: http://evil.example\r\n"
                                    "Access-Control-Request-Method: PUT\r\n");
  EXPECT_EQ(preflight.substr(9, 3), "405");
  EXPECT_NE(preflight.find("\r\nAllow: GET, HEAD, PUT\r\n"), std::string::npos);
  EXPECT_EQ(preflight.find("Access-Control"), std::string::npos);
}

TEST_F(OpenAdminListenerTest, LetsThisHostChangeWithoutAToken) {
  for (const char* host : {"127.0.0.1:9464", "127.0.0.1", "localhost:9464", "localhost",
                           "[::1]:9464", "[::1]", "10.1.2.3:1"}) {
    EXPECT_EQ(status("PUT /setting?to=this", "Host: " + std::string(host) + "\r\n"), "200") << host;
  }
}

// DNS rebinding: the page's own site leads here, so the browser asks nobody whether it may.
TEST_F(OpenAdminListenerTest, ChangesNothingForAPageWhoseNameLeadsHere) {
  for (const char* host : {"evil.example:9464", "evil.example", "localhost.evil.example", "",
                           "127.0.0.1.evil.example:80", "[evil]:1"}) {
    EXPECT_EQ(status("PUT /setting?to=this", "Host: " + std::string(host) + "\r\n"), "403") << host;
    EXPECT_EQ(status("GET /setting", "Host: " + std::string(host) + "\r\n"), "200") << host;
  }
}

TEST_F(AdminListenerTest, TakesAChangeUnderAnyNameWithTheToken) {
  const std::string token = "Authorization: Bearer " + std::string(kToken) + "\r\n";
  EXPECT_EQ(status("PUT /setting?to=this", "Host: edge-1.internal:9464\r\n" + token), "200");
}

class ReachableAdminListenerTest : public AdminListenerTest {
 protected:
  ReachableAdminListenerTest() : AdminListenerTest("", address()) {}
  static std::string address() {
    const std::string outer = outer_address();
    return outer.empty() ? "127.0.0.1" : outer;
  }
};

TEST_F(ReachableAdminListenerTest, LetsNobodyElseChangeWithoutAToken) {
  if (outer_address().empty()) GTEST_SKIP() << "this host has no address but loopback";
  EXPECT_EQ(status("GET /setting"), "200");
  EXPECT_EQ(status("PUT /setting?to=this"), "403");
}

TEST_F(AdminListenerTest, SaysNothingOfAGuardedPageWithoutTheToken) {
  EXPECT_EQ(body("GET /guarded"), "a bearer token is needed\n");
}

TEST_F(OpenAdminListenerTest, GuardsNothingWithoutAToken) {
  EXPECT_EQ(status("GET /guarded"), "200");
  EXPECT_EQ(body("GET /guarded"), "{}\n");
}

TEST_F(AdminListenerTest, AnswersWhileOthersSendHalfARequest) {
  namespace asio = boost::asio;
  using Clock = std::chrono::steady_clock;
  // Halves are given up after 2 s: whoever has to wait for that never answers sooner. A busy
  // machine may be slow once.
  bool answered = false;
  for (int attempt = 0; attempt < 5 && !answered; ++attempt) {
    asio::io_context io;
    std::vector<asio::ip::tcp::socket> halves;
    for (int i = 0; i < 7; ++i) {
      halves.emplace_back(io).connect({asio::ip::make_address(host_), listener_->address().port});
      asio::write(halves.back(), asio::buffer(std::string_view("GET /open HT")));
    }
    const auto asked_at = Clock::now();
    EXPECT_EQ(status("GET /open"), "200");
    answered = Clock::now() - asked_at < std::chrono::milliseconds(1800);
  }
  EXPECT_TRUE(answered);
}

TEST_F(AdminListenerTest, SaysInOneLineThatItsPortIsTaken) {
  auto second = AdminListener::open(listener_->address(), pages(), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "cannot listen on " + listener_->address().text() +
                                        " (in use, or not an address of this host)");
}

}  // namespace
}  // namespace notifications
