#include "core/replay_window.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace notifications {
namespace {

// About what an entry costs beside its text: a publication, its strings, the deque.
constexpr std::size_t kEntryCost = 512;

std::size_t cost(const ReplayWindow::Entry& entry) {
  return kEntryCost + (entry.publication == nullptr ? 0 : 2 * entry.publication->text().size());
}

}  // namespace

void ReplayWindow::reset(Position base) {
  base_ = std::move(base);
  entries_.clear();
  bytes_ = 0;
}

void ReplayWindow::push(Position position, PublicationPtr publication) {
  assert(started());
  entries_.push_back({std::move(position), std::move(publication)});
  bytes_ += cost(entries_.back());
  while (bytes_ > max_bytes_ && !entries_.empty()) {
    bytes_ -= cost(entries_.front());
    base_ = std::move(entries_.front().position);
    entries_.pop_front();
  }
}

const Position& ReplayWindow::head() const {
  return entries_.empty() ? *base_ : entries_.back().position;
}

// Ids grow along the chain, whatever its epochs: a new epoch on the same stream goes on counting,
// and a new stream starts the window anew.
std::size_t ReplayWindow::lower_bound(const StreamId& id) const {
  const auto found =
      std::lower_bound(entries_.begin(), entries_.end(), id,
                       [](const Entry& entry, const StreamId& i) { return entry.position.id < i; });
  return static_cast<std::size_t>(found - entries_.begin());
}

ReplayWindow::Place ReplayWindow::locate(const Position& cursor) const {
  assert(started());
  if (cursor == *base_) return Place::kHeld;
  const std::size_t index = lower_bound(cursor.id);
  if (index < entries_.size() && entries_[index].position == cursor) return Place::kHeld;
  if (cursor.epoch == head().epoch && cursor.id > head().id) return Place::kNewer;
  if (cursor.epoch != base_->epoch || cursor.id < base_->id) return Place::kOlder;
  return Place::kUnknown;
}

std::size_t ReplayWindow::index_behind(const Position& cursor) const {
  if (cursor == *base_) return 0;
  return lower_bound(cursor.id) + 1;
}

}  // namespace notifications
