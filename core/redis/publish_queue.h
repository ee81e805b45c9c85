#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/broker.h"
#include "core/metrics.h"

namespace notifications::redis {

// PublishQueue holds the publishes of a broker from the call until the answer: it bounds them,
// keeps their deadlines, lets them wait while the connection is away, and ends each exactly once.
//
// Thread: add(): any; everything else: the broker's.
class PublishQueue {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Done = std::function<void(PublishOutcome)>;

  // One publish: waiting for the connection, or sent and waiting for the answer.
  class Entry {
   public:
    PublishCommand command;
    std::optional<TimePoint> sent_at;  // for the first time
    bool asked_before = false;         // an answer to it was lost
    bool ended() const { return !done_; }

   private:
    friend class PublishQueue;
    Done done_;  // empty once called
    std::size_t bytes_ = 0;
    bool admitted_ = true;
    std::optional<std::list<std::shared_ptr<Entry>>::iterator> waiting_;
    std::optional<std::multimap<TimePoint, std::shared_ptr<Entry>>::iterator> due_;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  // Bounds on what is not answered yet; one publish is always admitted. `metrics` outlives this.
  PublishQueue(std::size_t max_count, std::size_t max_bytes, Metrics& metrics)
      : max_count_(max_count),
        max_bytes_(max_bytes),
        outstanding_gauge_(metrics.gauge("notifications_redis_publishes_outstanding",
                                         "Publishes waiting for Redis or for its answer")),
        ended_{counter(metrics, "published"), counter(metrics, "unavailable"),
               counter(metrics, "timed_out"), counter(metrics, "refused")} {}

  static PublishOutcome outcome(PublishStatus status, std::string detail) {
    PublishOutcome result;
    result.status = status;
    result.detail = std::move(detail);
    return result;
  }

  // Takes a publish in. True if the caller has to see to it that take() is called: one turn for
  // all that gathers until then. After close() it ends at once, on this thread.
  bool add(PublishCommand command, Done done) {
    std::unique_lock lock(mutex_);
    if (closed_) {
      lock.unlock();
      done(outcome(PublishStatus::kUnavailable, "the broker has stopped"));
      return false;
    }
    auto entry = std::make_shared<Entry>();
    const std::size_t bytes = command.text.size();
    entry->admitted_ =
        count_ == 0 || (count_ < max_count_ && bytes <= max_bytes_ - std::min(bytes_, max_bytes_));
    if (entry->admitted_) {
      entry->command = std::move(command);
      entry->bytes_ = bytes;
    }
    entry->done_ = std::move(done);
    ++count_;
    bytes_ += entry->bytes_;
    inbox_.push_back(std::move(entry));
    return !std::exchange(taking_, true);
  }

  // What was added since the last call, in order; each must be sent or held. Those that may not
  // come in, or come too late, are ended here.
  std::vector<EntryPtr> take(TimePoint now) {
    std::vector<EntryPtr> added;
    {
      const std::lock_guard lock(mutex_);
      added.swap(inbox_);
      taking_ = false;
    }
    std::vector<EntryPtr> admitted;
    admitted.reserve(added.size());
    for (EntryPtr& entry : added) {
      if (!entry->admitted_) {
        end(*entry,
            outcome(PublishStatus::kUnavailable, "too many publishes are waiting for Redis"));
      } else if (entry->command.deadline <= now) {
        end(*entry,
            outcome(PublishStatus::kTimedOut, "the deadline had passed before it was sent"));
      } else {
        entry->due_ = due_.emplace(entry->command.deadline, entry);
        admitted.push_back(std::move(entry));
      }
    }
    return admitted;
  }

  // Lets one wait for the connection.
  void hold(const EntryPtr& entry) { entry->waiting_ = waiting_.insert(waiting_.end(), entry); }

  // All that wait, in order; each must be sent or held again.
  std::list<EntryPtr> release() {
    for (const EntryPtr& entry : waiting_) entry->waiting_.reset();
    return std::exchange(waiting_, {});
  }

  void end(Entry& entry, PublishOutcome result) {
    if (entry.waiting_) waiting_.erase(*std::exchange(entry.waiting_, {}));
    entry.command.text.clear();
    {
      const std::lock_guard lock(mutex_);
      --count_;
      bytes_ -= entry.bytes_;
      outstanding_gauge_.set(static_cast<std::int64_t>(count_));
    }
    ended_[static_cast<std::size_t>(result.status)]->add();
    const Done done = std::exchange(entry.done_, {});
    // Last: the map may hold the only reference.
    if (entry.due_) due_.erase(*std::exchange(entry.due_, {}));
    done(std::move(result));
  }

  std::optional<TimePoint> next_deadline() const {
    if (due_.empty()) return std::nullopt;
    return due_.begin()->first;
  }

  // Ends what is due. `away`: why there is no connection.
  void expire(TimePoint now, const std::string& away) {
    while (!due_.empty() && due_.begin()->first <= now) {
      const EntryPtr entry = due_.begin()->second;
      if (entry->waiting_)
        end(*entry, outcome(PublishStatus::kUnavailable, "Redis is not reachable: " + away));
      else
        end(*entry, outcome(PublishStatus::kTimedOut, "no answer from Redis before the deadline"));
    }
  }

  // Ends everything. Requires: nothing is in the hands of a connection any more.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    take(TimePoint::min());
    while (!due_.empty())
      end(*EntryPtr(due_.begin()->second),
          outcome(PublishStatus::kUnavailable, "the broker has stopped"));
  }

 private:
  static Counter* counter(Metrics& metrics, const char* word) {
    return &metrics.counter("notifications_publishes_total", "Publishes by outcome",
                            {{"outcome", word}});
  }

  // Constant after construction.
  const std::size_t max_count_;
  const std::size_t max_bytes_;
  Gauge& outstanding_gauge_;
  const std::array<Counter*, 4> ended_;  // by PublishStatus

  // The broker's thread only.
  std::list<EntryPtr> waiting_;
  std::multimap<TimePoint, EntryPtr> due_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<EntryPtr> inbox_;
  bool taking_ = false;  // whether a turn for the inbox is under way
  bool closed_ = false;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace notifications::redis
