#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "notifications/events.h"

#if defined(__GNUC__)
#define NOTIFICATIONS_PUBLISHER_API __attribute__((visibility("default")))
#else
#define NOTIFICATIONS_PUBLISHER_API
#endif

namespace notifications {

// Publisher sends events to the notifications channel in Redis.
//
//   notifications::Publisher publisher({.redis_url = "redis://127.0.0.1:6379/0"});
//   notifications::events::NodeStatus event{.node_id = "42"};
//   event.provision_status.state = "ready";
//   auto receipt = publisher.node_status(event);
//   if (!receipt) log(receipt.error);  // "payload.provisionStatus.state: must be one of ..."
//   publisher.flush(std::chrono::seconds(2));
//
// It is asynchronous: every function that takes an event checks it, puts it into a bounded queue
// and returns; it never waits for the network and never throws because of it. One private thread
// sends what is queued over one connection, pipelined and in the order in which it was accepted,
// connects again after a loss, for ever, and reports what became of each event.
//
// When the queue is full the newest event is refused at once (kQueueFull): what was accepted is
// never dropped to make room. The queue counts every event from its acceptance to its delivery
// report, and an empty queue takes an event of any valid size.
//
// An event whose answer was lost with the connection may or may not have been published. It is
// reported as kUnknown and not sent again, since that might publish it twice. With the journal on,
// which appends an id once, it is sent again until it is known.
//
// Thread: any; all functions may be called at once from many threads. A Publisher does not survive
// a fork(): the child may destroy it, which does nothing there, and no more.
class NOTIFICATIONS_PUBLISHER_API Publisher {
 public:
  // What became of an accepted event.
  enum class DeliveryStatus {
    kDelivered,   // Redis took it
    kRefused,     // Redis answered with an error; `detail` says which
    kUnknown,     // sent, but the answer was lost: it may or may not have been published
    kNotSent,     // never sent: the publisher was closed first
    kSuperseded,  // a later value of the same thread took its place before it was sent
  };

  struct Delivery {
    DeliveryStatus status = DeliveryStatus::kNotSent;
    std::string id;      // the envelope's id
    std::string detail;  // one line for people; "" if delivered
    // Subscribers of the channel at that moment, if delivered; 0 with the journal on.
    std::int64_t receivers = 0;
    std::string position;  // the event's place in the journal, if delivered and the journal is on
  };

  // Called exactly once for every accepted event, on the publisher's private thread: it must not
  // block, as everything else waits for it. It may publish; it must not close or destroy the
  // publisher. An exception that it lets out is told to `log`, and goes no further.
  using OnDelivery = std::function<void(const Delivery&)>;

  // Whether an event was accepted.
  enum class Admission {
    kAccepted,
    kInvalid,    // against the contract; nothing is published
    kQueueFull,  // too much is waiting; nothing is published
    kClosed,     // after close()
  };

  struct Receipt {
    Admission admission = Admission::kClosed;
    std::string id;     // of the envelope, if accepted
    std::string error;  // else one line that names the field, or says why

    explicit operator bool() const { return admission == Admission::kAccepted; }
  };

  struct Options {
    std::string redis_url = "redis://127.0.0.1:6379/0";  // redis://[user:pass@]host[:port][/db]
    std::string channel = "notifications.v1";
    std::string source = "platform-server";               // the envelopes' source
    std::string client_name = "notifications-publisher";  // in Redis' CLIENT LIST; "" for none

