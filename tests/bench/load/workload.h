#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "server/notifyctl/load/crowd.h"
#include "server/notifyctl/load/histogram.h"
#include "server/notifyctl/load/probe.h"
#include "tests/bench/load/feed.h"

namespace notifications::bench {

// What is measured: events to a crowd. All numbers are bounds, too: nothing runs without an end.
struct Plan {
  std::uint32_t connections = 1000;
  std::uint32_t rooms = 1;  // client i is in room i % rooms
  std::size_t payload = 256;
  // Events that are under way at the same time. In bursts: all are published at once, and the next
  // ones when every client has them all; else the window is refilled as deliveries arrive.
  std::uint32_t in_flight = 1;
  bool bursts = true;
  double events_per_second = 0;  // paced, instead of the window; 0: as fast as it goes
  std::chrono::milliseconds warmup{300};
  std::chrono::milliseconds duration{2000};
  std::uint32_t concurrent_connects = 128;
  // A pause before each look at the sockets. A reader that sleeps between any two deliveries has to
  // be woken for each by the peer, at the peer's cost, which no client on another machine asks for.
  std::chrono::microseconds nap{0};
  int pid = 0;  // of the peer, for its CPU time and memory; 0: unknown
};

// What came out. A delivery that is lost, doubled, reordered or altered ends the program instead.
struct Outcome {
  std::uint64_t events = 0;
  std::uint64_t deliveries = 0;
  double seconds = 0;
  double peer_cpu_seconds = 0;
  double own_cpu_seconds = 0;  // the generator's, to see which side was the limit
  load::LatencyHistogram latency;
};

// Everybody came (back): from the first SYN until each was live, or had what it missed.
struct ConnectOutcome {
  std::uint32_t connections = 0;
  double seconds = 0;
  double peer_cpu_seconds = 0;
  double own_cpu_seconds = 0;
  std::uint64_t peer_kib_before = 0;
  std::uint64_t peer_kib_after = 0;
};

// Workload drives one crowd through a measurement.
//
// Thread: any one.
class Workload {
 public:
  Workload(const Plan& plan, load::Crowd& crowd, const load::ProbeText& text);

  // Connects everybody; measured from the first SYN to the last confirmation.
  ConnectOutcome connect();
  // Waits for a moment and looks at the memory again.
  std::uint64_t settle(std::chrono::milliseconds pause);
  // Lets everybody see an event, loses all connections, publishes `missed` events, and connects
  // everybody again; measured until all have what they missed. Requires: one room; the crowd keeps
  // sessions; the peer has the journal on.
  ConnectOutcome resume(Feed& feed, std::uint32_t missed);
  // Publishes and verifies for the plan's time, then waits for what is under way.
  Outcome run(Feed& feed);

 private:
  void take(load::Client& client, std::string_view packet);
  void publish_next();
  void publish_more(Feed& feed, std::chrono::steady_clock::time_point now);
  // Turns until everybody is live and `received_` is `expected_`, calling `next` (a connection, or
  // false for an error) for those who are still to come; what that took.
  ConnectOutcome bring(const std::function<bool(std::uint32_t)>& next);
  void await_deliveries();
  void pump(Feed& feed, std::chrono::milliseconds duration);
  void turn(std::chrono::milliseconds timeout);
  double peer_cpu() const;
  std::uint64_t peer_kib() const;

  const Plan plan_;
  load::Crowd& crowd_;
  const load::ProbeText& text_;
  Feed* feed_ = nullptr;
  std::vector<std::uint64_t> sent_;  // the last number published in each room
  std::uint32_t next_room_ = 0;
  std::uint64_t published_ = 0;
  std::uint64_t expected_ = 0;  // deliveries
  std::uint64_t received_ = 0;
  std::chrono::steady_clock::time_point paced_from_;
  std::uint64_t paced_ = 0;
  load::LatencyHistogram latency_;
};

}  // namespace notifications::bench
