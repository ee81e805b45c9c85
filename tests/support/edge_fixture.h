#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "core/settings.h"

namespace notifications::test {

// Settings of an edge for tests: one shard, a free port on loopback, no log, the defaults else.
Settings edge_settings();

// Edge is a running edge within the test's process: shards, the in-memory broker, the dispatcher
// and the browsers' front, put together and torn down as a program does it.
//
// Thread: the test's.
class Edge {
 public:
  explicit Edge(Settings settings = edge_settings());
  ~Edge();

  std::uint16_t port() const;

  // Publishes an envelope; returns when the broker has it. Room or rooms as the text of JSON.
  void publish(std::string_view rooms_json, std::string_view event, std::string_view payload);

  // The value of a counter or gauge: of one label set, or of all together.
  std::int64_t counted(std::string_view name) const;
  std::int64_t counted(std::string_view name, std::string_view label) const;
  // Waits until a counter or gauge has a value; says so if it never does.
  bool await_count(std::string_view name, std::int64_t value) const;
  bool await_count(std::string_view name, std::string_view label, std::int64_t value) const;

  // Runs `work` on a shard's thread and waits for it.
  void on_shard(int shard, const std::function<void()>& work);
  // Serves a shard's timers as if so much time had passed. Those that are set afterwards may be
  // late by as much.
  void pass_time(int shard, std::chrono::milliseconds time);
  // Stops a shard's loop until the promise is kept.
  void hold_shard(int shard, std::future<void> until);

  // Begins to drain; ready when nothing is left.
  std::future<void> drain(std::chrono::milliseconds period);
  // Ends whatever is left, at once.
  void stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace notifications::test
