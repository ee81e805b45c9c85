#include "core/runtime/dispatcher.h"

#include <chrono>
#include <span>
#include <string>
#include <utility>

#include "core/runtime/event_age.h"

namespace notifications {
namespace {

constexpr std::string_view kDeliveredName = "notifications_events_delivered_total";
constexpr std::string_view kDeliveredHelp =
    "Events handed to a subscriber's queue, by the platform's event names.";

// The label of a counter is never text that a peer chose: names beyond these are `other`.
// See: CONTRACT section 3.
constexpr std::array<std::string_view, 13> kPlatformEvents = {"node_status",
                                                              "node_state",
                                                              "node_reminder_count",
                                                              "thread_created",
                                                              "thread_updated",
                                                              "thread_activity_changed",
                                                              "thread_reminders_count",
                                                              "message_created",
                                                              "run_status_changed",
                                                              "run_event_appended",
                                                              "run_event_updated",
                                                              "tool_output_chunk",
                                                              "tool_output_terminal"};

}  // namespace

Dispatcher::Dispatcher(RoomInterest& interest, std::vector<Shard*> shards, Shard* local, Log& log,
                       Metrics& metrics, std::size_t window_bytes)
    : interest_(interest),
      shards_(std::move(shards)),
      local_(local),
      log_(log),
      events_in_(metrics.counter("notifications_events_received_total",
                                 "Valid envelopes taken from the broker.")),
      bytes_in_(metrics.counter("notifications_events_received_bytes_total",
                                "Bytes of envelopes taken from the broker, invalid ones too.")),
      unwatched_(metrics.counter("notifications_events_unwatched_total",
                                 "Valid envelopes nobody here watched a room of.")),
      deliveries_(metrics.counter("notifications_deliveries_total",
                                  "Events handed to a subscriber's queue.")),
      delivered_of_others_(metrics.counter(kDeliveredName, kDeliveredHelp, {{"event", "other"}})),
      age_(metrics.histogram(
          "notifications_event_age_seconds", "Time from an event's ts to its arrival here.",
          {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300})),
      batches_(shards_.size()),
      window_(window_bytes),
      announced_(shards_.size()) {
  for (const std::string_view event : kPlatformEvents) {
    delivered_by_event_[event] =
        &metrics.counter(kDeliveredName, kDeliveredHelp, {{"event", std::string(event)}});
  }
  for (int i = 0; i < kInvalidReasons; ++i) {
    const auto reason = static_cast<InvalidReason>(i);
    invalid_[static_cast<std::size_t>(i)] =
        &metrics.counter("notifications_events_invalid_total", "Envelopes refused, by reason.",
                         {{"reason", std::string(name(reason))}});
  }
}

void Dispatcher::count_invalid(const InvalidEnvelope& problem, std::size_t bytes) {
  invalid_[static_cast<std::size_t>(problem.reason)]->add();
  if (const auto suppressed = invalid_log_.admit()) {
    log_.warn("invalid envelope dropped", {{"reason", name(problem.reason)},
                                           {"detail", problem.detail},
                                           {"bytes", bytes},
                                           {"suppressed", *suppressed}});
  }
}

// Reads where a message stands and checks that it follows the last one: whatever lies between was
// missed, and everybody is told.
bool Dispatcher::follow(const Incoming& message, Position& position) {
  auto at = parse_position(message.position);
  const auto previous = parse_position(message.previous);
  if (!at || !previous) return false;
  position = *std::move(at);
  if (!window_.started() || window_.head() != *previous) restart_behind(*previous);
  return true;
}

void Dispatcher::on_reset(const Position& base) { restart_behind(base); }

void Dispatcher::restart_behind(const Position& base) {
  const bool missed = window_.started() && window_.head() != base;
  if (missed) {
    on_batch_end();  // what came before the gap stands before it
    const Position after = window_.head();
    log_.warn("gap in the journal", {{"after", after.text()}, {"resumes_at", base.text()}});
    for (Shard* shard : shards_) {
      run_on(*shard, [shard, after, base] { shard->gap(after, base); });
    }
  }
  window_.reset(base);
}

void Dispatcher::on_message(const Incoming& message) {
  bytes_in_.add(message.text.size());
  const bool journaled = !message.position.empty();
  Position position;
  if (journaled && !follow(message, position)) {
    log_.error("position not understood", {{"position", message.position}});
    return;
  }
  auto decoded = decode_envelope(message.text);
  if (!decoded) {
    if (journaled) window_.push(std::move(position), nullptr);
    return count_invalid(decoded.error(), message.text.size());
  }
  events_in_.add();
  age_.observe(event_age_seconds(decoded->ts));
  const ShardMask mask = interest_.interested(decoded->rooms);
  if (mask == 0) {
    unwatched_.add();
    if (!journaled) return;
  }
  const auto publication = std::make_shared<const Publication>(
      std::move(decoded).value(), std::string(message.text), std::string(message.position),
      std::chrono::steady_clock::now());
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if ((mask >> shards_[i]->id()) & 1) batches_[i].push_back(publication);
  }
  if (journaled) window_.push(std::move(position), publication);
}

Counter& Dispatcher::delivered_of(std::string_view event) {
  const auto found = delivered_by_event_.find(event);
  return found == delivered_by_event_.end() ? delivered_of_others_ : *found->second;
}

void Dispatcher::deliver(Shard& shard, const Batch& batch) {
  std::size_t count = 0;
  for (std::span<const PublicationPtr> rest(batch); !rest.empty();) {
    const auto run = rest.first(shard.hub().run_length(rest));
    rest = rest.subspan(run.size());
    shard.delivering(run.front().get());
    const std::size_t delivered = shard.hub().deliver_run(run);
    for (const PublicationPtr& publication : run) {
      delivered_of(publication->envelope().event).add(delivered);
    }
    count += delivered * run.size();
  }
  shard.delivering(nullptr);
  deliveries_.add(count);
}

template <class Work>
void Dispatcher::run_on(Shard& shard, Work work) {
  if (&shard == local_) {
    work();
  } else {
    shard.post(std::move(work));
  }
}

void Dispatcher::on_batch_end() {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (batches_[i].empty()) continue;
    Shard& shard = *shards_[i];
    if (window_.started()) announced_[i] = window_.head();
    run_on(shard, [this, &shard, batch = std::move(batches_[i]), head = announced_[i]] {
      deliver(shard, batch);
      if (head) shard.advance(*head);
    });
    batches_[i] = Batch();
  }
  if (advanced_) advanced_();
}

void Dispatcher::announce_head() {
  if (!window_.started()) return;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (announced_[i] == window_.head()) continue;
    announced_[i] = window_.head();
    Shard& shard = *shards_[i];
    run_on(shard, [&shard, head = window_.head()] { shard.advance(head); });
  }
}

}  // namespace notifications
