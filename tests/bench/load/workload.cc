#include "tests/bench/load/workload.h"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "server/notifyctl/load/process_usage.h"
#include "tests/bench/load/flags.h"

namespace notifications::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Without a single delivery for so long something is lost.
constexpr std::chrono::seconds kStall{20};

double seconds_between(steady_clock::time_point from, steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

double own_cpu() { return load::process_usage(::getpid())->cpu_seconds; }

}  // namespace

Workload::Workload(const Plan& plan, load::Crowd& crowd, const load::ProbeText& text)
    : plan_(plan), crowd_(crowd), text_(text), sent_(plan.rooms, load::ProbeText::kFirst - 1) {
  crowd_.on_event([this](load::Client& client, std::string_view packet) { take(client, packet); });
}

double Workload::peer_cpu() const {
  if (plan_.pid == 0) return 0;
  const auto usage = load::process_usage(plan_.pid);
  if (!usage) fail("the peer is gone");
  return usage->cpu_seconds;
}

std::uint64_t Workload::peer_kib() const {
  if (plan_.pid == 0) return 0;
  const auto usage = load::process_usage(plan_.pid);
  if (!usage) fail("the peer is gone");
  return usage->resident_kib;
}

void Workload::turn(milliseconds timeout) {
  crowd_.poll(timeout);
  if (crowd_.lost() > 0) fail("a connection was lost: " + crowd_.error());
}

ConnectOutcome Workload::bring(const std::function<bool(std::uint32_t)>& next) {
  ConnectOutcome outcome;
  outcome.connections = plan_.connections;
  outcome.peer_kib_before = peer_kib();
  const double peer_before = peer_cpu();
  const double own_before = own_cpu();
  const auto start = steady_clock::now();
  const auto give_up = start + std::chrono::seconds(120);
  std::uint32_t begun = 0;
  while (crowd_.live() < plan_.connections || received_ < expected_) {
    while (begun < plan_.connections && begun - crowd_.live() < plan_.concurrent_connects) {
      if (!next(begun++)) fail(crowd_.error());
    }
    turn(milliseconds(100));
    if (steady_clock::now() > give_up) fail("not all connections came about");
  }
  outcome.seconds = seconds_between(start, steady_clock::now());
  outcome.peer_cpu_seconds = peer_cpu() - peer_before;
  outcome.own_cpu_seconds = own_cpu() - own_before;
  outcome.peer_kib_after = peer_kib();
  return outcome;
}

ConnectOutcome Workload::connect() {
  return bring([this](std::uint32_t index) { return crowd_.connect(index % plan_.rooms); });
}

void Workload::await_deliveries() {
  const auto give_up = steady_clock::now() + kStall;
  while (received_ < expected_) {
    turn(milliseconds(100));
    if (steady_clock::now() > give_up) fail("an event did not come");
  }
}

ConnectOutcome Workload::resume(Feed& feed, std::uint32_t missed) {
  feed_ = &feed;
  publish_next();
  feed.flush();
  await_deliveries();
  crowd_.drop_all();
  // The peer is to know that they are gone: what it does about that is not what is measured.
  settle(milliseconds(500));
  for (std::uint32_t i = 0; i < missed; ++i) publish_next();
  feed.flush();
  settle(milliseconds(300));
  return bring([this](std::uint32_t index) { return crowd_.resume(index); });
}

std::uint64_t Workload::settle(milliseconds pause) {
  const auto until = steady_clock::now() + pause;
  while (steady_clock::now() < until) turn(milliseconds(20));
  return peer_kib();
}

void Workload::take(load::Client& client, std::string_view packet) {
  const auto seen = text_.read(packet);
  if (!seen) fail("altered: " + std::string(packet.substr(0, 200)));
  const std::uint64_t last =
      client.last_sequence == 0 ? load::ProbeText::kFirst - 1 : client.last_sequence;
  if (seen->sequence != last + 1) {
    fail("client " + std::to_string(client.id()) + " got " + std::to_string(seen->sequence) +
         " behind " + std::to_string(last));
  }
  client.last_sequence = seen->sequence;
  ++received_;
  latency_.record(load::probe_clock() - seen->at);
}

void Workload::publish_next() {
  const std::uint32_t room = next_room_;
  next_room_ = (next_room_ + 1) % plan_.rooms;
  feed_->add(room, ++sent_[room]);
  const std::uint32_t members =
      plan_.connections / plan_.rooms + (room < plan_.connections % plan_.rooms ? 1 : 0);
  expected_ += members;
  ++published_;
}

void Workload::publish_more(Feed& feed, steady_clock::time_point now) {
  std::uint64_t more = 0;
  const std::uint64_t members = std::max<std::uint64_t>(1, plan_.connections / plan_.rooms);
  const std::uint64_t open = (expected_ - received_ + members - 1) / members;
  if (plan_.events_per_second > 0) {
    const auto due =
        static_cast<std::uint64_t>(seconds_between(paced_from_, now) * plan_.events_per_second);
    more = due - paced_;
    paced_ = due;
  } else if (plan_.bursts) {
    more = open == 0 ? plan_.in_flight : 0;
  } else if (open * 2 <= plan_.in_flight) {
    // Refilled by halves: a feed that wrote for each single delivery would be the bottleneck.
    more = plan_.in_flight - open;
  }
  if (more == 0) return;
  for (std::uint64_t i = 0; i < more; ++i) publish_next();
  feed.flush();
  // The clients share a core with Redis, and would be in its way while it takes a burst: so they
  // look at their sockets once it has.
  if (plan_.bursts) feed.await_answers();
}

void Workload::pump(Feed& feed, milliseconds duration) {
  const auto until = steady_clock::now() + duration;
  auto now = steady_clock::now();
  auto moved_at = now;
  std::uint64_t moved = received_;
  paced_from_ = now;
  paced_ = 0;
  while (now < until || received_ < expected_) {
    if (now < until) publish_more(feed, now);
    if (plan_.nap.count() > 0) std::this_thread::sleep_for(plan_.nap);
    turn(milliseconds(plan_.events_per_second > 0 ? 1 : 100));
    now = steady_clock::now();
    if (received_ != moved) {
      moved = received_;
      moved_at = now;
    } else if (now - moved_at > kStall) {
      fail("lost: " + std::to_string(expected_ - received_) + " of " + std::to_string(expected_) +
           " deliveries did not come");
    }
  }
}

Outcome Workload::run(Feed& feed) {
  feed_ = &feed;
  crowd_.watch(feed.fd(), [&feed] { feed.drain(); });
  pump(feed, plan_.warmup);
  latency_.clear();
  const std::uint64_t published = published_;
  const std::uint64_t received = received_;
  const double peer_before = peer_cpu();
  const double own_before = own_cpu();
  const auto start = steady_clock::now();
  pump(feed, plan_.duration);
  Outcome outcome;
  outcome.seconds = seconds_between(start, steady_clock::now());
  outcome.peer_cpu_seconds = peer_cpu() - peer_before;
  outcome.own_cpu_seconds = own_cpu() - own_before;
  outcome.events = published_ - published;
  outcome.deliveries = received_ - received;
  outcome.latency = latency_;
  // Whatever is doubled would come now.
  settle(milliseconds(50));
  if (received_ != expected_) fail("more deliveries than were published");
  return outcome;
}

}  // namespace notifications::bench
