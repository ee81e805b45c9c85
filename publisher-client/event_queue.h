#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "publisher-client/coalescer.h"
#include "publisher-client/queued_event.h"

namespace notifications::publishing {

// EventQueue is what the callers' threads share with the private one: the events that were
// accepted and not yet reported, within bounds of number and bytes.
//
// An event holds its place from push() until release(), wherever it is meanwhile: here, in the
// coalescer, or on the wire. A full queue refuses the newest; an empty one takes any.
//
// Thread: any, unless said otherwise. The mutex is held for moves of pointers only, never while
// something is encoded, sent or called back, so that a caller never waits for the network.
class EventQueue {
 public:
  using Time = Coalescer::Time;
  using Admission = Publisher::Admission;

  struct Limits {
    std::size_t events;
    std::size_t bytes;
  };

  // `wake` is called, outside the lock, when there is something new for take().
  EventQueue(Limits limits, std::chrono::milliseconds coalesce_interval,
             std::function<void()> wake);

  // Accepts an event at the end of the queue, or says why not: kQueueFull or kClosed.
  Admission push(QueuedEvent event);
  // Accepts a thread metric into the coalescer. The value whose place it takes keeps its own place
  // in the queue until it was reported, a moment later.
  Admission push_metric(const std::string& key, PendingMetric metric, Time now);

  // What the private thread has to do next.
  struct Work {
    std::deque<QueuedEvent> ready;        // to be sent, in order
    std::vector<PendingMetric> due;       // to be encoded and sent, behind `ready`
    std::vector<QueuedEvent> superseded;  // to be reported
    std::optional<Time> next_due;         // when to come again, for the metrics that wait
  };
  // Thread: private.
  Work take(Time now);

  // The event's fate is known: counts it and frees its place. Then the callback runs; then
  // reported() tells those who flush. Two steps, so that a callback may publish into the freed
  // place, and a flush that returned has seen the callback return.
  // Thread: private.
  void release(const QueuedEvent& event, Publisher::DeliveryStatus status);
  void reported(const QueuedEvent& event);

  // Lets the pending metrics out and waits until all that was accepted before the call was
  // reported. False if the deadline came first. Thread: any but the private one.
  bool flush(Time deadline);
  // True if nothing accepted waits for its report.
  bool idle() const;

  // Refuses everything from now on.
  void close();

  void count_invalid();
  // Without the connection's part.
  Publisher::Counters counters() const;

 private:
  // These require the mutex.
  bool fits(std::size_t bytes) const;
  void accept(QueuedEvent& event);
  bool should_wake();

  // Constant after construction.
  const Limits limits_;
  const std::function<void()> wake_;

  mutable std::mutex mutex_;
  std::condition_variable reported_;
  // Guarded by mutex_.
  std::deque<QueuedEvent> ready_;  // a deque: growing never moves what is there
  std::vector<QueuedEvent> superseded_;
  Coalescer coalescer_;
  bool closed_ = false;
  bool woken_ = false;                               // take() was promised and has not come yet
  bool release_metrics_ = false;                     // a flush asked for the pending metrics
  std::uint64_t epoch_ = 0;                          // raised by each flush
  std::map<std::uint64_t, std::size_t> unreported_;  // events by epoch
  Publisher::Counters counters_;
};

}  // namespace notifications::publishing
