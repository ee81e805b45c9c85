#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "publisher-client/queued_event.h"

namespace notifications::publishing {

// Coalescer holds back the thread metrics: of each key the last value comes out, one interval
// after the first change since the last time it came out.
//
// Later changes do not put the moment off, so a metric that changes all the time is still
// published once per interval. What comes out is in the order of the first changes.
//
// Thread: any one; the caller brings the clock.
class Coalescer {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Coalescer(std::chrono::milliseconds interval) : interval_(interval) {}

  // The key of a metric.
  static std::string key(std::string_view event, std::string_view thread_id);

  // Holds `metric`; returns the one whose place it took. Requires: `now` never runs back.
  std::optional<PendingMetric> put(const std::string& key, PendingMetric metric, Time now);

  // When the next one is due; nothing if none waits.
  std::optional<Time> next_due() const;

  // Removes and returns those due at `now`, or all of them.
  std::vector<PendingMetric> take_due(Time now);
  std::vector<PendingMetric> take_all();

  std::size_t size() const { return waiting_.size(); }

 private:
  struct Slot {
    Time due;
    std::string key;
  };
  PendingMetric take_first();

  const std::chrono::milliseconds interval_;
  std::deque<Slot> order_;  // by first change, and so by due time: the interval is one
  std::unordered_map<std::string, PendingMetric> waiting_;
};

}  // namespace notifications::publishing
