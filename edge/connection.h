#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/position.h"
#include "core/runtime/timer_wheel.h"
#include "edge/socket.h"

namespace notifications::edge {

class EdgeShard;

// Connection is one accepted TCP connection in one of its lives: HTTP, then perhaps WebSocket.
//
// Thread: shard. Kept alive by its shard's register, and while it is being called.
class Connection : public std::enable_shared_from_this<Connection>, protected TimerNode {
 public:
  Connection(EdgeShard& shard, Socket socket, std::uint64_t id);
  ~Connection() override;

  // Ends the connection in an orderly way because the process stops: flush, say so, close.
  virtual void drain() = 0;
  // Between the two positions events may be missing, for everybody (journal on).
  virtual void on_gap(const Position& after, const Position& resumes_at);
  // Closes the socket now.
  virtual void abort() = 0;
  // What waits for the client to read it.
  virtual std::size_t queued_bytes() const { return 0; }

  // A number that is unique in the process; in every log line about the connection.
  std::uint64_t id() const { return id_; }

 protected:
  // Calls on_readable() when there is something to read; once.
  void wait_readable();
  // Calls on_writable() when the socket takes bytes again; once.
  void wait_writable();
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;
  // The turn that EdgeShard::read_later() promised.
  virtual void on_turn() {}

  // Closes the socket and leaves the register; the object dies when the call into it has returned.
  void close_socket();

  const std::uint64_t id_;

 private:
  friend class EdgeShard;
  friend class Poller;
  // What was waited for has come: EPOLLIN, EPOLLOUT or both.
  void on_ready(std::uint32_t events);

  std::uint32_t wanted_ = 0;       // what is waited for
  std::int16_t batch_index_ = -1;  // where the poller holds it while it is to be served
  bool registered_ = false;
  std::size_t register_index_ = 0;  // where the shard's register holds it

 protected:
  // Last, beside what deliveries touch in the classes that derive from this one.
  EdgeShard& shard_;
  Socket socket_;
};

}  // namespace notifications::edge
