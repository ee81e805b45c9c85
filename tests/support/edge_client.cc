#include "tests/support/edge_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace notifications::test {
namespace {

// How long a test waits for what must come; reached only when it fails.
constexpr int kPatienceMs = 30'000;

bool wait_for(int fd, short events, int timeout_ms) {
  pollfd waiting{fd, events, 0};
  int n;
  do {
    n = ::poll(&waiting, 1, timeout_ms);
  } while (n < 0 && errno == EINTR);
  return n > 0;
}

}  // namespace

TcpClient::TcpClient(std::uint16_t port, int receive_buffer)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ADD_FAILURE() << "connect: " << std::strerror(errno);
  }
}

TcpClient::~TcpClient() { close(); }

TcpClient::TcpClient(TcpClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

TcpClient& TcpClient::operator=(TcpClient&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

bool TcpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(fd_, POLLOUT, kPatienceMs)) {
        ADD_FAILURE() << "the server reads no more";
        return false;
      }
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void TcpClient::dribble(std::string_view bytes) {
  for (const char c : bytes) {
    if (!send({&c, 1})) return;
  }
}

bool TcpClient::fill() {
  char bytes[64 * 1024];
  if (!wait_for(fd_, POLLIN, kPatienceMs)) {
    ADD_FAILURE() << "nothing came; so far: " << buffer_.substr(0, 200);
    return false;
  }
  const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
  if (n <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(n));
  return true;
}

std::string TcpClient::read(std::size_t count) {
  while (buffer_.size() < count && fill()) {
  }
  std::string out = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return out;
}

std::string TcpClient::read_until(std::string_view end) {
  while (buffer_.find(end) == buffer_.npos && fill()) {
  }
  const std::size_t at = buffer_.find(end);
  return read(at == buffer_.npos ? buffer_.size() : at + end.size());
}

std::string TcpClient::read_answer() {
  const std::string head = read_until("\r\n\r\n");
  static constexpr std::string_view kLength = "\r\nContent-Length: ";
  const std::size_t at = head.find(kLength);
  if (at == head.npos) return head;
  return head + read(std::stoul(head.substr(at + kLength.size())));
}

std::string TcpClient::read_rest() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

bool TcpClient::closed_by_server() {
  const bool failed = testing::Test::HasFailure();
  read_rest();
  return failed || !testing::Test::HasFailure();
}

bool TcpClient::has_input() const { return !buffer_.empty() || wait_for(fd_, POLLIN, 0); }

void TcpClient::shutdown() { ::shutdown(fd_, SHUT_WR); }

void TcpClient::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void TcpClient::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

std::string WebSocketClient::upgrade_request(std::string_view target) {
  return "GET " + std::string(target) +
         " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

std::string WebSocketClient::frame(int opcode, std::string_view payload, bool fin) {
  static constexpr unsigned char kMask[4] = {0x37, 0xfa, 0x21, 0x3d};
  std::string out;
  out += static_cast<char>((fin ? 0x80 : 0) | opcode);
  const std::size_t size = payload.size();
  const int extended = size < 126 ? 0 : size <= 0xFFFF ? 2 : 8;
  out += static_cast<char>(0x80 | (extended == 0 ? size : extended == 2 ? 126u : 127u));
  for (int shift = 8 * (extended - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(size >> shift & 0xFF);
  }
  for (const unsigned char c : kMask) out += static_cast<char>(c);
  for (std::size_t i = 0; i < size; ++i) {
    out += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ kMask[i % 4]);
  }
  return out;
}

WebSocketClient::WebSocketClient(std::uint16_t port, int receive_buffer)
    : tcp_(port, receive_buffer) {
  tcp_.send(upgrade_request());
  const std::string answer = tcp_.read_until("\r\n\r\n");
  EXPECT_EQ(answer.substr(0, 34), "HTTP/1.1 101 Switching Protocols\r\n");
}

std::string WebSocketClient::connect() {
  const std::string open = next_text();
  send_text("40");
  const std::string connected = next_text();
  EXPECT_EQ(connected.substr(0, 9), R"(40{"sid":)") << connected;
  return open;
}

bool WebSocketClient::subscribe(std::string_view rooms_json) {
  send_text("427[\"subscribe\",{\"rooms\":" + std::string(rooms_json) + "}]");
  return next_text() == "437[{\"ok\":true,\"rooms\":" + std::string(rooms_json) + "}]";
}

ServerFrame WebSocketClient::next() {
  const std::string start = tcp_.read(2);
  if (start.size() < 2) return {};
  const auto byte = [](char c) { return static_cast<std::size_t>(static_cast<unsigned char>(c)); };
  EXPECT_EQ(byte(start[0]) & 0x70, 0u) << "reserved bits";
  EXPECT_EQ(byte(start[0]) & 0x80, 0x80u) << "a fragment";
  EXPECT_EQ(byte(start[1]) & 0x80, 0u) << "masked";
  std::size_t size = byte(start[1]) & 0x7F;
  if (size >= 126) {
    const std::string extended = tcp_.read(size == 126 ? 2 : 8);
    size = 0;
    for (const char c : extended) size = size << 8 | byte(c);
  }
  ServerFrame frame{static_cast<int>(byte(start[0]) & 0x0F), tcp_.read(size)};
  return frame.payload.size() == size ? frame : ServerFrame{};
}

std::string WebSocketClient::next_text() {
  const ServerFrame frame = next();
  EXPECT_EQ(frame.opcode, 1) << frame.payload;
  return frame.payload;
}

std::optional<std::string> WebSocketClient::next_close() {
  while (true) {
    ServerFrame frame = next();
    if (frame.opcode == 8) return std::move(frame.payload);
    if (frame.opcode < 0) return std::nullopt;
  }
}

std::string close_payload(std::uint16_t code, std::string_view reason) {
  std::string out;
  out += static_cast<char>(code >> 8);
  out += static_cast<char>(code & 0xFF);
  return out + std::string(reason);
}

}  // namespace notifications::test
