#include "edge/socket_writer.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace notifications::edge {
namespace {

// Elements of one gathered write.
constexpr std::size_t kGather = 64;

}  // namespace

bool SocketWriter::has_room_for(std::size_t bytes, std::size_t limit, int fd) {
  if (queue_.empty() || queue_.bytes_behind_front() + bytes <= limit) return true;
  if (!blocked_) write(fd);
  return queue_.empty() || queue_.bytes_behind_front() + bytes <= limit;
}

bool SocketWriter::push(const PublicationPtr& publication, std::string_view frame,
                        std::size_t limit, int fd) {
  if (!has_room_for(frame.size(), limit, fd)) return false;
  queue_.push(publication, frame);
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
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = queue_.gather(parts);
    std::size_t size = 0;
    for (std::size_t i = 0; i < message.msg_iovlen; ++i) size += parts[i].iov_len;
    const ssize_t n = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
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
