#include "core/redis/canary.h"

#include <gtest/gtest.h>

#include <utility>

namespace notifications::redis {
namespace {

using namespace std::chrono_literals;

class CanaryTest : public testing::Test {
 protected:
  Canary::Clock::time_point at(std::chrono::milliseconds time) const { return start_ + time; }

  const Canary::Clock::time_point start_ = Canary::Clock::now();
  Canary canary_{"run", 10s, Canary::kPubSub};
};

TEST_F(CanaryTest, FlowsOnceTheProbeWasBothSetAndHeard) {
  const std::string text = canary_.send(at(0s));
  EXPECT_FALSE(canary_.set(text, at(1s)));
  EXPECT_FALSE(canary_.flowing());
  EXPECT_TRUE(canary_.heard(Canary::kPubSub, text, at(2s)));
  EXPECT_TRUE(canary_.flowing());
  EXPECT_EQ(canary_.round_trip(), 2s);
}

TEST_F(CanaryTest, AnotherProbesTextCountsForNothing) {
  const std::string old = canary_.send(at(0s));
  canary_.send(at(5s));
  canary_.set(old, at(6s));
  canary_.heard(Canary::kPubSub, old, at(6s));
  canary_.heard(Canary::kPubSub, "stranger:2", at(6s));
  EXPECT_FALSE(canary_.flowing());
}

TEST_F(CanaryTest, AProbeThatComesBackTooLateDoesNotSayThatEventsFlow) {
  const std::string text = canary_.send(at(0s));
  canary_.set(text, at(10001ms));
  EXPECT_FALSE(canary_.heard(Canary::kPubSub, text, at(10001ms)));
  EXPECT_FALSE(canary_.flowing());
}

TEST_F(CanaryTest, IsOverdueOnceWhenNoProbeCameBackForTheTimeout) {
  std::string text = canary_.send(at(0s));
  canary_.set(text, at(0s));
  canary_.heard(Canary::kPubSub, text, at(0s));
  EXPECT_EQ(canary_.overdue_at(), std::nullopt);
  canary_.send(at(5s));
  EXPECT_EQ(canary_.overdue_at(), at(15s));
  canary_.send(at(12s));  // a second try does not put it off
  EXPECT_FALSE(canary_.overdue(at(14999ms)));
  EXPECT_TRUE(canary_.overdue(at(15s)));
  EXPECT_FALSE(canary_.overdue(at(16s)));
  EXPECT_FALSE(canary_.flowing());
}

TEST_F(CanaryTest, AProbeThatCannotBeWrittenIsMissingToo) {
  std::string text = canary_.send(at(0s));
  canary_.set(text, at(0s));
  canary_.heard(Canary::kPubSub, text, at(0s));
  canary_.miss(at(5s));
  EXPECT_TRUE(canary_.overdue(at(15s)));
}

TEST_F(CanaryTest, ARefusedOrLostProbeEndsTheFlowAtOnce) {
  for (const bool lost : {false, true}) {
    const std::string text = canary_.send(at(0s));
    canary_.set(text, at(0s));
    canary_.heard(Canary::kPubSub, text, at(0s));
    ASSERT_TRUE(canary_.flowing());
    canary_.send(at(5s));
    if (lost)
      canary_.lost(Canary::kPubSub);
    else
      canary_.refused();
    EXPECT_FALSE(canary_.flowing());
    EXPECT_FALSE(canary_.waiting(at(5s)));
  }
}

// What was only PUBLISHed is heard on one way and read on the other.
TEST_F(CanaryTest, FlowsOnlyWhileItIsHeardOnEveryWayThatEventsTake) {
  Canary canary{"run", 10s, Canary::kPubSub | Canary::kStream};
  for (const auto& [first, last] :
       {std::pair(Canary::kPubSub, Canary::kStream), std::pair(Canary::kStream, Canary::kPubSub)}) {
    const std::string text = canary.send(at(0s));
    canary.set(text, at(0s));
    EXPECT_FALSE(canary.heard(first, text, at(0s)));
    EXPECT_FALSE(canary.heard(first, text, at(0s)));
    EXPECT_FALSE(canary.flowing());
    EXPECT_TRUE(canary.heard(last, text, at(0s)));
    EXPECT_TRUE(canary.flowing());
    canary.lost(first);
    EXPECT_FALSE(canary.flowing());
  }
}

TEST_F(CanaryTest, AWayThatNoEventTakesMayBeLost) {
  const std::string text = canary_.send(at(0s));
  canary_.set(text, at(0s));
  canary_.heard(Canary::kPubSub, text, at(0s));
  canary_.lost(Canary::kStream);
  EXPECT_TRUE(canary_.flowing());
}

}  // namespace
}  // namespace notifications::redis
