#pragma once

#include <absl/container/inlined_vector.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/frame_arena.h"

namespace notifications {

// OutboundQueue holds what one connection still has to write, as pointers to bytes that are shared
// with every other connection, and hands it out for gathered writes.
//
// The limit counts what waits behind the element being written, so that an empty queue admits any
// publication, however large. See: CONTRACT section 1, --max_outbound_bytes.
// Thread: shard. An empty queue holds no memory beside itself.
class OutboundQueue {
 public:
  // Bytes that `owner` keeps alive.
  template <class Owner>
  void push(const std::shared_ptr<Owner>& owner, std::string_view frame) {
    if (frame.empty()) return;
    add(frame);
    // Frames of one arena block share one reference: counting is the dearest part of a push.
    if (!owners_.empty() && owners_.back().get() == owner.get() && entries_.size() > first_ + 1) {
      entries_[entries_.size() - 2].last_of_owner = false;
    } else {
      owners_.push_back(owner);
    }
  }
  void push(const SharedBytes& frame) { push(frame.owner, frame.bytes); }
  // Bytes of this connection alone: an ack, a ping, a close frame.
  void push(std::string frame) { push(SharedBytes(std::move(frame))); }

  bool empty() const { return bytes_ == 0; }
  std::size_t size() const { return entries_.size() - first_; }
  // Bytes not yet written.
  std::size_t bytes() const { return bytes_; }
  // Bytes behind the element at the front, which may be partly written.
  std::size_t bytes_behind_front() const;
  // Whether the front element is partly written: what follows must not overtake the rest of it.
  bool front_partly_written() const { return written_ > 0; }

  // Fills `out` from the front; returns how many elements of `out` were used. Neighbours in memory
  // share one.
  std::size_t gather(std::span<iovec> out) const;
  // Drops `count` bytes from the front. Requires: at most bytes().
  void consume(std::size_t count);

  // Drops all but the front element if that one is partly written.
  // Returns how many that were.
  std::size_t drop_unwritten();
  void clear();

 private:
  struct Entry {
    const char* data;
    std::uint32_t size;
    bool last_of_owner;  // what follows belongs to the next owner
  };

  void add(std::string_view frame);
  void compact();

  std::size_t bytes_ = 0;          // no entry is empty, so 0 means that there is none
  std::size_t written_ = 0;        // bytes of entries_[first_] that are written
  std::uint32_t first_ = 0;        // entries before it are written
  std::uint32_t first_owner_ = 0;  // owners before it are let go
  absl::InlinedVector<Entry, 1> entries_;
  // Of the entries from first_ on, in their order; each of one or more in a row.
  absl::InlinedVector<std::shared_ptr<const void>, 1> owners_;
};

}  // namespace notifications
