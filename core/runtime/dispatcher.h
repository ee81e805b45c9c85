#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/broker.h"
#include "core/envelope_codec.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/publication.h"
#include "core/replay_window.h"
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
  // hop), or null. All outlive the dispatcher. `window_bytes`: how much of the journal's recent end
  // is held.
  Dispatcher(RoomInterest& interest, std::vector<Shard*> shards, Shard* local, Log& log,
             Metrics& metrics, std::size_t window_bytes = 0);

  void on_message(const Incoming& message) override;
  void on_batch_end() override;
  void on_reset(const Position& base) override;

  // Tells every shard how far the journal has been handed out, so that the cursors of quiet
  // consumers advance; called about once a second.
  void announce_head();

  // The recent end of the journal.
  const ReplayWindow& window() const { return window_; }
  // Calls `advanced` after each batch and reset. Before the start.
  void on_advanced(std::function<void()> advanced) { advanced_ = std::move(advanced); }

 private:
  using Batch = std::vector<PublicationPtr>;

  void count_invalid(const InvalidEnvelope& problem, std::size_t bytes);
  void deliver(Shard& shard, const Batch& batch);
  Counter& delivered_of(std::string_view event);
  bool follow(const Incoming& message, Position& position);
  void restart_behind(const Position& base);
  template <class Work>
  void run_on(Shard& shard, Work work);

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
  Histogram& age_;
  std::array<Counter*, kInvalidReasons> invalid_;

  // The broker's thread only.
  std::vector<Batch> batches_;  // one for each shard
  ReplayWindow window_;
  std::vector<std::optional<Position>> announced_;  // the head each shard was last told
  std::function<void()> advanced_;
  LogLimit invalid_log_{std::chrono::seconds(1)};
};

}  // namespace notifications
