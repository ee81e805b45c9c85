// notifications_floor: what the kernel alone costs. It is handed finished frames and sends them to
// every connection with bare system calls, one thread, nothing else; no gateway can be cheaper
// without fewer system calls.
//
//   notifications_floor [--joined | --spread]   prints `port N`; ends with its control connection
//
// The first connection is the control connection. On it come bursts: a line of count and size
// ("%8zu %10zu\n"), then that many frames of that size, which go to each of the other connections:
// one frame with send(), several with writev() of one part each (--joined: all as one part).
// --spread: each frame goes to one connection, one after the other.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kHeader = 20;
// Each connection begins with a ping, which its client answers; the answers are left unread. A
// client that has said something in answer delays its acknowledgements, as the clients of a gateway
// do; one that has never said a word acknowledges with each read, and the sender is spared that.
constexpr char kPing[] = {static_cast<char>(0x89), 0x00};

[[noreturn]] void end(const char* what) {
  std::fprintf(stderr, "notifications_floor: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int listen_somewhere() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(fd, 4096) < 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) {
    end("listen");
  }
  std::printf("port %d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

int accept_one(int listener) {
  const int fd = ::accept(listener, nullptr, nullptr);
  if (fd < 0) end("accept");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// False at the end of the stream.
bool read_all(int fd, char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::recv(fd, data, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// Blocking, so that a short write is the rest of a full socket and not our concern.
void send_to(int fd, std::vector<iovec> parts) {
  std::size_t first = 0;
  while (first < parts.size()) {
    ssize_t n = parts.size() - first == 1
                    ? ::send(fd, parts[first].iov_base, parts[first].iov_len, MSG_NOSIGNAL)
                    : ::writev(fd, &parts[first], static_cast<int>(parts.size() - first));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) end("send");
    while (first < parts.size() && static_cast<std::size_t>(n) >= parts[first].iov_len) {
      n -= static_cast<ssize_t>(parts[first++].iov_len);
    }
    if (first < parts.size()) {
      parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + n;
      parts[first].iov_len -= static_cast<std::size_t>(n);
    }
  }
}

// The common case without a copy of the list.
void send_frames(int fd, std::vector<iovec>& parts, std::size_t total) {
  const ssize_t n = parts.size() == 1 ? ::send(fd, parts[0].iov_base, parts[0].iov_len,
                                               MSG_NOSIGNAL | MSG_DONTWAIT)
                                      : ::writev(fd, parts.data(), static_cast<int>(parts.size()));
  if (n == static_cast<ssize_t>(total)) return;
  if (n < 0 && errno != EAGAIN && errno != EINTR) end("send");
  std::size_t written = n < 0 ? 0 : static_cast<std::size_t>(n);
  std::vector<iovec> rest;
  for (const iovec& part : parts) {
    if (written >= part.iov_len) {
      written -= part.iov_len;
      continue;
    }
    rest.push_back({static_cast<char*>(part.iov_base) + written, part.iov_len - written});
    written = 0;
  }
  send_to(fd, std::move(rest));
}

}  // namespace

int main(int argc, char** argv) {
  const bool joined = argc == 2 && std::strcmp(argv[1], "--joined") == 0;
  const bool spread = argc == 2 && std::strcmp(argv[1], "--spread") == 0;
  if (argc > 2 || (argc == 2 && !joined && !spread)) {
    std::fprintf(stderr, "Usage: notifications_floor [--joined | --spread]\n");
    return 2;
  }
  const int listener = listen_somewhere();
  const int control = accept_one(listener);
  std::vector<int> sockets;
  std::size_t next = 0;
  for (;;) {
    pollfd ready[2] = {{control, POLLIN, 0}, {listener, POLLIN, 0}};
    if (::poll(ready, 2, -1) < 0) end("poll");
    if (ready[1].revents != 0) {
      sockets.push_back(accept_one(listener));
      if (::send(sockets.back(), kPing, sizeof kPing, MSG_NOSIGNAL) < 0) end("send");
      continue;
    }
    char header[kHeader + 1] = {};
    if (!read_all(control, header, kHeader)) return 0;
    std::size_t count = 0;
    std::size_t size = 0;
    if (std::sscanf(header, "%zu %zu", &count, &size) != 2) return 1;
    std::vector<char> frames(count * size);
    if (!read_all(control, frames.data(), frames.size())) return 0;
    std::vector<iovec> parts;
    for (std::size_t i = 0; spread && i < count; ++i) {
      parts.assign(1, {frames.data() + i * size, size});
      send_frames(sockets[next++ % sockets.size()], parts, size);
    }
    if (spread) continue;
    if (joined) parts.push_back({frames.data(), frames.size()});
    for (std::size_t i = 0; !joined && i < count; ++i) {
      parts.push_back({frames.data() + i * size, size});
    }
    for (const int fd : sockets) send_frames(fd, parts, frames.size());
  }
}
