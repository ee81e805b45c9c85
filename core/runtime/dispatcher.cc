#include "core/runtime/dispatcher.h"

#include <chrono>
#include <string>
#include <utility>

namespace notifications {

Dispatcher::Dispatcher(RoomInterest& interest, std::vector<Shard*> shards, Shard* local, Log& log,
                       Metrics& metrics)
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
      batches_(shards_.size()) {
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

void Dispatcher::on_message(const Incoming& message) {
  bytes_in_.add(message.text.size());
  auto decoded = decode_envelope(message.text);
  if (!decoded) return count_invalid(decoded.error(), message.text.size());
  events_in_.add();
  const ShardMask mask = interest_.interested(decoded->rooms);
  if (mask == 0) return unwatched_.add();
  const auto publication = std::make_shared<const Publication>(
      std::move(decoded).value(), std::string(message.text), std::string(message.position),
      std::chrono::steady_clock::now());
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if ((mask >> shards_[i]->id()) & 1) batches_[i].push_back(publication);
  }
}

void Dispatcher::deliver(Shard& shard, const Batch& batch) {
  std::size_t count = 0;
  for (const PublicationPtr& publication : batch) count += shard.hub().deliver(publication);
  deliveries_.add(count);
}

void Dispatcher::on_batch_end() {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (batches_[i].empty()) continue;
    Shard& shard = *shards_[i];
    if (&shard == local_) {
      deliver(shard, batches_[i]);
      batches_[i].clear();
    } else {
      shard.post([this, &shard, batch = std::move(batches_[i])] { deliver(shard, batch); });
      batches_[i] = Batch();
    }
  }
}

}  // namespace notifications
