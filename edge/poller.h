#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>

namespace notifications::edge {

class Connection;

// Poller tells the connections of one shard when their sockets are ready.
//
// It is one epoll of its own that stands in the shard's loop as a single descriptor: a wait of
// Asio's costs a system call, an allocated handler and a place in its queue each time, and some 200
// bytes for as long as the connection lives; here a socket is registered once.
//
// Thread: shard.
class Poller {
 public:
  explicit Poller(boost::asio::io_context& io);
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Calls Connection::on_ready() once when the socket is readable, writable (EPOLLIN, EPOLLOUT) or
  // has failed. What was wanted before and did not come yet is still wanted.
  void want(Connection& connection, std::uint32_t events);
  // The connection's socket may have been watched for another one: from now on it is for this one.
  void adopt(Connection& connection);
  // The connection is called no more. For its destructor.
  void forget(Connection& connection);

 private:
  static constexpr std::size_t kBatch = 256;

  void wait();
  void serve();
  void serve_one(Connection& connection, std::uint32_t events);
  void watch_for(Connection& connection, std::uint32_t events);

  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> epoll_;
  // Who is being served in this turn; null: gone.
  std::array<Connection*, kBatch> batch_{};
};

}  // namespace notifications::edge