    // Events are appended to the channel's journal, too, so that consumers resume without losing
    // any. All processes of a channel must agree about it. The rest as the gateways' flags of the
    // same names; a lost answer is asked for again for about `idempotency_window`.
    bool journal = false;
    std::uint64_t journal_max_length = 1'000'000;              // entries
    std::chrono::milliseconds journal_retention{15 * 60'000};  // of an entry
    std::chrono::milliseconds idempotency_window{5 * 60'000};  // of an id

    // The queue's bounds: events, and bytes of their envelopes.
    std::size_t max_queued_events = 100'000;
    std::size_t max_queued_bytes = 64 * 1024 * 1024;
    // How many of them may be on the wire without an answer: what a lost connection makes unknown.
    std::size_t max_in_flight_events = 1024;
    std::size_t max_in_flight_bytes = 1024 * 1024;

    // How long after the first change of a thread's metric its last value is published.
    std::chrono::milliseconds coalesce_interval{100};
    // How long close() waits for what is queued.
    std::chrono::milliseconds close_timeout{2000};
    // For resolving, connecting and logging in together.
    std::chrono::milliseconds connect_timeout{5000};
    // The pause before connecting again: from the first, doubling up to the second, jittered.
    std::chrono::milliseconds reconnect_min{100};
    std::chrono::milliseconds reconnect_max{5000};
    // A connection that leaves an event unanswered for so long is given up and made anew.
    std::chrono::milliseconds answer_timeout{10'000};

    // Told when the connection comes and goes, and of callbacks that throw: one line without
    // secrets, on the private thread. It must not throw itself.
    std::function<void(std::string_view line)> log = {};
    // For tests: the envelopes' time and ids. Called from any thread.
    std::function<std::chrono::system_clock::time_point()> clock = {};
    std::function<std::string()> new_id = {};
  };

  // Running totals, and the state of this moment.
  struct Counters {
    std::uint64_t accepted = 0;
    std::uint64_t invalid = 0;
    std::uint64_t queue_full = 0;
    std::uint64_t delivered = 0;
    std::uint64_t refused = 0;
    std::uint64_t unknown = 0;
    std::uint64_t not_sent = 0;
    std::uint64_t superseded = 0;
    std::uint64_t connects = 0;     // connections made
    std::size_t queued_events = 0;  // accepted and not yet reported
    std::size_t queued_bytes = 0;
    bool connected = false;
    // Whether `journal` is on here and off at a gateway of the channel, or the other way round, as
    // far as was seen; the log says where.
    bool journal_disagreement = false;
  };

  // Starts the private thread, which connects in the background: Redis may be away.
  // Throws std::invalid_argument, naming the option, if one of them cannot be used, and
  // std::system_error if no thread can be had.
  explicit Publisher(Options options);
  // Publishes to Redis at its default address.
  Publisher();
  // As close().
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Publishes any event: rooms and event name by the contract's rules, `payload_json` any JSON
  // value, whose text arrives byte for byte as given here. Not coalesced.
  Receipt publish(std::vector<std::string> rooms, std::string event, std::string payload_json,
                  OnDelivery on_delivery = {});

  // The platform's events. Each function is named after its event, chooses the rooms, checks the
  // payload and writes its keys in the contract's order.
  Receipt node_status(const events::NodeStatus& event, OnDelivery on_delivery = {});
  Receipt node_state(const events::NodeState& event, OnDelivery on_delivery = {});
  Receipt node_reminder_count(const events::NodeReminderCount& event, OnDelivery on_delivery = {});
  Receipt thread_created(const events::Thread& event, OnDelivery on_delivery = {});
  Receipt thread_updated(const events::Thread& event, OnDelivery on_delivery = {});
  Receipt message_created(const events::Message& event, OnDelivery on_delivery = {});
  Receipt run_status_changed(const events::RunStatus& event, OnDelivery on_delivery = {});
  Receipt run_event_appended(const events::RunEvent& event, OnDelivery on_delivery = {});
  Receipt run_event_updated(const events::RunEvent& event, OnDelivery on_delivery = {});
  Receipt tool_output_chunk(const events::ToolOutputChunk& event, OnDelivery on_delivery = {});
  Receipt tool_output_terminal(const events::ToolOutputTerminal& event,
                               OnDelivery on_delivery = {});

  // Thread metrics, coalesced: for each thread and event the last value is published,
  // `coalesce_interval` after the first change; the values before it end as kSuperseded. The
  // envelope's ts is the time at which it leaves the coalescer.
  Receipt thread_activity_changed(const events::ThreadActivity& event, OnDelivery on_delivery = {});
  Receipt thread_reminders_count(const events::ThreadRemindersCount& event,
                                 OnDelivery on_delivery = {});

  // Sends pending thread metrics now and waits until every event accepted before the call was
  // reported (its callback has returned), or until the deadline. True if all were; whatever their
  // status. False at once, having waited for nothing, when called from a delivery callback.
  bool flush(std::chrono::steady_clock::time_point deadline);
  bool flush(std::chrono::milliseconds timeout);

  // Takes no more events, flushes for at most `close_timeout`, then closes the connection and
  // reports the rest as kUnknown or kNotSent; no callback is made after it returns. Harmless if
  // repeated. Must not be called from a callback.
  void close();

  Counters counters() const;

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace notifications
