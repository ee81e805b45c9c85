#include "edge/poller.h"

#include <sys/epoll.h>

#include "edge/connection.h"

namespace notifications::edge {

Poller::Poller(boost::asio::io_context& io) : epoll_(io, ::epoll_create1(EPOLL_CLOEXEC)) { wait(); }

void Poller::wait() {
  epoll_.async_wait(decltype(epoll_)::wait_read, [this](const boost::system::error_code& error) {
    if (!error) serve();
  });
}

void Poller::want(Connection& connection, std::uint32_t events) {
  connection.wanted_ |= events;
  // What it is watched for beyond that costs nothing until it happens: see serve_one().
  const std::uint32_t watched = connection.socket_.watched_for_;
  if ((watched & events) != events) watch_for(connection, watched | events);
}

void Poller::adopt(Connection& connection) {
  const std::uint32_t watched = connection.socket_.watched_for_;
  if (watched != 0) watch_for(connection, watched);
}

void Poller::forget(Connection& connection) {
  if (connection.batch_index_ >= 0) batch_[static_cast<std::size_t>(connection.batch_index_)] = {};
  connection.batch_index_ = -1;
}

void Poller::watch_for(Connection& connection, std::uint32_t events) {
  std::uint32_t& watched = connection.socket_.watched_for_;
  const int operation = watched == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  epoll_event event{};
  event.events = events;
  event.data.ptr = &connection;
  // Refused only where the system is out of watches or memory: the connection's own deadlines end
  // it then.
  if (::epoll_ctl(epoll_.native_handle(), operation, connection.socket_.native_handle(), &event) ==
      0)
    watched = events;
}

// One batch a turn: what else is ready stands in the next one, behind the rest of the loop.
void Poller::serve() {
  std::array<epoll_event, kBatch> events;
  const int ready = ::epoll_wait(epoll_.native_handle(), events.data(), kBatch, 0);
  const auto count = static_cast<std::size_t>(ready < 0 ? 0 : ready);
  for (std::size_t i = 0; i < count; ++i) {
    batch_[i] = static_cast<Connection*>(events[i].data.ptr);
    batch_[i]->batch_index_ = static_cast<std::int16_t>(i);
  }
  for (std::size_t i = 0; i < count; ++i) {
    // Whoever was served before may have ended this one.
    if (batch_[i] != nullptr) serve_one(*batch_[i], events[i].events);
  }
  wait();
}

void Poller::serve_one(Connection& connection, std::uint32_t events) {
  // A failure is whatever is waited for: the next read or write tells which.
  if (events & (EPOLLERR | EPOLLHUP)) events |= EPOLLIN | EPOLLOUT;
  const std::uint32_t wanted = connection.wanted_ & events & (EPOLLIN | EPOLLOUT);
  connection.wanted_ &= ~wanted;
  const auto index = static_cast<std::size_t>(connection.batch_index_);
  if (wanted != 0) connection.on_ready(wanted);
  if (batch_[index] == nullptr) return;
  connection.batch_index_ = -1;
  // Most wait for the same again, and nothing is to be done. Nothing wanted must end the watch: a
  // failed socket would be told of for ever.
  if (connection.socket_.is_open() && connection.socket_.watched_for_ != connection.wanted_) {
    watch_for(connection, connection.wanted_);
  }
}

}  // namespace notifications::edge
