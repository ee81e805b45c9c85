#include "core/redis/outage_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace notifications::redis {
namespace {

using namespace std::chrono_literals;

class OutageLogTest : public testing::Test {
 protected:
  OutageLog::Clock::time_point at(std::chrono::milliseconds time) const { return start_ + time; }
  // What follows the time and the level in line `i`.
  std::string line(std::size_t i) const {
    const std::string& whole = lines_.at(i);
    return whole.substr(whole.find("redis"));
  }

  const OutageLog::Clock::time_point start_ = OutageLog::Clock::now();
  std::vector<std::string> lines_;
  Log log_{LogLevel::kInfo, LogFormat::kText,
           [this](std::string_view text) { lines_.emplace_back(text); }};
  OutageLog outage_{log_, "redis://cache:6379/0"};
};

TEST_F(OutageLogTest, TellsAnOutageInThreeLinesHoweverManyAttemptsItTakes) {
  outage_.up(at(0s));
  for (int i = 0; i < 600; ++i) outage_.down("cannot connect", at(1s + i * 100ms));
  outage_.up(at(61s));
  ASSERT_EQ(lines_.size(), 4u);
  EXPECT_EQ(line(0).rfind("redis connected", 0), 0u) << line(0);
  EXPECT_EQ(line(1).rfind("redis lost", 0), 0u) << line(1);
  EXPECT_EQ(line(2).rfind("redis still away", 0), 0u) << line(2);
  EXPECT_EQ(line(3).rfind("redis back", 0), 0u) << line(3);
  EXPECT_NE(line(3).find("away=60000ms failures=600"), std::string::npos) << line(3);
}

TEST_F(OutageLogTest, SaysMoreAndMoreRarelyThatItIsStillAway) {
  for (auto time = 0ms; time < 24h; time += 5s) outage_.down("cannot connect", at(time));
  // 30 s, 2.5 min, then every 8 and every 10 minutes.
  EXPECT_GT(lines_.size(), 100u);
  EXPECT_LT(lines_.size(), 160u);
}

TEST_F(OutageLogTest, ASecondOutageIsToldLikeTheFirst) {
  outage_.down("refused", at(0s));
  outage_.up(at(1s));
  outage_.down("closed", at(2s));
  outage_.up(at(3s));
  outage_.up(at(4s));
  ASSERT_EQ(lines_.size(), 4u);
  EXPECT_EQ(line(0).rfind("redis not reachable", 0), 0u) << line(0);
  EXPECT_EQ(line(2).rfind("redis lost", 0), 0u) << line(2);
}

}  // namespace
}  // namespace notifications::redis
