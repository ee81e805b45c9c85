#include "publisher-client/event_queue.h"

#include <utility>

namespace notifications::publishing {

EventQueue::EventQueue(Limits limits, std::chrono::milliseconds coalesce_interval,
                       std::function<void()> wake)
    : limits_(limits), wake_(std::move(wake)), coalescer_(coalesce_interval) {}

bool EventQueue::fits(std::size_t bytes) const {
  if (counters_.queued_events == 0) return true;
  return counters_.queued_events < limits_.events && counters_.queued_bytes < limits_.bytes &&
         bytes <= limits_.bytes - counters_.queued_bytes;
}

void EventQueue::accept(QueuedEvent& event) {
  event.epoch = epoch_;
  ++unreported_[epoch_];
  ++counters_.accepted;
  ++counters_.queued_events;
  counters_.queued_bytes += event.charged_bytes;
}

// One wake-up is enough until the private thread came: a burst of events costs one post.
bool EventQueue::should_wake() { return !std::exchange(woken_, true); }

EventQueue::Admission EventQueue::push(QueuedEvent event) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Admission::kClosed;
    if (!fits(event.charged_bytes)) {
      ++counters_.queue_full;
      return Admission::kQueueFull;
    }
    accept(event);
    ready_.push_back(std::move(event));
    wake = should_wake();
  }
  if (wake) wake_();
  return Admission::kAccepted;
}

EventQueue::Admission EventQueue::push_metric(const std::string& key, PendingMetric metric,
                                              Time now) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Admission::kClosed;
    if (!fits(metric.event.charged_bytes)) {
      ++counters_.queue_full;
      return Admission::kQueueFull;
    }
    accept(metric.event);
    if (auto superseded = coalescer_.put(key, std::move(metric), now)) {
      superseded_.push_back(std::move(superseded->event));
    }
    wake = should_wake();
  }
  if (wake) wake_();
  return Admission::kAccepted;
}

EventQueue::Work EventQueue::take(Time now) {
  Work work;
  const std::lock_guard lock(mutex_);
  woken_ = false;
  work.due =
      std::exchange(release_metrics_, false) ? coalescer_.take_all() : coalescer_.take_due(now);
  work.ready.swap(ready_);
  work.superseded.swap(superseded_);
  work.next_due = coalescer_.next_due();
  return work;
}

void EventQueue::release(const QueuedEvent& event, Publisher::DeliveryStatus status) {
  using Status = Publisher::DeliveryStatus;
  const std::lock_guard lock(mutex_);
  --counters_.queued_events;
  counters_.queued_bytes -= event.charged_bytes;
  switch (status) {
    case Status::kDelivered:
      ++counters_.delivered;
      break;
    case Status::kRefused:
      ++counters_.refused;
      break;
    case Status::kUnknown:
      ++counters_.unknown;
      break;
    case Status::kNotSent:
      ++counters_.not_sent;
      break;
    case Status::kSuperseded:
      ++counters_.superseded;
      break;
  }
}

void EventQueue::reported(const QueuedEvent& event) {
  const std::lock_guard lock(mutex_);
  const auto group = unreported_.find(event.epoch);
  if (--group->second > 0) return;
  unreported_.erase(group);
  reported_.notify_all();
}

bool EventQueue::flush(Time deadline) {
  std::unique_lock lock(mutex_);
  const std::uint64_t epoch = epoch_++;
  const auto done = [&] { return unreported_.empty() || unreported_.begin()->first > epoch; };
  if (done()) return true;
  release_metrics_ = true;
  const bool wake = should_wake();
  lock.unlock();
  if (wake) wake_();
  lock.lock();
  return reported_.wait_until(lock, deadline, done);
}

bool EventQueue::idle() const {
  const std::lock_guard lock(mutex_);
  return unreported_.empty();
}

void EventQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void EventQueue::count_invalid() {
  const std::lock_guard lock(mutex_);
  ++counters_.invalid;
}

Publisher::Counters EventQueue::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace notifications::publishing
