#include "core/redis/connection.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/scripted_redis.h"

namespace notifications::redis {
namespace {

using test::ScriptedRedis;
using Words = ScriptedRedis::Words;

using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::steady_clock;

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
std::string message(const std::string& text) {
  return "*3\r\n" + bulk("message") + bulk("c") + bulk(text);
}

class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() {
    options_.url.port = server_->port();
    options_.backoff_min = 10ms;
    options_.backoff_max = 40ms;
    callbacks_.on_up = [this] { ++ups_; };
    callbacks_.on_down = [this](std::string_view why, std::chrono::milliseconds pause) {
      whys_.emplace_back(why);
      pauses_.push_back(pause);
    };
    callbacks_.on_message = [this](std::string_view, std::string_view text) {
      messages_.emplace_back(text);
    };
    callbacks_.on_drained = [this] { ++drained_; };
  }
  ~ConnectionTest() override {
    connection_.reset();
    server_.reset();
    io_.poll();
  }

  void start() {
    connection_.emplace(io_, options_, callbacks_);
    connection_->start();
  }
  bool run_until(const std::function<bool()>& condition) {
    const auto limit = steady_clock::now() + 20s;
    while (!condition()) {
      if (steady_clock::now() > limit) return false;
      io_.run_one_for(50ms);
    }
    return true;
  }
  // Runs whatever is ready, so that something unwanted would have happened.
  void settle() {
    while (io_.poll_one() > 0) {
    }
  }
  void come_up() {
    start();
    ASSERT_TRUE(run_until([&] { return ups_ == 1; }));
  }
  Connection::ReplyHandler keep(std::vector<Reply>& into) {
    return [&into](Reply reply) { into.push_back(std::move(reply)); };
  }

