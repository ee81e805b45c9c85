#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/room.h"
#include "core/string_map.h"

namespace notifications {

// A shard's number in its process, 0 to kMaxShards - 1.
using ShardId = int;
inline constexpr int kMaxShards = 64;
// Bit i stands for shard i.
using ShardMask = std::uint64_t;

// RoomInterest knows which shards have subscribers of a room, so that an event wakes only those.
//
// Thread: any. Its one mutex is taken when a room gets its first or loses its last subscriber of a
// shard, and once per event by the dispatcher. It buys that a subscribe needs no round trip to the
// broker's thread before its ack: what is published after add() returned is seen.
class RoomInterest {
 public:
  void add(const RoomPattern& pattern, ShardId shard);
  void remove(const RoomPattern& pattern, ShardId shard);
  void add(std::string_view room, ShardId shard);
  void remove(std::string_view room, ShardId shard);

  // The shards with interest in at least one of these rooms.
  ShardMask interested(const std::vector<std::string>& rooms) const;

  // Rooms with at least one subscriber in this process, patterns not counted.
  std::size_t rooms() const;

 private:
  mutable std::mutex mutex_;
  // Guarded by mutex_. A shard names a room or pattern at most once at a time (its hub counts).
  StringMap<ShardMask> by_room_;
  std::array<ShardMask, kRoomKinds> by_kind_{};
  ShardMask all_ = 0;
};

}  // namespace notifications
