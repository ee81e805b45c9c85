#include "publisher-client/coalescer.h"

#include <utility>

namespace notifications::publishing {

std::string Coalescer::key(std::string_view event, std::string_view thread_id) {
  // No event name of a metric holds a space, so no two pairs share a key.
  return std::string(event).append(" ").append(thread_id);
}

std::optional<PendingMetric> Coalescer::put(const std::string& key, PendingMetric metric,
                                            Time now) {
  const auto [place, is_first] = waiting_.try_emplace(key);
  std::optional<PendingMetric> superseded;
  if (is_first) {
    order_.push_back({now + interval_, key});
  } else {
    superseded = std::move(place->second);
  }
  place->second = std::move(metric);
  return superseded;
}

std::optional<Coalescer::Time> Coalescer::next_due() const {
  if (order_.empty()) return std::nullopt;
  return order_.front().due;
}

PendingMetric Coalescer::take_first() {
  auto node = waiting_.extract(order_.front().key);
  order_.pop_front();
  return std::move(node.mapped());
}

std::vector<PendingMetric> Coalescer::take_due(Time now) {
  std::vector<PendingMetric> due;
  while (!order_.empty() && order_.front().due <= now) due.push_back(take_first());
  return due;
}

std::vector<PendingMetric> Coalescer::take_all() {
  std::vector<PendingMetric> all;
  while (!order_.empty()) all.push_back(take_first());
  return all;
}

}  // namespace notifications::publishing
