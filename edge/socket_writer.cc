#include "edge/socket_writer.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <span>

namespace notifications::edge {
namespace {

// Elements of one gathered write.
constexpr std::size_t kGather = 64;

// One part, as almost always, goes by send(): sendmsg() costs some 4 % more.
ssize_t send_parts(int fd, std::span<iovec> parts) {
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
  if (parts.size() == 1) return ::send(fd, parts[0].iov_base, parts[0].iov_len, kFlags);
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return ::sendmsg(fd, &message, kFlags);
}

}  // namespace

bool SocketWriter::has_room_for(std::size_t bytes, std::size_t limit, int fd) {
  if (queue_.empty() || queue_.bytes_behind_front() + bytes <= limit) return true;
  if (!blocked_) write(fd);
  return queue_.empty() || queue_.bytes_behind_front() + bytes <= limit;
}

bool SocketWriter::push(const SharedBytes& frame, std::size_t limit, int fd) {
  if (!has_room_for(frame.bytes.size(), limit, fd)) return false;
  queue_.push(frame);
  return true;
}

bool SocketWriter::push(std::string frame, std::size_t limit, int fd) {
  if (!has_room_for(frame.size(), limit, fd)) return false;
  queue_.push(std::move(frame));
  return true;
}

SocketWriter::Outcome SocketWriter::write(int fd) {
  std::array<iovec, kGather> parts;
  while (!queue_.empty()) {
    const std::span<iovec> gathered(parts.data(), queue_.gather(parts));
    std::size_t size = 0;
    for (const iovec& part : gathered) size += part.iov_len;
    const ssize_t n = send_parts(fd, gathered);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      queue_.clear();
      broken_ = true;
      return Outcome::kBroken;
    }
    const std::size_t written = n < 0 ? 0 : static_cast<std::size_t>(n);
    queue_.consume(written);
    written_ += written;
    // A short write means a full socket: asking again would only be told so.
    if (written < size) {
      blocked_ = true;
      return Outcome::kBlocked;
    }
  }
  return Outcome::kDrained;
}

}  // namespace notifications::edge
