#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/position.h"
#include "core/runtime/timer_wheel.h"

namespace notifications::edge {

class EdgeShard;

// A socket whose executor is known at compile time: no type erasure per operation.
using Socket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

// Connection is one accepted TCP connection in one of its lives: HTTP, then perhaps WebSocket.
//
// Thread: shard. Kept alive by its shard's register and by the wait for readiness in flight.
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

  // Closes the socket and leaves the register; the object dies when the last wait has ended.
  void close_socket();

  EdgeShard& shard_;
  Socket socket_;
  const std::uint64_t id_;

 private:
  friend class EdgeShard;
  std::size_t register_index_ = 0;  // where the shard's register holds it
  bool registered_ = false;
};

}  // namespace notifications::edge
