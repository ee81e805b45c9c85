#include "core/redis/appender.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/position.h"
#include "tests/support/scripted_redis.h"

namespace notifications::redis {
namespace {

using namespace std::chrono_literals;
using test::ScriptedRedis;
using Kind = Reply::Kind;
using Words = ScriptedRedis::Words;
using Publish = Appender::Publish;

constexpr const char* kTs = "2026-02-19T12:00:00.123Z";

JournalOptions limits() {
  JournalOptions options;
  options.max_length = 7;
  options.retention = 8ms;
  options.idempotency_window = 9ms;
  return options;
}

// An appender whose server answers with `answer_`.
class AppenderTest : public testing::Test {
 protected:
  AppenderTest() {
    server_.answer = [this](const Words& command) {
      if (command[0] != "EVAL" && command[0] != "EVALSHA") return std::string("+OK\r\n");
      calls_.push_back(command);
      return answer_;
    };
    Connection::Options options;
    options.url.port = server_.port();
    connection_.emplace(io_, options, Connection::Callbacks{[this] { up_ = true; }, {}, {}, {}});
    connection_->start();
    EXPECT_TRUE(run_until([&] { return up_; }));
    scripts_.emplace(*connection_);
    appender_.emplace(io_, *scripts_, "c", limits());
  }
  ~AppenderTest() override {
    connection_.reset();
    server_.hang_up();
  }

  bool run_until(const std::function<bool()>& holds) {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      io_.run_one_for(50ms);
    }
    return true;
  }
  void append(const std::string& id, Publish publish = Publish::kYes, std::string limit = "",
              const std::string& text = "{}") {
    const std::size_t index = replies_.size();
    replies_.emplace_back();
    appender_->append({id, kTs, text, publish, std::move(limit)},
                      [this, index](const Reply& reply) {
                        EXPECT_FALSE(replies_[index]) << "answered twice";
                        replies_[index] = reply;
                      });
  }
  bool all_answered() {
    return run_until([&] {
      return std::all_of(replies_.begin(), replies_.end(),
                         [](const auto& reply) { return reply.has_value(); });
    });
  }
  std::vector<Kind> kinds() const {
    std::vector<Kind> kinds;
    for (const auto& reply : replies_) kinds.push_back(reply->kind);
    return kinds;
  }

  boost::asio::io_context io_;
  ScriptedRedis server_{io_};
  std::string answer_ = "*3\r\n$5\r\ne.1-0\r\n$1\r\nt\r\n:0\r\n";
  std::vector<Words> calls_;
  bool up_ = false;
  std::optional<Connection> connection_;
  std::optional<ScriptCaller> scripts_;
  std::optional<Appender> appender_;
  std::vector<std::optional<Reply>> replies_;
};

TEST_F(AppenderTest, TellsTheScriptItsKeysAndLimitsAndANewEpochEachTime) {
  append("id-1", Publish::kYes, "10");
  ASSERT_TRUE(all_answered());
  append("id-1", Publish::kNo);
  ASSERT_TRUE(all_answered());
  ASSERT_EQ(calls_.size(), 2u);
  for (Words& call : calls_) ASSERT_EQ(call.size(), 15u);
  EXPECT_TRUE(parse_position(calls_[0][12] + ".0-0")) << calls_[0][12];
  EXPECT_NE(calls_[1][12], calls_[0][12]);
  calls_[0][12] = calls_[1][12] = "";
  EXPECT_EQ(calls_[0], (Words{"EVAL", std::string(kAppendScript.text), "3", "c:journal", "c:meta",
                              "c:id:id-1", "{}", kTs, "c", "7", "8", "9", "", "1", "10"}));
  EXPECT_EQ(calls_[1], (Words{"EVALSHA", std::string(kAppendScript.sha), "3", "c:journal", "c:meta",
                              "c:id:id-1", "{}", kTs, "c", "7", "8", "9", "", "0", ""}));
  EXPECT_EQ(replies_[0]->elements[0].text, "e.1-0");
}

TEST_F(AppenderTest, WhatComesInOneTurnGoesInOneCall) {
  answer_ = "*9\r\n+e.1-0\r\n+t1\r\n:0\r\n+e.2-0\r\n+t2\r\n:1\r\n+e.3-0\r\n+t3\r\n:0\r\n";
  append("a", Publish::kYes, "1000", "\"A\"");
  append("b", Publish::kYes, "999", "\"B\"");
  append("c", Publish::kYes, "", "\"C\"");
  ASSERT_TRUE(all_answered());
  ASSERT_EQ(calls_.size(), 1u);
  Words& call = calls_[0];
  call[14] = "";
  EXPECT_EQ(Words(call.begin() + 2, call.end()),
            (Words{"5", "c:journal", "c:meta", "c:id:a", "c:id:b", "c:id:c", "\"A\"", kTs, "c", "7",
                   "8", "9", "", "1", "999", "\"B\"", kTs, "\"C\"", kTs}));
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string n = std::to_string(i + 1);
    ASSERT_EQ(replies_[i]->elements.size(), 3u);
    EXPECT_EQ(replies_[i]->elements[0].text, "e." + n + "-0");
    EXPECT_EQ(replies_[i]->elements[1].text, "t" + n);
    EXPECT_EQ(replies_[i]->elements[2].integer, i == 1 ? 1 : 0);
  }
}

