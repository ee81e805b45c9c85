#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "core/position.h"
#include "core/publication.h"

namespace notifications {

// ReplayWindow holds the recent end of the journal in memory, so that consumers who come back soon,
// even all at once, are served without asking anyone.
//
// What it holds is a chain without holes: base, then entries each of which follows the one before.
// Thread: the broker's.
class ReplayWindow {
 public:
  struct Entry {
    Position position;
    PublicationPtr publication;  // null for an entry that is no valid envelope
  };

  // Where a cursor stands towards the window.
  enum class Place {
    kHeld,    // everything behind it is in the window
    kOlder,   // before the base, or of another epoch: the journal may know it
    kNewer,   // of the epoch of the head, and behind it: this process may lag
    kUnknown  // between two neighbours: it names no entry, nor ever did in this journal
  };

  // `max_bytes`: of the envelopes' texts, plus a fixed cost for each.
  explicit ReplayWindow(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // Starts anew: what follows follows `base`.
  void reset(Position base);
  bool started() const { return base_.has_value(); }

  // Appends what follows the head; drops the oldest entries that no longer fit.
  // Requires: started().
  void push(Position position, PublicationPtr publication);

  // The last entry, or the base. Requires: started().
  const Position& head() const;
  const Position& base() const { return *base_; }

  Place locate(const Position& cursor) const;
  // The index of the first entry behind a cursor. Requires: locate(cursor) is kHeld.
  std::size_t index_behind(const Position& cursor) const;

  const Entry& operator[](std::size_t index) const { return entries_[index]; }
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t lower_bound(const StreamId& id) const;

  const std::size_t max_bytes_;
  std::optional<Position> base_;  // the predecessor of the first entry
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace notifications
