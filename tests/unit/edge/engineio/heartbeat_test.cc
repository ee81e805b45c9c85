#include "edge/engineio/heartbeat.h"

#include <gtest/gtest.h>

#include <chrono>

namespace notifications::engineio {
namespace {

using std::chrono_literals::operator""s;

constexpr auto kInterval = 25s;
constexpr auto kTimeout = 20s;

class HeartbeatTest : public testing::Test {
 protected:
  HeartbeatTest() { heartbeat_.start(start_, kInterval); }

  Heartbeat::Action at(std::chrono::seconds second) {
    return heartbeat_.tick(start_ + second, kTimeout);
  }
  void pong(std::chrono::seconds second) { heartbeat_.on_pong(start_ + second, kInterval); }

  const Heartbeat::Clock::time_point start_{1000s};
  Heartbeat heartbeat_;
};

TEST_F(HeartbeatTest, PingsAfterTheInterval) {
  EXPECT_EQ(heartbeat_.deadline(), start_ + 25s);
  EXPECT_EQ(at(24s), Heartbeat::Action::kNone);
  EXPECT_EQ(at(25s), Heartbeat::Action::kSendPing);
}

TEST_F(HeartbeatTest, HasOnePingOutAtATimeAndGivesUp) {
  at(25s);
  EXPECT_EQ(heartbeat_.deadline(), start_ + 45s);
  EXPECT_EQ(at(44s), Heartbeat::Action::kNone);
  EXPECT_EQ(at(45s), Heartbeat::Action::kGiveUp);
}

TEST_F(HeartbeatTest, CountsTheTimeoutFromThePingThatWasSent) {
  EXPECT_EQ(at(40s), Heartbeat::Action::kSendPing);
  EXPECT_EQ(at(59s), Heartbeat::Action::kNone);
  EXPECT_EQ(at(60s), Heartbeat::Action::kGiveUp);
}

TEST_F(HeartbeatTest, PingsAnIntervalAfterThePong) {
  at(25s);
  pong(30s);
  EXPECT_EQ(at(54s), Heartbeat::Action::kNone);
  EXPECT_EQ(at(55s), Heartbeat::Action::kSendPing);
}

TEST_F(HeartbeatTest, StartsTheIntervalAnewOnAPongNobodyAskedFor) {
  pong(20s);
  EXPECT_EQ(at(25s), Heartbeat::Action::kNone);
  EXPECT_EQ(at(45s), Heartbeat::Action::kSendPing);
}

}  // namespace
}  // namespace notifications::engineio
