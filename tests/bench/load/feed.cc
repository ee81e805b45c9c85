#include "tests/bench/load/feed.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/redis/journal_scripts.h"

namespace notifications::bench {
namespace {

[[noreturn]] void end(const char* what) {
  std::fprintf(stderr, "notifications_load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

// Reads away what has come; ends the program if Redis refused something.
void discard(int fd, bool redis) {
  std::array<char, 65536> buffer;
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n == 0 || (n < 0 && errno != EAGAIN)) end("the feed's connection is gone");
  const std::string_view text(buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  // An error begins a line with `-`; so begins nothing else that is answered here.
  if (redis && (text.substr(0, 1) == "-" || text.find("\n-") != std::string_view::npos)) {
    std::fprintf(stderr, "notifications_load: Redis refused: %.*s\n", static_cast<int>(n),
                 buffer.data());
    std::exit(1);
  }
}

}  // namespace

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    end("connect");
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) end("send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string room_name(std::uint32_t index, bool one_room) {
  return one_room ? "graph" : "thread:" + std::to_string(index);
}

RedisFeed::RedisFeed(std::uint16_t port, std::string channel, const load::ProbeText& text,
                     bool one_room, How how)
    : fd_(connect_to(port)),
      channel_(std::move(channel)),
      text_(text),
      one_room_(one_room),
      how_(how) {
  if (how == How::kPublish) return;
  add_command({"SCRIPT", "LOAD", redis::kAppendScript.text});
  flush();
  std::array<char, 47> answer;  // `$40`, the name, each with its line's end
  if (::recv(fd_, answer.data(), answer.size(), MSG_WAITALL) !=
          static_cast<ssize_t>(answer.size()) ||
      answer[0] != '$') {
    end("Redis does not take the script");
  }
}

RedisFeed::~RedisFeed() { ::close(fd_); }

void RedisFeed::add_command(std::initializer_list<std::string_view> words) {
  pending_.append("*").append(std::to_string(words.size())).append("\r\n");
  for (const std::string_view word : words) {
    pending_.append("$").append(std::to_string(word.size())).append("\r\n");
    pending_.append(word).append("\r\n");
  }
}

void RedisFeed::add(std::uint32_t room, std::uint64_t sequence) {
  constexpr std::string_view kTime = "2026-02-19T12:00:00.000Z";
  // Twelve digits that count: the journal takes each id once.
  const std::string id = "6f0c28a4-93c1-4be4-8d6e-" + std::to_string(100'000'000'000 + ids_++);
  std::string envelope = R"({"id":")" + id + R"(","ts":")";
  envelope.append(kTime).append(R"(","source":"platform-server","rooms":[")");
  envelope += room_name(room, one_room_);
  envelope.append(R"("],"event":")").append(load::ProbeText::kEvent).append(R"(","payload":)");
  envelope += text_.payload(sequence, load::probe_clock());
  envelope += '}';
  if (how_ == How::kPublish) return add_command({"PUBLISH", channel_, envelope});
  add_command({"EVALSHA", redis::kAppendScript.sha, "3", channel_ + ":journal", channel_ + ":meta",
               channel_ + ":id:" + id, envelope, kTime, channel_, "1000000", "900000", "300000",
               "bench", "1"});
}

void RedisFeed::flush() {
  write_all(fd_, pending_);
  pending_.clear();
}

void RedisFeed::drain() { discard(fd_, /*redis=*/true); }

FloorFeed::FloorFeed(std::uint16_t port, const load::ProbeText& text)
    : fd_(connect_to(port)), text_(text) {}

FloorFeed::~FloorFeed() { ::close(fd_); }

void FloorFeed::add(std::uint32_t, std::uint64_t sequence) {
  const std::string packet = text_.packet(sequence, load::probe_clock());
  pending_ += static_cast<char>(0x81);
  if (packet.size() < 126) {
    pending_ += static_cast<char>(packet.size());
  } else if (packet.size() < 65536) {
    pending_ += static_cast<char>(126);
    pending_ += static_cast<char>(packet.size() >> 8);
    pending_ += static_cast<char>(packet.size() & 0xff);
  } else {
    pending_ += static_cast<char>(127);
    for (int shift = 56; shift >= 0; shift -= 8)
      pending_ += static_cast<char>(packet.size() >> shift & 0xff);
  }
  pending_ += packet;
  ++count_;
}

// See: floor/main.cc.
void FloorFeed::flush() {
  char header[32];
  const int size =
      std::snprintf(header, sizeof header, "%8zu %10zu\n", count_, pending_.size() / count_);
  write_all(fd_, std::string(header, static_cast<std::size_t>(size)) + pending_);
  pending_.clear();
  count_ = 0;
}

void FloorFeed::drain() { discard(fd_, /*redis=*/false); }

}  // namespace notifications::bench
