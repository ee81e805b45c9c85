#include "core/outbound_queue.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace notifications {

void OutboundQueue::add(Entry entry) {
  bytes_ += entry.size;
  // Written entries are cut off once they are the larger half, so that a queue that never runs
  // empty does not grow.
  if (first_ >= 16 && first_ * 2 >= entries_.size()) compact();
  entries_.push_back(std::move(entry));
}

void OutboundQueue::compact() {
  entries_.erase(entries_.begin(), entries_.begin() + first_);
  first_ = 0;
}

void OutboundQueue::push(const PublicationPtr& publication, std::string_view frame) {
  add({publication, frame.data(), frame.size()});
}

void OutboundQueue::push(std::string frame) {
  const auto owner = std::make_shared<const std::string>(std::move(frame));
  add({owner, owner->data(), owner->size()});
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
  bytes_ -= count;
  written_ += count;
  while (first_ < entries_.size() && written_ >= entries_[first_].size) {
    written_ -= entries_[first_].size;
    entries_[first_].owner.reset();
    ++first_;
  }
  if (empty()) clear();
}

void OutboundQueue::drop_unwritten() {
  if (empty() || written_ == 0) return clear();
  entries_.resize(first_ + 1);
  bytes_ = entries_[first_].size - written_;
}

void OutboundQueue::clear() {
  // Back to the inlined storage: an idle connection keeps no block of its busiest moment.
  entries_.clear();
  entries_.shrink_to_fit();
  first_ = 0;
  written_ = 0;
  bytes_ = 0;
}

}  // namespace notifications
