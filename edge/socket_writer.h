#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "core/metrics.h"
#include "core/outbound_queue.h"

namespace notifications::edge {

// SocketWriter is the way out of one connection: its queue, and the gathered, non-blocking writes
// that empty it.
//
// Thread: shard. The socket is not its own.
class SocketWriter {
 public:
  enum class Outcome {
    kDrained,  // nothing is left
    kBlocked,  // the socket takes no more: wait until it is writable, then call unblock()
    kBroken,   // the connection is gone
  };

  // Queues bytes, unless more than `limit` would wait behind the element being written. Then it
  // first writes what the socket takes: a burst within one turn is not slowness.
  // False if they do not fit all the same.
  bool push(const SharedBytes& frame, std::size_t limit, int fd);
  bool push(std::string frame, std::size_t limit, int fd);

  // Queues bytes whatever waits: what ends a connection, or a page that was pulled.
  void push_always(std::string frame) { queue_.push(std::move(frame)); }
  void push_always(const SharedBytes& frame) { queue_.push(frame); }

  // Writes until the queue is empty or the socket takes no more.
  Outcome write(int fd);

  bool blocked() const { return blocked_; }
  bool broken() const { return broken_; }
  void unblock() { blocked_ = false; }

  bool empty() const { return queue_.empty(); }
  std::size_t bytes() const { return queue_.bytes(); }
  // Bytes written since the last call.
  std::size_t take_written() { return std::exchange(written_, 0); }
  std::size_t drop_unwritten() { return queue_.drop_unwritten(); }
  void clear() { queue_.clear(); }

 private:
  bool has_room_for(std::size_t bytes, std::size_t limit, int fd);

  bool blocked_ = false;  // the socket took no more the last time
  bool broken_ = false;
  std::size_t written_ = 0;
  OutboundQueue queue_;
};

}  // namespace notifications::edge
