#include "core/outbound_queue.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace notifications {

void OutboundQueue::add(std::string_view frame) {
  assert(frame.size() <= std::numeric_limits<std::uint32_t>::max());
  bytes_ += frame.size();
  // Written entries are cut off once they are the larger half, so that a queue that never runs
  // empty does not grow.
  if (first_ >= 16 && first_ * 2 >= entries_.size()) compact();
  // A second entry is rarely the last one: a burst is due to this connection.
  if (entries_.size() == entries_.capacity()) {
    entries_.reserve(std::max<std::size_t>(16, 2 * entries_.size()));
  }
  entries_.push_back({frame.data(), static_cast<std::uint32_t>(frame.size()), true});
}

void OutboundQueue::compact() {
  entries_.erase(entries_.begin(), entries_.begin() + first_);
  owners_.erase(owners_.begin(), owners_.begin() + first_owner_);
  first_ = 0;
  first_owner_ = 0;
}

std::size_t OutboundQueue::bytes_behind_front() const {
  return empty() ? 0 : bytes_ - (entries_[first_].size - written_);
}

std::size_t OutboundQueue::gather(std::span<iovec> out) const {
  std::size_t used = 0;
  std::size_t skip = written_;
  for (std::size_t i = first_; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    char* data = const_cast<char*>(entry.data) + skip;
    const std::size_t size = entry.size - skip;
    skip = 0;
    if (used > 0) {
      iovec& last = out[used - 1];
      if (static_cast<char*>(last.iov_base) + last.iov_len == data) {
        last.iov_len += size;
        continue;
      }
    }
    if (used == out.size()) break;
    out[used++] = {data, size};
  }
  return used;
}

void OutboundQueue::consume(std::size_t count) {
  assert(count <= bytes_);
  if (count == bytes_) return clear();
  bytes_ -= count;
  written_ += count;
  while (written_ >= entries_[first_].size) {
    written_ -= entries_[first_].size;
    if (entries_[first_].last_of_owner) owners_[first_owner_++].reset();
    ++first_;
  }
}

std::size_t OutboundQueue::drop_unwritten() {
  const std::size_t waiting = size();
  if (waiting == 0 || written_ == 0) {
    clear();
    return waiting;
  }
  entries_.resize(first_ + 1);
  entries_.back().last_of_owner = true;
  owners_.resize(first_owner_ + 1);
  bytes_ = entries_[first_].size - written_;
  return waiting - 1;
}

void OutboundQueue::clear() {
  // Back to the inlined storage: an idle connection keeps no block of its busiest moment.
  entries_.clear();
  entries_.shrink_to_fit();
  owners_.clear();
  owners_.shrink_to_fit();
  first_ = 0;
  first_owner_ = 0;
  written_ = 0;
  bytes_ = 0;
}

}  // namespace notifications