  asio::io_context io_;
  std::optional<ScriptedRedis> server_{std::in_place, io_};
  Connection::Options options_;
  Connection::Callbacks callbacks_;
  std::optional<Connection> connection_;
  int ups_ = 0;
  int drained_ = 0;
  std::vector<std::string> whys_;
  std::vector<std::chrono::milliseconds> pauses_;
  std::vector<std::string> messages_;
};

// ---- logging in

TEST_F(ConnectionTest, FlushWritesAtOnceAndNothingTwice) {
  come_up();
  server_->commands.clear();
  std::vector<Reply> replies;
  connection_->send({"ONE"}, keep(replies));
  connection_->flush();
  EXPECT_GT(server_->unread(), 0u) << "it waits for the end of the turn";
  connection_->send({"TWO"}, keep(replies));
  connection_->flush();
  connection_->flush();
  ASSERT_TRUE(run_until([&] { return replies.size() == 2; }));
  settle();
  EXPECT_EQ(server_->commands, (std::vector<Words>{{"ONE"}, {"TWO"}}));
}

TEST_F(ConnectionTest, LogsInSelectsAndNamesItself) {
  options_.url.user = "edge";
  options_.url.password = "pw";
  options_.url.database = 3;
  options_.client_name = "edge:host:1";
  come_up();
  EXPECT_EQ(server_->commands, (std::vector<Words>{{"AUTH", "edge", "pw"},
                                                   {"SELECT", "3"},
                                                   {"CLIENT", "SETNAME", "edge:host:1"},
                                                   {"PING"}}));
}

TEST_F(ConnectionTest, AsksNothingThatIsNotNeeded) {
  come_up();
  EXPECT_EQ(server_->commands, (std::vector<Words>{{"PING"}}));
}

TEST_F(ConnectionTest, ComesUpWhereTheNameOrThePingIsDenied) {
  options_.client_name = "name";
  server_->answer = [](const Words& command) { return "-NOPERM no " + command[0] + "\r\n"; };
  come_up();
}

TEST_F(ConnectionTest, TheFirstRefusalIsTheReasonWithoutThePassword) {
  options_.url.password = "hunter2";
  options_.url.database = 1;
  server_->answer = [](const Words& command) {
    return command[0] == "AUTH"
               ? std::string("-ERR unknown command `AUTH`, with args beginning with: `hunter2`\r\n")
               : std::string("-NOAUTH Authentication required.\r\n");
  };
  start();
  ASSERT_TRUE(run_until([&] { return !whys_.empty(); }));
  EXPECT_EQ(whys_[0],
            "authentication failed: ERR unknown command `AUTH`, with args beginning with: `***`");
  EXPECT_EQ(ups_, 0);
}

TEST_F(ConnectionTest, AServerThatIsStillLoadingIsTriedAgain) {
  int pings = 0;
  server_->answer = [&](const Words&) {
    return ++pings < 3 ? "-LOADING Redis is loading the dataset in memory\r\n" : "+PONG\r\n";
  };
  come_up();
  ASSERT_EQ(whys_.size(), 2u);
  EXPECT_EQ(whys_[0],
            "the server refuses commands: LOADING Redis is loading the dataset in memory");
}

TEST_F(ConnectionTest, TheTimeoutCoversTheLogin) {
  options_.connect_timeout = 50ms;
  server_->answer = [](const Words&) { return ""; };
  const auto begin = steady_clock::now();
  start();
  ASSERT_TRUE(run_until([&] { return !whys_.empty(); }));
  EXPECT_GE(steady_clock::now() - begin, 50ms);
  EXPECT_EQ(whys_[0],
            "no connection to 127.0.0.1 port " + std::to_string(server_->port()) + " within 50 ms");
}

// ---- finding the server

TEST_F(ConnectionTest, FindsAServerByName) {
  options_.url.host = "localhost";
  come_up();
}

TEST_F(ConnectionTest, ANameThatDoesNotResolveIsTriedAgain) {
  // Too long a label to be asked of any name server: the test stays on this machine.
  options_.url.host = std::string(64, 'x') + ".invalid";
  start();
  ASSERT_TRUE(run_until([&] { return whys_.size() == 2; }));
  EXPECT_EQ(whys_[0].rfind("cannot resolve " + options_.url.host + ": ", 0), 0u) << whys_[0];
}

TEST_F(ConnectionTest, StopDoesNotWaitForALookup) {
  options_.url.host = "localhost";
  start();
  connection_->stop();
  settle();
  EXPECT_EQ(ups_, 0);
  EXPECT_TRUE(whys_.empty());
}

// ---- coming back

TEST_F(ConnectionTest, TriesAgainForEverWithAGrowingJitteredPause) {
  server_.reset();
  start();
  ASSERT_TRUE(run_until([&] { return pauses_.size() == 8; }));
  std::chrono::milliseconds full = 10ms;
  for (const auto pause : pauses_) {
    EXPECT_GE(pause, full / 2);
    EXPECT_LE(pause, full);
    full = std::min<std::chrono::milliseconds>(full * 2, 40ms);
  }
  EXPECT_EQ(whys_[0].substr(0, 33), "cannot connect to 127.0.0.1 port ");
}

TEST_F(ConnectionTest, ComesBackAfterTheServerHungUp) {
  come_up();
  server_->hang_up();
  ASSERT_TRUE(run_until([&] { return ups_ == 2; }));
  EXPECT_EQ(whys_, std::vector<std::string>{"connection closed by the server"});
}

TEST_F(ConnectionTest, ResetTellsItsReasonAndReconnects) {
  come_up();
  connection_->reset("no answer to a probe");
  EXPECT_FALSE(connection_->up());
  EXPECT_EQ(whys_, std::vector<std::string>{"no answer to a probe"});
  connection_->reset("again");  // already down: nothing to give up
  ASSERT_TRUE(run_until([&] { return ups_ == 2; }));
  EXPECT_EQ(whys_.size(), 1u);
}

TEST_F(ConnectionTest, WhatIsNotRedisIsAProtocolError) {
  server_->answer = [](const Words&) { return "HTTP/1.1 400 Bad Request\r\n\r\n"; };
  start();
  ASSERT_TRUE(run_until([&] { return whys_.size() == 2; }));
  EXPECT_EQ(whys_[0].rfind("protocol error: ", 0), 0u) << whys_[0];
}

TEST_F(ConnectionTest, AReplyNobodyAskedForIsAProtocolError) {
  come_up();
  server_->send("+OK\r\n+OK\r\n");
  ASSERT_TRUE(run_until([&] { return ups_ == 2; }));
  EXPECT_EQ(whys_, std::vector<std::string>{"protocol error: a reply that nobody asked for"});
}

// ---- commands

TEST_F(ConnectionTest, AnswersCommandsInOrderWithTheirExactBytes) {
  come_up();
  server_->answer = [](const Words& command) { return bulk(command.at(1)); };
  std::vector<Reply> replies;
  const std::string odd("a\0b\r\n$9\r\n", 10);
  for (const std::string& word : {odd, std::string(), std::string(300'000, 'x')})
    connection_->send({"ECHO", word}, keep(replies));
  ASSERT_TRUE(run_until([&] { return replies.size() == 3; }));
  EXPECT_EQ(replies[0].text, odd);
  EXPECT_EQ(replies[1].text, "");
  EXPECT_EQ(replies[2].text, std::string(300'000, 'x'));
  EXPECT_EQ(connection_->pending_bytes(), 0u);
}

TEST_F(ConnectionTest, CommandsOfOneTurnLeaveInOneWrite) {
  come_up();
  const int before = server_->reads;
  std::vector<Reply> replies;
  for (int i = 0; i < 1000; ++i) connection_->send({"INCR", "k"}, keep(replies));
  ASSERT_TRUE(run_until([&] { return replies.size() == 1000; }));
  // One write of 22 kB; the loopback hands it over in one piece or two.
  EXPECT_LE(server_->reads - before, 2);
}

TEST_F(ConnectionTest, ACommandWhileDownIsAnsweredNotSentButNotFromWithinSend) {
  start();
  std::vector<Reply> replies;
  connection_->send({"PING"}, keep(replies));
  EXPECT_TRUE(replies.empty());
  ASSERT_TRUE(run_until([&] { return replies.size() == 1; }));
  EXPECT_EQ(replies[0].kind, Reply::Kind::kNotSent);
}

TEST_F(ConnectionTest, ADropTellsWhatWasWrittenFromWhatWasNot) {
  come_up();
  server_->answer = [](const Words&) { return ""; };
  std::vector<Reply> replies;
  connection_->send({"FIRST"}, keep(replies));
  ASSERT_TRUE(run_until([&] { return server_->commands.back()[0] == "FIRST"; }));
  connection_->send({"SECOND"}, keep(replies));
  connection_->reset("gone");
  ASSERT_EQ(replies.size(), 2u);
  EXPECT_EQ(replies[0].kind, Reply::Kind::kLost);
  EXPECT_EQ(replies[1].kind, Reply::Kind::kNotSent);
  settle();
  EXPECT_EQ(replies.size(), 2u);
}

TEST_F(ConnectionTest, CountsTheBytesThatTheKernelHasNotTaken) {
  come_up();
  server_->reading = false;
  const std::string large(64 * 1024 * 1024, 'x');
  connection_->send({"SET", "k", large}, {});
  EXPECT_GT(connection_->pending_bytes(), large.size());
  settle();
  EXPECT_GT(connection_->pending_bytes(), 1024u * 1024);
  EXPECT_LT(connection_->pending_bytes(), large.size());
}

// ---- messages

TEST_F(ConnectionTest, HandsOutMessagesAndTheEndOfABatch) {
  come_up();
  server_->answer = [](const Words& command) {
    return "*3\r\n" + bulk("subscribe") + bulk(command.at(1)) + ":1\r\n";
  };
  std::vector<Reply> replies;
  connection_->subscribe("c", keep(replies));
  ASSERT_TRUE(run_until([&] { return replies.size() == 1; }));
  drained_ = 0;
  server_->send(message("one") + message("two") + message("three").substr(0, 20));
  ASSERT_TRUE(run_until([&] { return drained_ == 1; }));
  EXPECT_EQ(messages_, (Words{"one", "two"}));
  server_->send(message("three").substr(20));
  ASSERT_TRUE(run_until([&] { return drained_ == 2; }));
  EXPECT_EQ(messages_, (Words{"one", "two", "three"}));
}

// ---- ending, from anywhere

TEST_F(ConnectionTest, StopAnswersEverythingAndNothingComesAfter) {
  come_up();
  server_->answer = [](const Words&) { return ""; };
  std::vector<Reply> replies;
  connection_->send({"SENT"}, keep(replies));
  ASSERT_TRUE(run_until([&] { return server_->commands.back()[0] == "SENT"; }));
  connection_->send({"GATHERED"}, keep(replies));
  connection_->stop();
  ASSERT_EQ(replies.size(), 2u);
  connection_->send({"AFTER"}, keep(replies));
  connection_->reset("after");
  settle();
  EXPECT_EQ(replies.size(), 2u);
  EXPECT_TRUE(whys_.empty());
}

TEST_F(ConnectionTest, AHandlerThatSendsAgainAtStopDoesNotLoop) {
  start();
  int answered = 0;
  std::function<void(Reply)> again = [&](Reply) {
    ++answered;
    connection_->send({"PING"}, again);
  };
  connection_->send({"PING"}, again);
  connection_->stop();
  settle();
  EXPECT_EQ(answered, 1);
}

TEST_F(ConnectionTest, MayBeDestroyedFromWithinAnyCallback) {
  const auto destroy = [this] { connection_.reset(); };
  const Connection::Callbacks plain = callbacks_;
  const std::vector<std::function<void()>> places = {
      [&] { callbacks_.on_up = destroy; },
      [&] { callbacks_.on_down = [=](auto, auto) { destroy(); }; },
      [&] { callbacks_.on_message = [=](auto, auto) { destroy(); }; },
      [&] { callbacks_.on_drained = destroy; },
  };
  server_->answer = [](const Words& command) {
    if (command[0] == "SUBSCRIBE")
      return "*3\r\n" + bulk("subscribe") + bulk("c") + ":1\r\n" + message("1") + message("2");
    return std::string(command[0] == "PING" ? "+PONG\r\n" : "");
  };
  for (std::size_t i = 0; i < places.size(); ++i) {
    callbacks_ = plain;
    callbacks_.on_up = [this] {
      connection_->subscribe("c", {});
      connection_->send({"UNANSWERED"}, [](const Reply&) {});
    };
    callbacks_.on_message = [this](auto, auto) { connection_->reset("seen"); };
    places[i]();
    start();
    ASSERT_TRUE(run_until([&] { return !connection_.has_value(); })) << i;
    settle();
  }
}

TEST_F(ConnectionTest, MayBeDestroyedFromWithinAReplyOfAnyKind) {
  server_->answer = [](const Words& command) {
    return command[0] == "PING" ? "+PONG\r\n" : command[0] == "ANSWERED" ? "+OK\r\n" : "";
  };
  for (const char* command : {"ANSWERED", "LOST"}) {
    ups_ = 0;
    come_up();
    connection_->send({command}, [this](const Reply&) { connection_.reset(); });
    connection_->send({"ANOTHER"}, [](const Reply&) {});
    if (command == std::string("LOST")) {
      const auto before = server_->commands.size();
      ASSERT_TRUE(run_until([&] { return server_->commands.size() == before + 2; }));
      connection_->reset("gone");
    }
    ASSERT_TRUE(run_until([&] { return !connection_.has_value(); })) << command;
    settle();
  }
}

}  // namespace
}  // namespace notifications::redis
