#include "core/runtime/admin_listener.h"

#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <string>

namespace notifications {
namespace {

constexpr char kToken[] = "a-token-of-some-length";

AdminListener::Handlers pages() {
  return {{"/open",
           [] {
             return AdminResponse{200, "text/plain; charset=utf-8", "open\n"};
           }},
          {"/guarded",
           [] {
             return AdminResponse{200, "application/json", "{}\n"};
           }},
          {"/sick", [] {
             return AdminResponse{503, "text/plain; charset=utf-8", "sick\n"};
           }}};
}

class AdminListenerTest : public testing::Test {
 protected:
  explicit AdminListenerTest(const std::string& token = kToken) {
    auto opened = AdminListener::open({"127.0.0.1", 0}, pages(), {token, {"/guarded"}});
    EXPECT_TRUE(opened);
    if (opened) listener_ = std::move(opened).value();
  }

  // The whole answer; the server closes behind it.
  std::string ask(const std::string& request_line, const std::string& headers = "") const {
    namespace asio = boost::asio;
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    socket.connect({asio::ip::make_address("127.0.0.1"), listener_->address().port});
    asio::write(socket, asio::buffer(request_line + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n"));
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
}

TEST_F(AdminListenerTest, AsksForTheTokenWhereItGuards) {
  EXPECT_EQ(status("GET /guarded"), "401");
  EXPECT_EQ(status("HEAD /guarded"), "401");
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

TEST_F(AdminListenerTest, SaysNothingOfAGuardedPageWithoutTheToken) {
  EXPECT_EQ(body("GET /guarded"), "a bearer token is needed\n");
}

TEST_F(OpenAdminListenerTest, GuardsNothingWithoutAToken) {
  EXPECT_EQ(status("GET /guarded"), "200");
  EXPECT_EQ(body("GET /guarded"), "{}\n");
}

TEST_F(AdminListenerTest, SaysInOneLineThatItsPortIsTaken) {
  auto second = AdminListener::open(listener_->address(), pages(), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "cannot listen on " + listener_->address().text() +
                                        " (in use, or not an address of this host)");
}

}  // namespace
}  // namespace notifications
