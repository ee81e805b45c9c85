#include "server/notifyctl/load/crowd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace notifications::load {
namespace {

constexpr std::size_t kReadBuffer = 256 * 1024;

sockaddr_in address_of(std::uint32_t host_order, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(host_order);
  address.sin_port = htons(port);
  return address;
}

void set_option(int fd, int level, int name) {
  const int on = 1;
  ::setsockopt(fd, level, name, &on, sizeof on);
}

}  // namespace

Crowd::Crowd(Options options)
    : options_(std::move(options)),
      request_(Client::upgrade_request(options_.host + ":" + std::to_string(options_.port),
                                       options_.path)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kReadBuffer) {}

Crowd::~Crowd() {
  close_all();
  ::close(epoll_);
}

bool Crowd::fail(const std::string& what) {
  if (error_.empty()) error_ = what;
  return false;
}

void Crowd::want(const Link& link, std::uint32_t events, int operation) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = const_cast<Link*>(&link);
  ::epoll_ctl(epoll_, operation, link.fd, &event);
}

void Crowd::watch(int fd, std::function<void()> handler) {
  watched_fd_ = fd;
  watched_ = std::move(handler);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

// A connection under way; -1 with error() set.
int Crowd::open_socket(std::uint32_t id) {
  const auto refused = [this](const char* what) {
    fail(std::string(what) + ": " + std::strerror(errno));
    return -1;
  };
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return refused("socket");
  set_option(fd, IPPROTO_TCP, TCP_NODELAY);
  if (options_.source_addresses > 1) {
    // The port is chosen at connect(), when the whole of the pair is known to be free.
    set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    const auto offset = id % static_cast<std::uint32_t>(options_.source_addresses);
    const sockaddr_in source = address_of(INADDR_LOOPBACK + offset, 0);
    ::bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof source);
  }
  in_addr host{};
  ::inet_pton(AF_INET, options_.host.c_str(), &host);
  const sockaddr_in peer = address_of(ntohl(host.s_addr), options_.port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) < 0 &&
      errno != EINPROGRESS) {
    refused("connect");
    ::close(fd);
    return -1;
  }
  return fd;
}

bool Crowd::connect(std::uint32_t room) {
  const auto id = static_cast<std::uint32_t>(links_.size());
  const int fd = open_socket(id);
  if (fd < 0) return false;
  links_.push_back(std::make_unique<Link>(fd, id, room, options_.dialect));
  Client& client = links_.back()->client;
  if (options_.sessions) client.remember_session();
  if (client.live()) ++live_;
  want(*links_.back(), EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
  return true;
}

bool Crowd::resume(std::size_t index) {
  Link& link = *links_[index];
  if (link.fd >= 0 || !link.client.resume()) return fail("no session to be resumed");
  link.fd = open_socket(link.client.id());
  if (link.fd < 0) return false;
  link.connecting = true;
  link.unsent.clear();
  want(link, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
  return true;
}

std::size_t Crowd::poll(std::chrono::milliseconds timeout) {
  std::array<epoll_event, 512> events;
  const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(timeout.count()));
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) {
      watched_();
    } else {
      serve(*static_cast<Link*>(event.data.ptr), event.events);
    }
  }
  return ready > 0 ? static_cast<std::size_t>(ready) : 0;
}

void Crowd::serve(Link& link, std::uint32_t events) {
  if (events & EPOLLOUT) {
    if (link.connecting) {
      link.connecting = false;
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(link.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return lose(link, std::string("connect: ") + std::strerror(error));
      want(link, EPOLLIN, EPOLL_CTL_MOD);
      if (!link.client.live()) send(link, request_);
    } else {
      std::string rest;
      rest.swap(link.unsent);
      want(link, EPOLLIN, EPOLL_CTL_MOD);
      send(link, rest);
    }
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read(link);
}

void Crowd::read(Link& link) {
  if (link.fd < 0) return;
  const ssize_t n = ::recv(link.fd, buffer_.data(), buffer_.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return lose(link, std::string("recv: ") + std::strerror(errno));
  if (n == 0) return lose(link, "the peer closed the connection");
  const auto size = static_cast<std::size_t>(n);
  bytes_in_ += size;
  out_.clear();
  // They are needed once in a client's life.
  std::string rooms;
  if (!link.client.live()) rooms = options_.rooms_json(link.client.room());
  if (!link.client.receive({buffer_.data(), size}, rooms, out_, *this)) {
    return lose(link, link.client.why());
  }
  if (!out_.empty()) send(link, out_);
}

void Crowd::send(Link& link, std::string_view bytes) {
  if (link.unsent.empty()) {
    const ssize_t n = ::send(link.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return lose(link, std::string("send: ") + std::strerror(errno));
    bytes.remove_prefix(n < 0 ? 0 : static_cast<std::size_t>(n));
    if (bytes.empty()) return;
    want(link, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
  }
  link.unsent += bytes;
}

void Crowd::on_live(Client&) { ++live_; }

void Crowd::on_event(Client& client, std::string_view packet) {
  if (on_event_) on_event_(client, packet);
}

void Crowd::lose(Link& link, const std::string& why) {
  fail(why);
  if (link.fd < 0) return;
  if (link.client.live()) --live_;
  ++lost_;
  ::close(link.fd);
  link.fd = -1;
}

void Crowd::drop_all() {
  const linger at_once{1, 0};
  for (const auto& link : links_) {
    if (link->fd < 0) continue;
    ::setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(link->fd, -1));
  }
  live_ = 0;
}

void Crowd::close_all() {
  drop_all();
  links_.clear();
}

}  // namespace notifications::load
