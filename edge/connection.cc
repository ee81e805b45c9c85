#include "edge/connection.h"

#include <utility>

#include "edge/edge_shard.h"

namespace notifications::edge {

Connection::Connection(EdgeShard& shard, Socket socket, std::uint64_t id)
    : shard_(shard), socket_(std::move(socket)), id_(id) {}

Connection::~Connection() = default;

void Connection::on_gap(const Position&, const Position&) {}

void Connection::wait_readable() {
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (!error && self->socket_.is_open()) self->on_readable();
                     });
}

void Connection::wait_writable() {
  socket_.async_wait(Socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (!error && self->socket_.is_open()) self->on_writable();
                     });
}

void Connection::close_socket() {
  const auto self = shared_from_this();  // the register may hold the last reference
  boost::system::error_code ignored;
  socket_.close(ignored);
  shard_.shard().timers().cancel(*this);
  if (registered_) shard_.remove(*this);
}

}  // namespace notifications::edge
