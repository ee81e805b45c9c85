#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/broker.h"
#include "core/envelope_codec.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/publication.h"
#include "core/room_interest.h"
#include "core/runtime/shard.h"
#include "core/string_map.h"

namespace notifications {

// Dispatcher takes what the broker received, checks it once, and hands each event to the shards
// that have subscribers for it: one post for each shard and batch.
//
// Thread: the broker's.
class Dispatcher final : public EventSink {
 public:
  // `local` is the shard on whose thread the broker runs (its hub is called directly, without a
  // hop), or null. All outlive the dispatcher.
  Dispatcher(RoomInterest& interest, std::vector<Shard*> shards, Shard* local, Log& log,
             Metrics& metrics);

  void on_message(const Incoming& message) override;
  void on_batch_end() override;

 private:
  using Batch = std::vector<PublicationPtr>;

  void count_invalid(const InvalidEnvelope& problem, std::size_t bytes);
  void deliver(Shard& shard, const Batch& batch);
  Counter& delivered_of(std::string_view event);

  // Constant after construction.
  RoomInterest& interest_;
  const std::vector<Shard*> shards_;
  Shard* const local_;
  Log& log_;
  Counter& events_in_;
  Counter& bytes_in_;
  Counter& unwatched_;
  Counter& deliveries_;
  StringMap<Counter*> delivered_by_event_;  // of the platform's events
  Counter& delivered_of_others_;
  std::array<Counter*, kInvalidReasons> invalid_;

  // The broker's thread only.
  std::vector<Batch> batches_;  // one for each shard
  LogLimit invalid_log_{std::chrono::seconds(1)};
};

}  // namespace notifications
