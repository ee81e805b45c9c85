#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "core/journal.h"
#include "core/position.h"

namespace notifications {

// One message as it came from the broker, not yet checked.
struct Incoming {
  std::string_view text;  // the envelope's JSON text; valid during the call only
  // With the journal on: where it stands in the journal, and what stands before it. Empty with the
  // journal off.
  std::string_view position = {};
  std::string_view previous = {};
};

// What became of a publish.
enum class PublishStatus {
  kPublished,    // the broker has it
  kUnavailable,  // not sent, or the answer was lost: the outcome is unknown to the caller
  kTimedOut,     // the deadline passed first; the outcome is unknown
  kRefused,      // the broker answered with an error: `detail` says which
};

struct PublishOutcome {
  PublishStatus status = PublishStatus::kUnavailable;
  std::string detail;    // for people: one line, no payload
  std::string position;  // empty with the journal off
  std::string ts;        // the timestamp under which it stands (the first one's, if repeated)
};

struct PublishCommand {
  std::string id;    // the envelope's id
  std::string ts;    // the envelope's ts
  std::string text;  // the envelope's JSON text; valid
  std::chrono::steady_clock::time_point deadline;
};

// Where events enter a process; implemented by the dispatcher.
//
// Thread: the broker's. All calls of one broker come from one thread.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_message(const Incoming& message) = 0;
  // No further message is at hand now: hand on what was gathered.
  virtual void on_batch_end() = 0;
  // With the journal on: what follows follows `base`, whatever came before. Called before the first
  // message, and when the journal turned out to be another one (deleted, restored). A batch end
  // follows, behind what is at hand of the past.
  virtual void on_reset(const Position& base) { static_cast<void>(base); }
};

// The broker's condition, for readiness and metrics.
struct BrokerStatus {
  bool connected = false;  // the connection that carries events stands and is subscribed
  bool flowing = false;    // a probe written by this process came back within the canary timeout
  std::uint64_t reconnects = 0;  // connections made after the first one
  std::string last_error;        // "" if there was none yet
};

// Broker carries envelopes between processes: Redis, or memory within one process.
//
// The port that adapters under core/memory and core/redis implement; one contract suite
// (tests/contract/broker_contract_test.cc) runs on all of them.
class Broker {
 public:
  virtual ~Broker() = default;

  // Starts to deliver what is published to `sink`, which outlives stop(). Called once; returns at
  // once: a broker that is away is retried for ever.
  virtual void start(EventSink& sink) = 0;

  // Publishes and calls `done` exactly once, on the broker's thread, no later than the deadline
  // (plus scheduling) or stop(). Thread: any.
  virtual void publish(PublishCommand command, std::function<void(PublishOutcome)> done) = 0;

  // Thread: any.
  virtual BrokerStatus status() const = 0;

  // Calls `changed` (broker's thread) whenever connected or flowing changes. Before start().
  virtual void on_status_change(std::function<void(const BrokerStatus&)> changed) = 0;

  // The journal behind it; null with the journal off. Constant. Thread: any.
  virtual Journal* journal() { return nullptr; }

  // No call to the sink or a `done` is made after it returns; pending publishes end kUnavailable
  // before. Thread: any but the broker's.
  virtual void stop() = 0;
};

}  // namespace notifications
