#pragma once

#include <unistd.h>

#include <cstdint>
#include <utility>

namespace notifications::edge {

// Socket owns a file descriptor and knows what the shard's poller watches it for.
//
// Thread: shard.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept
      : watched_for_(std::exchange(other.watched_for_, 0)), fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;

  int native_handle() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  // Also ends being watched: nobody else holds this descriptor.
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    watched_for_ = 0;
  }

 private:
  friend class Poller;
  std::uint32_t watched_for_ = 0;  // epoll events; 0: not watched
  int fd_;
};

}  // namespace notifications::edge
