#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <optional>
#include <string>

#include "core/settings.h"
#include "edge/edge_context.h"

namespace notifications::edge {

// Listener accepts TCP connections and hands each, for life, to whoever it is told.
//
// Beyond the connection limit a client is answered 503 (a bounded number at a time; the others are
// closed). Out of file descriptors it gives up a spare one to close what waits, and pauses: never
// a busy loop.
//
// Thread: that of `io`, but open() before it runs.
class Listener {
 public:
  // What becomes of an accepted socket, which is non-blocking and has TCP_NODELAY set.
  using Assign = std::function<void(int fd, bool overloaded)>;

  Listener(boost::asio::io_context& io, EdgeContext& context, Assign assign);
  ~Listener();

  // Binds and listens; one line if it cannot. Nothing is accepted before start().
  std::optional<std::string> open(const Address& address);
  // The address bound, with the port the system chose. Requires: open() succeeded.
  const Address& address() const { return bound_; }

  void start();
  // Nothing is accepted after it; whoever connects is refused by the system.
  void stop();

 private:
  void wait();
  void accept_some();
  void pause(const char* why, int error);
  void shed_one();

  EdgeContext& context_;
  const Assign assign_;
  boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, boost::asio::io_context::executor_type>
      acceptor_;
  boost::asio::steady_timer pause_timer_;
  Address bound_;
  int spare_fd_ = -1;  // given up to accept and close one more when no descriptor is left
  LogLimit limit_log_{std::chrono::seconds(1)};
};

}  // namespace notifications::edge
