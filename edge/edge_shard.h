#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/frame_arena.h"
#include "core/runtime/shard.h"
#include "core/string_map.h"
#include "edge/connection.h"
#include "edge/edge_context.h"
#include "edge/poller.h"
#include "edge/recovery.h"

namespace notifications::edge {

// EdgeShard is the edge's part of one shard: its connections and the buffer they read into.
//
// Thread: shard.
class EdgeShard {
 public:
  EdgeShard(Shard& shard, EdgeContext& context);
  ~EdgeShard();
  EdgeShard(const EdgeShard&) = delete;
  EdgeShard& operator=(const EdgeShard&) = delete;

  Shard& shard() { return shard_; }
  EdgeContext& context() { return context_; }
  Poller& poller() { return poller_; }

  // Takes over an accepted, non-blocking socket. `overloaded`: the limit is reached, it gets a 503.
  void adopt(int fd, bool overloaded);

  // Holds a connection until remove(); a draining shard begins to end it at once.
  void add(std::shared_ptr<Connection> connection);
  void remove(Connection& connection);
  std::size_t size() const { return connections_.size(); }

  // With the journal on: finds a session by its pid, for whoever takes it over elsewhere.
  void remember(Recovery& session);
  void forget(const Recovery& session);
  // Another connection took the session over with this generation: lets go of an older one.
  void on_taken(std::string_view pid, std::uint64_t generation);

  // What every connection reads into, one at a time; its content is gone after the turn.
  std::span<char> read_buffer() { return read_buffer_; }

  // Calls connection.on_turn() when those that asked before have had their turns, one in each turn
  // of the loop: however many clients send much at once, nobody waits for more than one of them.
  void read_later(Connection& connection);

  // Where events are encoded for the connections of this shard.
  FrameArena& frames() { return frames_; }

  // Ends all connections, each at a random moment within `period`, and calls `done` when none is
  // left. Connections that come later end at once.
  void drain(std::chrono::milliseconds period, std::function<void()> done);
  // Closes all sockets now.
  void abort_all();

 private:
  void drain_some();
  void give_turn();
  void sample_queues();

  // Constant after construction.
  Shard& shard_;
  EdgeContext& context_;

  // This shard only.
  Poller poller_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::size_t next_sampled_ = 0;  // in connections_
  std::vector<char> read_buffer_;
  std::deque<std::weak_ptr<Connection>> readers_;  // who waits for a turn to read
  FrameArena frames_;
  StringMap<std::weak_ptr<Recovery>> sessions_;
  // Set while draining: when each connection is due, soonest last.
  struct Due {
    Shard::Clock::time_point when;
    std::weak_ptr<Connection> connection;
  };
  std::vector<Due> due_;
  std::function<void()> drained_;
  bool draining_ = false;
  boost::asio::steady_timer drain_timer_;
};

}  // namespace notifications::edge
