#include <gtest/gtest.h>

#include <cstdint>

#include "server/notifyctl/load/histogram.h"

namespace notifications::load {
namespace {

TEST(LatencyHistogram, IsExactForSmallTimes) {
  LatencyHistogram histogram;
  for (std::uint64_t us = 0; us < 64; ++us) histogram.record(us);
  EXPECT_EQ(histogram.count(), 64u);
  EXPECT_EQ(histogram.quantile(0), 0u);
  EXPECT_EQ(histogram.quantile(0.5), 32u);
  EXPECT_EQ(histogram.quantile(1), 63u);
}

TEST(LatencyHistogram, NamesAnyTimeWithinAFewPercentAndNeverTooLow) {
  for (std::uint64_t us = 1; us < std::uint64_t{1} << 40; us = us * 5 / 4 + 1) {
    LatencyHistogram histogram;
    histogram.record(us);
    histogram.record(us * 100);
    const auto named = static_cast<double>(histogram.quantile(0));
    EXPECT_GE(named, static_cast<double>(us));
    EXPECT_LE(named, static_cast<double>(us) * 1.035);
  }
}

TEST(LatencyHistogram, NeverNamesMoreThanTheLargest) {
  LatencyHistogram histogram;
  histogram.record(1'000'003);
  EXPECT_EQ(histogram.quantile(0.99), 1'000'003u);
  EXPECT_EQ(histogram.largest(), 1'000'003u);
}

TEST(LatencyHistogram, FindsTheTailOfManyTimes) {
  LatencyHistogram histogram;
  for (int i = 0; i < 990; ++i) histogram.record(100);
  for (int i = 0; i < 10; ++i) histogram.record(50'000);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.5)), 100, 3);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.995)), 50'000, 1'600);
}

TEST(LatencyHistogram, IsEmptyWhenNewAndWhenCleared) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0u);
  histogram.record(7);
  histogram.clear();
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.quantile(1), 0u);
}

}  // namespace
}  // namespace notifications::load
