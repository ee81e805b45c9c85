#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace notifications {

// A number that only grows. Thread: any.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// A number that goes up and down. Thread: any.
class Gauge {
 public:
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  void set(std::int64_t n) { value_.store(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_ = 0;
};

// Counts values into buckets with fixed upper bounds. Thread: any.
class Histogram {
 public:
  explicit Histogram(std::vector<double> upper_bounds);
  void observe(double value, std::uint64_t times = 1);

  std::span<const double> upper_bounds() const { return bounds_; }
  // Observations at most upper_bounds()[i] and above the bound before; the last is beyond all.
  std::vector<std::uint64_t> counts() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::atomic<double> sum_ = 0;
};

// Metrics is the registry of a process's counters: parts ask for theirs once, at start, and keep
// the reference; the admin listener reads all of them.
//
// Labels are fixed words of ours, never text a peer chose. Names follow Prometheus' conventions
// and carry the prefix `notifications_` already: "notifications_connects_total".
// Thread: any. References live as long as the registry.
class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The one with this name and these labels, made on the first call. Requires: a name keeps its
  // type and help text.
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help,
                       std::vector<double> upper_bounds, Labels labels = {});
  // A gauge that is read by calling `read` (any thread) when metrics are collected.
  void computed(std::string_view name, std::string_view help, std::function<double()> read,
                Labels labels = {});

  // The text exposition format of Prometheus.
  std::string prometheus_text() const;

  // The sum over all label sets of a counter or gauge; 0 if there is none of that name.
  std::int64_t total(std::string_view name) const;
  // The value for each label set of a counter: label text (values joined by "/") and value.
  std::vector<std::pair<std::string, std::int64_t>> by_label(std::string_view name) const;

 private:
  struct Family;
  Family& family(std::string_view name, std::string_view help, int type);

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Family>> families_;  // guarded by mutex_
};

}  // namespace notifications
