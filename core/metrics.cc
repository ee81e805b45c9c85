#include "core/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cassert>
#include <sstream>

namespace notifications {
namespace {

enum Type { kCounter, kGauge, kHistogram };

}  // namespace

Histogram::Histogram(std::vector<double> upper_bounds)
    : bounds_(std::move(upper_bounds)), counts_(bounds_.size() + 1) {
  assert(std::is_sorted(bounds_.begin(), bounds_.end()));
}

void Histogram::observe(double value, std::uint64_t times) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(times, std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  const double added = value * static_cast<double>(times);
  while (!sum_.compare_exchange_weak(sum, sum + added, std::memory_order_relaxed)) {
  }
}

std::vector<std::uint64_t> Histogram::counts() const {
  std::vector<std::uint64_t> out;
  out.reserve(counts_.size());
  for (const auto& count : counts_) out.push_back(count.load(std::memory_order_relaxed));
  return out;
}

// One name with all its label sets.
struct Metrics::Family {
  struct Member {
    Labels labels;
    Counter counter;
    Gauge gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> read;

    double value(int family_type) const {
      if (read) return read();
      return family_type == kCounter ? static_cast<double>(counter.value())
                                     : static_cast<double>(gauge.value());
    }
  };

  Member& member(const Labels& labels) {
    for (const auto& member : members) {
      if (member->labels == labels) return *member;
    }
    auto& added = members.emplace_back(std::make_unique<Member>());
    added->labels = labels;
    return *added;
  }

  std::string name;
  std::string help;
  int type;
  std::vector<std::unique_ptr<Member>> members;
};

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Metrics::Family& Metrics::family(std::string_view name, std::string_view help, int type) {
  for (const auto& family : families_) {
    if (family->name == name) {
      assert(family->type == type);
      return *family;
    }
  }
  auto& added = families_.emplace_back(std::make_unique<Family>());
  added->name = name;
  added->help = help;
  added->type = type;
  return *added;
}

Counter& Metrics::counter(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(mutex_);
  return family(name, help, kCounter).member(labels).counter;
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(mutex_);
  return family(name, help, kGauge).member(labels).gauge;
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help,
                              std::vector<double> upper_bounds, Labels labels) {
  const std::lock_guard lock(mutex_);
  auto& member = family(name, help, kHistogram).member(labels);
  if (member.histogram == nullptr) {
    member.histogram = std::make_unique<Histogram>(std::move(upper_bounds));
  }
  return *member.histogram;
}

void Metrics::computed(std::string_view name, std::string_view help, std::function<double()> read,
                       Labels labels) {
  const std::lock_guard lock(mutex_);
  family(name, help, kGauge).member(labels).read = std::move(read);
}

std::string Metrics::prometheus_text() const {
  std::vector<prometheus::MetricFamily> out;
  const std::lock_guard lock(mutex_);
  for (const auto& family : families_) {
    prometheus::MetricFamily& exported = out.emplace_back();
    exported.name = family->name;
    exported.help = family->help;
    exported.type = family->type == kCounter ? prometheus::MetricType::Counter
                    : family->type == kGauge ? prometheus::MetricType::Gauge
                                             : prometheus::MetricType::Histogram;
    for (const auto& member : family->members) {
      prometheus::ClientMetric& metric = exported.metric.emplace_back();
      for (const auto& [key, value] : member->labels) metric.label.push_back({key, value});
      if (family->type == kCounter) {
        metric.counter.value = member->value(kCounter);
      } else if (family->type == kGauge) {
        metric.gauge.value = member->value(kGauge);
      } else {
        const auto counts = member->histogram->counts();
        const auto bounds = member->histogram->upper_bounds();
        std::uint64_t below = 0;
        for (std::size_t i = 0; i < counts.size(); ++i) {
          below += counts[i];
          prometheus::ClientMetric::Bucket bucket;
          bucket.cumulative_count = below;
          bucket.upper_bound =
              i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
          metric.histogram.bucket.push_back(bucket);
        }
        metric.histogram.sample_count = below;
        metric.histogram.sample_sum = member->histogram->sum();
      }
    }
  }
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, out);
  return text.str();
}

std::int64_t Metrics::total(std::string_view name) const {
  std::int64_t sum = 0;
  for (const auto& [label, value] : by_label(name)) sum += value;
  return sum;
}

std::vector<std::pair<std::string, std::int64_t>> Metrics::by_label(std::string_view name) const {
  std::vector<std::pair<std::string, std::int64_t>> out;
  const std::lock_guard lock(mutex_);
  for (const auto& family : families_) {
    if (family->name != name || family->type == kHistogram) continue;
    for (const auto& member : family->members) {
      std::string label;
      for (const auto& [key, value] : member->labels) {
        if (!label.empty()) label += '/';
        label += value;
      }
      out.emplace_back(std::move(label), static_cast<std::int64_t>(member->value(family->type)));
    }
  }
  return out;
}

}  // namespace notifications