TEST_F(AppenderTest, OneThatFailsHarmsNoneOfTheOthers) {
  answer_ = "*6\r\n-WRONGTYPE no\r\n$0\r\n\r\n:0\r\n+e.2-0\r\n+t\r\n:0\r\n";
  append("a");
  append("b");
  ASSERT_TRUE(all_answered());
  EXPECT_EQ(kinds(), (std::vector{Kind::kError, Kind::kArray}));
  EXPECT_EQ(replies_[0]->text, "WRONGTYPE no");
  EXPECT_EQ(replies_[1]->elements[0].text, "e.2-0");
}

TEST_F(AppenderTest, AnErrorOfTheWholeCallIsEverybodys) {
  answer_ = "-OOM no\r\n";
  append("a");
  append("b");
  ASSERT_TRUE(all_answered());
  EXPECT_EQ(kinds(), (std::vector{Kind::kError, Kind::kError}));
}

TEST_F(AppenderTest, AnAnswerOfAnotherShapeIsNobodys) {
  answer_ = "*4\r\n+e.1-0\r\n+t\r\n:0\r\n+e.2-0\r\n";
  append("a");
  append("b");
  ASSERT_TRUE(all_answered());
  for (const auto& reply : replies_) EXPECT_TRUE(reply->elements.empty());
}

TEST_F(AppenderTest, PublishedAndHeardGoApartAndInOrder) {
  for (const Publish publish : {Publish::kYes, Publish::kNo, Publish::kNo, Publish::kYes}) {
    append(std::to_string(replies_.size()), publish);
  }
  ASSERT_TRUE(run_until([&] { return calls_.size() == 3; }));
  std::vector<std::string> keys;
  for (const Words& call : calls_) keys.push_back(call[2]);
  EXPECT_EQ(keys, (std::vector<std::string>{"3", "4", "3"}));
}

TEST_F(AppenderTest, ACallHoldsSoManyAndSoMuch) {
  for (int i = 0; i < 65; ++i) append(std::to_string(i));
  ASSERT_TRUE(run_until([&] { return calls_.size() == 2; }));
  EXPECT_EQ(calls_[0][2], "66");
  EXPECT_EQ(calls_[1][2], "3");
  const std::string large(200 * 1024, ' ');
  for (int i = 0; i < 3; ++i) append(std::to_string(i), Publish::kYes, "", large);
  ASSERT_TRUE(run_until([&] { return calls_.size() == 5; }));
  EXPECT_EQ(calls_[4][2], "3");
}

TEST_F(AppenderTest, ALostAnswerIsEverybodys) {
  server_.answer = [this](const Words&) {
    server_.hang_up();
    return std::string();
  };
  append("a");
  append("b");
  ASSERT_TRUE(all_answered());
  EXPECT_EQ(kinds(), (std::vector{Kind::kLost, Kind::kLost}));
}

// What is published from then on waits behind it.
TEST_F(AppenderTest, WhatWasNotHandedOnComesBackAtOnceWhenTheConnectionIsDown) {
  append("a");
  append("b");
  appender_->on_down();
  EXPECT_EQ(kinds(), (std::vector{Kind::kNotSent, Kind::kNotSent}));
  append("c");
  ASSERT_TRUE(all_answered());
  ASSERT_EQ(calls_.size(), 1u);
  EXPECT_EQ(calls_[0][5], "c:id:c");
  EXPECT_EQ(replies_[2]->kind, Kind::kArray);
}

TEST_F(AppenderTest, StoppingEndsWhatWasNotHandedOn) {
  append("a");
  append("b");
  appender_->stop();
  EXPECT_EQ(kinds(), (std::vector{Kind::kNotSent, Kind::kNotSent}));
  io_.run_for(20ms);
  EXPECT_TRUE(calls_.empty());
}

// The first answer's handler ends the program.
TEST_F(AppenderTest, NobodyIsCalledOnceItIsStopped) {
  answer_ = "*6\r\n+e.1-0\r\n+t\r\n:0\r\n+e.2-0\r\n+t\r\n:0\r\n";
  int called = 0;
  for (const char* id : {"a", "b"}) {
    appender_->append({id, kTs, "{}", Publish::kYes, ""}, [&](const Reply&) {
      ++called;
      appender_.reset();
    });
  }
  ASSERT_TRUE(run_until([&] { return called > 0; }));
  io_.run_for(20ms);
  EXPECT_EQ(called, 1);
}

}  // namespace
}  // namespace notifications::redis
