#include "tests/bench/load/feed.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/redis/journal_scripts.h"

namespace notifications::bench {
namespace {

constexpr std::string_view kTime = "2026-02-19T12:00:00.000Z";  // of all envelopes
constexpr std::size_t kMostAppends = 64;                        // in one call, as Appender's

[[noreturn]] void end(const char* what) {
  std::fprintf(stderr, "notifications_load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

// Whether one of the answers in `text` is an error: a line that begins with `-` and has words. So
// may a position begin, but it has no space.
bool has_error(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    if (line.starts_with('-') && line.find(' ') != std::string_view::npos) return true;
    at += line.size() + 1;
  }
  return false;
}

// Reads what has come; ends the program if the connection is gone.
std::string_view receive(int fd, std::span<char> buffer, int flags) {
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), flags);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) end("the feed's connection is gone");
  return {buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
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
  add_command(std::array<std::string_view, 3>{"SCRIPT", "LOAD", redis::kAppendScript.text});
  flush();
  std::array<char, 47> answer;  // `$40`, the name, each with its line's end
  if (::recv(fd_, answer.data(), answer.size(), MSG_WAITALL) !=
          static_cast<ssize_t>(answer.size()) ||
      answer[0] != '$') {
    end("Redis does not take the script");
  }
}

RedisFeed::~RedisFeed() { ::close(fd_); }

void RedisFeed::add_command(std::span<const std::string_view> words) {
  pending_.append("*").append(std::to_string(words.size())).append("\r\n");
  for (const std::string_view word : words) {
    pending_.append("$").append(std::to_string(word.size())).append("\r\n");
    pending_.append(word).append("\r\n");
  }
}

void RedisFeed::add(std::uint32_t room, std::uint64_t sequence) {
  // Twelve digits that count: the journal takes each id once.
  const std::string id = "6f0c28a4-93c1-4be4-8d6e-" + std::to_string(100'000'000'000 + ids_++);
  std::string envelope = R"({"id":")" + id + R"(","ts":")";
  envelope.append(kTime).append(R"(","source":"platform-server","rooms":[")");
  envelope += room_name(room, one_room_);
  envelope.append(R"("],"event":")").append(load::ProbeText::kEvent).append(R"(","payload":)");
  envelope += text_.payload(sequence, load::probe_clock());
  envelope += '}';
  if (how_ == How::kPublish) {
    lines_due_ += 1;
    return add_command(std::array<std::string_view, 3>{"PUBLISH", channel_, envelope});
  }
  id_keys_.push_back(channel_ + ":id:" + id);
  envelopes_.push_back(std::move(envelope));
  if (envelopes_.size() == kMostAppends) add_append();
}

// As publishers do: what comes together goes in one call.
void RedisFeed::add_append() {
  std::vector<std::string_view> words{"EVALSHA", redis::kAppendScript.sha};
  const std::string keys = std::to_string(2 + id_keys_.size());
  const std::string journal = channel_ + ":journal";
  const std::string meta = channel_ + ":meta";
  words.insert(words.end(), {keys, journal, meta});
  words.insert(words.end(), id_keys_.begin(), id_keys_.end());
  words.insert(words.end(), {envelopes_.front(), kTime, channel_, "1000000", "900000", "300000",
                             "bench", "1", ""});
  for (std::size_t i = 1; i < envelopes_.size(); ++i) {
    words.insert(words.end(), {envelopes_[i], kTime});
  }
  add_command(words);
  lines_due_ += 1 + 5 * envelopes_.size();  // the array's; two for each string, the number's
  id_keys_.clear();
  envelopes_.clear();
}

void RedisFeed::flush() {
  if (!envelopes_.empty()) add_append();
  write_all(fd_, pending_);
  pending_.clear();
}

void RedisFeed::take_answers(int flags) {
  std::array<char, 65536> buffer;
  const std::string_view answers = receive(fd_, buffer, flags);
  if (has_error(answers)) {
    std::fprintf(stderr, "notifications_load: Redis refused: %.*s\n",
                 static_cast<int>(answers.size()), answers.data());
    std::exit(1);
  }
  lines_due_ -= static_cast<std::size_t>(std::count(answers.begin(), answers.end(), '\n'));
}

void RedisFeed::drain() { take_answers(MSG_DONTWAIT); }

void RedisFeed::await_answers() {
  while (lines_due_ > 0) take_answers(0);
}

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

void FloorFeed::drain() {
  std::array<char, 65536> buffer;
  receive(fd_, buffer, MSG_DONTWAIT);
}

}  // namespace notifications::bench
