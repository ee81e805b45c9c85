#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/notifyctl/load/probe.h"

namespace notifications::bench {

// Feed is where the events of a measurement come from. Events are gathered and leave together, so
// that a burst is one.
//
// Thread: any one.
class Feed {
 public:
  virtual ~Feed() = default;
  virtual void add(std::uint32_t room, std::uint64_t sequence) = 0;
  // Publishes what was added.
  virtual void flush() = 0;
  // A socket that becomes readable when there are answers, and what takes them in.
  virtual int fd() const = 0;
  virtual void drain() = 0;
  // Waits until all that was published has been answered, where answers come.
  virtual void await_answers() {}
};

// A blocking TCP connection to a port of 127.0.0.1. Ends the program if there is none.
int connect_to(std::uint16_t port);
// Writes all of it. Ends the program if the peer is gone.
void write_all(int fd, std::string_view bytes);

// RedisFeed publishes envelopes with PUBLISH, or appends them to the journal with the script that
// publishers use; pipelined.
class RedisFeed final : public Feed {
 public:
  enum class How { kPublish, kAppend };
  RedisFeed(std::uint16_t port, std::string channel, const load::ProbeText& text, bool one_room,
            How how);
  ~RedisFeed() override;
  void add(std::uint32_t room, std::uint64_t sequence) override;
  void flush() override;
  int fd() const override { return fd_; }
  void drain() override;
  void await_answers() override;

 private:
  void take_answers(int flags);
  void add_command(std::span<const std::string_view> words);
  void add_append();

  const int fd_;
  const std::string channel_;
  const load::ProbeText& text_;
  const bool one_room_;
  const How how_;
  std::uint64_t ids_ = 0;
  std::size_t lines_due_ = 0;         // of answers
  std::vector<std::string> id_keys_;  // of the envelopes that are to be appended
  std::vector<std::string> envelopes_;
  std::string pending_;
};

// FloorFeed hands the floor program the finished frames, to be sent to all of its sockets.
class FloorFeed final : public Feed {
 public:
  FloorFeed(std::uint16_t port, const load::ProbeText& text);
  ~FloorFeed() override;
  void add(std::uint32_t room, std::uint64_t sequence) override;
  void flush() override;
  int fd() const override { return fd_; }
  void drain() override;

 private:
  const int fd_;
  const load::ProbeText& text_;
  std::size_t count_ = 0;
  std::string pending_;
};

// The name of room `index` in an envelope; `one_room`: all are in the platform's `graph`.
std::string room_name(std::uint32_t index, bool one_room);

}  // namespace notifications::bench
