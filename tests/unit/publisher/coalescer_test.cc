#include "publisher-client/coalescer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace notifications::publishing {
namespace {

using std::chrono::milliseconds;

class CoalescerTest : public testing::Test {
 protected:
  static PendingMetric metric(const std::string& value) {
    PendingMetric metric;
    metric.envelope.payload = value;
    return metric;
  }

  // The value whose place it took, or "".
  std::string put(const std::string& key, const std::string& value, int at_ms) {
    const auto superseded = coalescer_.put(key, metric(value), at(at_ms));
    return superseded ? superseded->envelope.payload : "";
  }

  std::vector<std::string> due(int at_ms) { return values(coalescer_.take_due(at(at_ms))); }
  std::vector<std::string> all() { return values(coalescer_.take_all()); }

  static std::vector<std::string> values(const std::vector<PendingMetric>& metrics) {
    std::vector<std::string> values;
    values.reserve(metrics.size());
    for (const PendingMetric& one : metrics) values.push_back(one.envelope.payload);
    return values;
  }

  static Coalescer::Time at(int ms) { return Coalescer::Time(milliseconds(1'000'000 + ms)); }

  Coalescer coalescer_{milliseconds(100)};
};

using Values = std::vector<std::string>;

TEST_F(CoalescerTest, ReleasesTheLastValueOneIntervalAfterTheFirstChange) {
  EXPECT_EQ(put("a", "1", 0), "");
  EXPECT_EQ(put("a", "2", 40), "1");
  EXPECT_EQ(put("a", "3", 99), "2");
  EXPECT_EQ(due(99), Values{});
  EXPECT_EQ(due(100), Values{"3"});
  EXPECT_EQ(due(1000), Values{});
}

TEST_F(CoalescerTest, StartsANewIntervalWithTheFirstChangeAfterARelease) {
  put("a", "1", 0);
  EXPECT_EQ(due(100), Values{"1"});
  EXPECT_EQ(put("a", "2", 130), "");
  EXPECT_EQ(due(229), Values{});
  EXPECT_EQ(due(230), Values{"2"});
}

TEST_F(CoalescerTest, PublishesAMetricThatNeverRestsOncePerInterval) {
  int released = 0;
  for (int ms = 0; ms < 1000; ms += 10) {
    released += static_cast<int>(due(ms).size());
    put("a", std::to_string(ms), ms);
  }
  EXPECT_EQ(released, 9);
}

TEST_F(CoalescerTest, KeepsKeysApart) {
  put(Coalescer::key("thread_activity_changed", "7"), "activity of 7", 0);
  put(Coalescer::key("thread_activity_changed", "8"), "activity of 8", 10);
  put(Coalescer::key("thread_reminders_count", "7"), "reminders of 7", 20);
  EXPECT_EQ(coalescer_.size(), 3u);
  EXPECT_EQ(due(100), Values{"activity of 7"});
  EXPECT_EQ(due(120), (Values{"activity of 8", "reminders of 7"}));
}

TEST_F(CoalescerTest, ReleasesInTheOrderOfTheFirstChanges) {
  put("a", "a1", 0);
  put("b", "b1", 1);
  put("a", "a2", 2);
  EXPECT_EQ(all(), (Values{"a2", "b1"}));
  EXPECT_EQ(coalescer_.size(), 0u);
  EXPECT_EQ(coalescer_.next_due(), std::nullopt);
}

TEST_F(CoalescerTest, TellsWhenTheNextOneIsDue) {
  EXPECT_EQ(coalescer_.next_due(), std::nullopt);
  put("a", "1", 0);
  put("b", "1", 50);
  put("a", "2", 60);
  EXPECT_EQ(coalescer_.next_due(), at(100));
  EXPECT_EQ(due(100), Values{"2"});
  EXPECT_EQ(coalescer_.next_due(), at(150));
}

}  // namespace
}  // namespace notifications::publishing
