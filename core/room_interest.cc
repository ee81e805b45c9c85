#include "core/room_interest.h"

#include "core/sparse_table.h"

namespace notifications {
namespace {

ShardMask bit(ShardId shard) { return ShardMask{1} << shard; }

}  // namespace

void RoomInterest::add(const RoomPattern& pattern, ShardId shard) {
  if (pattern.scope == RoomPattern::Scope::kExact) return add(pattern.room, shard);
  const std::lock_guard lock(mutex_);
  if (pattern.scope == RoomPattern::Scope::kAll) {
    all_ |= bit(shard);
  } else {
    by_kind_[static_cast<std::size_t>(pattern.kind)] |= bit(shard);
  }
}

void RoomInterest::remove(const RoomPattern& pattern, ShardId shard) {
  if (pattern.scope == RoomPattern::Scope::kExact) return remove(pattern.room, shard);
  const std::lock_guard lock(mutex_);
  if (pattern.scope == RoomPattern::Scope::kAll) {
    all_ &= ~bit(shard);
  } else {
    by_kind_[static_cast<std::size_t>(pattern.kind)] &= ~bit(shard);
  }
}

void RoomInterest::add(std::string_view room, ShardId shard) {
  const std::lock_guard lock(mutex_);
  by_room_[room] |= bit(shard);
}

void RoomInterest::remove(std::string_view room, ShardId shard) {
  const std::lock_guard lock(mutex_);
  const auto found = by_room_.find(room);
  if (found == by_room_.end()) return;
  found->second &= ~bit(shard);
  if (found->second != 0) return;
  by_room_.erase(found);
  shrink_if_sparse(by_room_);
}

ShardMask RoomInterest::interested(const std::vector<std::string>& rooms) const {
  const std::lock_guard lock(mutex_);
  ShardMask mask = all_;
  for (const std::string& room : rooms) {
    const auto found = by_room_.find(room);
    if (found != by_room_.end()) mask |= found->second;
    if (const auto kind = room_kind(room)) mask |= by_kind_[static_cast<std::size_t>(*kind)];
  }
  return mask;
}

std::size_t RoomInterest::rooms() const {
  const std::lock_guard lock(mutex_);
  return by_room_.size();
}

}  // namespace notifications
