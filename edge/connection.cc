#include "edge/connection.h"

#include <sys/epoll.h>

#include <utility>

#include "edge/edge_shard.h"

namespace notifications::edge {

Connection::Connection(EdgeShard& shard, Socket socket, std::uint64_t id)
    : id_(id), shard_(shard), socket_(std::move(socket)) {
  shard_.poller().adopt(*this);
}

Connection::~Connection() { shard_.poller().forget(*this); }

void Connection::on_gap(const Position&, const Position&) {}

void Connection::wait_readable() { shard_.poller().want(*this, EPOLLIN); }

void Connection::wait_writable() { shard_.poller().want(*this, EPOLLOUT); }

void Connection::on_ready(std::uint32_t events) {
  const auto self = shared_from_this();
  if (events & EPOLLIN) on_readable();
  if (events & EPOLLOUT && socket_.is_open()) on_writable();
}

void Connection::close_socket() {
  const auto self = shared_from_this();  // the register may hold the last reference
  socket_.close();
  wanted_ = 0;
  shard_.shard().timers().cancel(*this);
  if (registered_) shard_.remove(*this);
}

}  // namespace notifications::edge
