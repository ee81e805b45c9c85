#include "core/metrics.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace notifications {
namespace {

using ByLabel = std::vector<std::pair<std::string, std::int64_t>>;

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, GivesTheSameCounterForTheSameNameAndLabels) {
  Metrics metrics;
  Counter& a = metrics.counter("c_total", "Help.", {{"k", "a"}});
  Counter& b = metrics.counter("c_total", "Help.", {{"k", "b"}});
  EXPECT_EQ(&a, &metrics.counter("c_total", "Help.", {{"k", "a"}}));
  EXPECT_NE(&a, &b);
}

TEST(Metrics, KeepsReferencesValidWhileItGrows) {
  Metrics metrics;
  Counter& first = metrics.counter("c_total", "Help.", {{"k", "first"}});
  for (int i = 0; i < 1000; ++i) {
    metrics.counter("c_total", "Help.", {{"k", std::to_string(i)}});
    metrics.gauge("g" + std::to_string(i), "Help.");
  }
  first.add(3);
  EXPECT_EQ(metrics.total("c_total"), 3);
}

TEST(Metrics, SumsOverLabels) {
  Metrics metrics;
  metrics.counter("c_total", "Help.", {{"k", "a"}}).add(2);
  metrics.counter("c_total", "Help.", {{"k", "b"}}).add(40);
  metrics.gauge("g", "Help.").set(-5);
  EXPECT_EQ(metrics.total("c_total"), 42);
  EXPECT_EQ(metrics.total("g"), -5);
  EXPECT_EQ(metrics.total("unknown"), 0);
  EXPECT_EQ(metrics.by_label("c_total"), (ByLabel{{"a", 2}, {"b", 40}}));
  EXPECT_EQ(metrics.by_label("g"), (ByLabel{{"", -5}}));
  EXPECT_TRUE(metrics.by_label("unknown").empty());
}

TEST(Metrics, JoinsTheValuesOfSeveralLabels) {
  Metrics metrics;
  metrics.counter("c_total", "Help.", {{"front", "socketio"}, {"reason", "slow"}}).add();
  EXPECT_EQ(metrics.by_label("c_total"), (ByLabel{{"socketio/slow", 1}}));
}

TEST(Metrics, WritesThePrometheusTextFormat) {
  Metrics metrics;
  metrics.counter("c_total", "What is counted.", {{"k", "a"}}).add(2);
  metrics.gauge("g", "A level.").set(-5);
  metrics.computed("computed", "Read when asked.", [] { return 1.5; });
  const std::string text = metrics.prometheus_text();
  EXPECT_TRUE(has_line(text, "# HELP c_total What is counted.")) << text;
  EXPECT_TRUE(has_line(text, "# TYPE c_total counter")) << text;
  EXPECT_TRUE(has_line(text, "c_total{k=\"a\"} 2")) << text;
  EXPECT_TRUE(has_line(text, "# TYPE g gauge")) << text;
  EXPECT_TRUE(has_line(text, "g -5")) << text;
  EXPECT_TRUE(has_line(text, "computed 1.5")) << text;
}

TEST(Metrics, WritesLargeCountsWithoutLosingDigits) {
  Metrics metrics;
  metrics.counter("c_total", "Help.").add(123'456'789'012'345);
  EXPECT_TRUE(has_line(metrics.prometheus_text(), "c_total 123456789012345"))
      << metrics.prometheus_text();
}

TEST(Metrics, WritesHistogramsWithCumulativeBuckets) {
  Metrics metrics;
  Histogram& histogram = metrics.histogram("h", "Sizes.", {1, 10, 100});
  for (const double value : {0.0, 1.0, 1.5, 10.0, 99.0, 101.0, 1000.0}) histogram.observe(value);
  histogram.observe(2, 3);
  EXPECT_EQ(histogram.counts(), (std::vector<std::uint64_t>{2, 5, 1, 2}));
  EXPECT_DOUBLE_EQ(histogram.sum(), 1218.5);
  const std::string text = metrics.prometheus_text();
  EXPECT_TRUE(has_line(text, "# TYPE h histogram")) << text;
  EXPECT_TRUE(has_line(text, "h_bucket{le=\"1\"} 2")) << text;
  EXPECT_TRUE(has_line(text, "h_bucket{le=\"10\"} 7")) << text;
  EXPECT_TRUE(has_line(text, "h_bucket{le=\"100\"} 8")) << text;
  EXPECT_TRUE(has_line(text, "h_bucket{le=\"+Inf\"} 10")) << text;
  EXPECT_TRUE(has_line(text, "h_count 10")) << text;
  EXPECT_TRUE(has_line(text, "h_sum 1218.5")) << text;
}

TEST(Metrics, HistogramsAreNoTotals) {
  Metrics metrics;
  metrics.histogram("h", "Sizes.", {1}).observe(1);
  EXPECT_EQ(metrics.total("h"), 0);
}

TEST(Metrics, EscapesLabelValues) {
  Metrics metrics;
  metrics.counter("c_total", "Help.", {{"k", "a\"b\\c\nd"}}).add();
  EXPECT_TRUE(has_line(metrics.prometheus_text(), R"(c_total{k="a\"b\\c\nd"} 1)"))
      << metrics.prometheus_text();
}

TEST(Metrics, CountsFromManyThreadsWhileItIsRead) {
  Metrics metrics;
  Counter& counter = metrics.counter("c_total", "Help.");
  Gauge& gauge = metrics.gauge("g", "Help.");
  Histogram& histogram = metrics.histogram("h", "Help.", {1, 2});
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) {
        counter.add();
        gauge.add(n % 2 == 0 ? 1 : -1);
        histogram.observe(n % 4);
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(metrics.prometheus_text().empty());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 3000u);
  EXPECT_EQ(gauge.value(), 0);
  EXPECT_EQ(histogram.counts(), (std::vector<std::uint64_t>{1500, 750, 750}));
  EXPECT_DOUBLE_EQ(histogram.sum(), 4500);
}

}  // namespace
}  // namespace notifications
