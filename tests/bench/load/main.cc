// notifications_load: puts one workload on one running peer and prints what it cost, as JSON.
//
//   notifications_load --port=3011 --pid=4711 --redis_port=6379 --connections=1000 --in_flight=8
//   notifications_load --port=9000 --pid=4712 --floor ...     the floor program instead of a
//   gateway
//
// Every delivery is verified: one that is lost, doubled, out of order or altered ends it with
// code 1.

#include <sched.h>

#include <cstdio>
#include <memory>
#include <string>

#include "tests/bench/load/flags.h"
#include "tests/bench/load/workload.h"

namespace notifications::bench {
namespace {

constexpr const char* kUsage =
    "Usage: notifications_load --port=N [--name=value ...]\n"
    "  --pid=N          of the peer: its CPU time and memory are measured\n"
    "  --redis_port=N   where to publish   --channel=NAME [notifications.v1]\n"
    "  --floor=1        the peer is notifications_floor\n"
    "  --connections=N --rooms=N --payload=BYTES\n"
    "  --rooms_each=N   further rooms per client, in which nothing happens, make it N\n"
    "  --in_flight=N --bursts=0|1   a burst at a time, or a window that is refilled\n"
    "  --nap_us=N       pause before each look at the sockets\n"
    "  --journal=1      append to the journal, which the peer has on\n"
    "  --resume=N       instead: everybody is lost, misses N events, and comes back\n"
    "  --rate=N         events per second, instead\n"
    "  --seconds=T --warmup=T --settle=T   settle: wait before memory is read\n"
    "  --concurrent_connects=N --sources=N   source addresses 127.0.0.1 and following\n"
    "  --cpu=N          run on this core only\n";

std::chrono::milliseconds seconds(double value) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(value * 1000));
}

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) fail("cannot run on that core");
}

// The room in which events happen, and others beside it.
std::string rooms_json(std::uint32_t room, std::uint32_t count, bool one_room) {
  std::string out = "\"" + room_name(room, one_room) + "\"";
  for (std::uint32_t i = 1; i < count; ++i) {
    out += ",\"run:" + std::to_string(room) + "-" + std::to_string(i) + "\"";
  }
  return out;
}

void print(const ConnectOutcome& connects, std::uint64_t settled_kib, const Outcome* run,
           const ConnectOutcome* resumes = nullptr) {
  std::printf(
      "{\"connections\":%u,\"connect_seconds\":%.4f,\"connect_peer_cpu_seconds\":%.4f,"
      "\"connect_own_cpu_seconds\":%.4f,\"peer_kib_before\":%llu,\"peer_kib_settled\":%llu",
      connects.connections, connects.seconds, connects.peer_cpu_seconds, connects.own_cpu_seconds,
      static_cast<unsigned long long>(connects.peer_kib_before),
      static_cast<unsigned long long>(settled_kib));
  if (run != nullptr) {
    std::printf(
        ",\"events\":%llu,\"deliveries\":%llu,\"seconds\":%.4f,\"peer_cpu_seconds\":%.3f,"
        "\"own_cpu_seconds\":%.3f,\"p50_us\":%llu,\"p99_us\":%llu,\"max_us\":%llu",
        static_cast<unsigned long long>(run->events),
        static_cast<unsigned long long>(run->deliveries), run->seconds, run->peer_cpu_seconds,
        run->own_cpu_seconds, static_cast<unsigned long long>(run->latency.quantile(0.5)),
        static_cast<unsigned long long>(run->latency.quantile(0.99)),
        static_cast<unsigned long long>(run->latency.largest()));
  }
  if (resumes != nullptr) {
    std::printf(",\"resume_seconds\":%.4f,\"resume_peer_cpu_seconds\":%.4f", resumes->seconds,
                resumes->peer_cpu_seconds);
  }
  std::printf("}\n");
}

int run(int argc, char** argv) {
  Flags flags(argc, argv, kUsage);
  Plan plan;
  plan.connections = static_cast<std::uint32_t>(flags.number("connections", plan.connections));
  plan.rooms = static_cast<std::uint32_t>(flags.number("rooms", plan.rooms));
  plan.payload = static_cast<std::size_t>(flags.number("payload", 256));
  plan.in_flight = static_cast<std::uint32_t>(flags.number("in_flight", plan.in_flight));
  plan.bursts = flags.number("bursts", 1) != 0;
  plan.events_per_second = flags.number("rate", 0);
  plan.duration = seconds(flags.number("seconds", 2));
  plan.warmup = seconds(flags.number("warmup", 0.3));
  plan.concurrent_connects =
      static_cast<std::uint32_t>(flags.number("concurrent_connects", plan.concurrent_connects));
  plan.nap = std::chrono::microseconds(static_cast<std::int64_t>(flags.number("nap_us", 0)));
  plan.pid = static_cast<int>(flags.number("pid", 0));
  const bool journal = flags.number("journal", 0) != 0;
  const auto missed = static_cast<std::uint32_t>(flags.number("resume", 0));
  const bool floor = flags.number("floor", 0) != 0;
  const auto redis_port = static_cast<std::uint16_t>(flags.number("redis_port", 0));
  const std::string channel = flags.text("channel", "notifications.v1");
  const auto settle = seconds(flags.number("settle", 0));
  load::Crowd::Options options;
  options.port = static_cast<std::uint16_t>(flags.number("port", 0));
  options.source_addresses = static_cast<int>(flags.number("sources", 4));
  const auto rooms_each = static_cast<std::uint32_t>(flags.number("rooms_each", 1));
  const int cpu = static_cast<int>(flags.number("cpu", -1));
  flags.done();
  if (options.port == 0 || plan.rooms == 0 || plan.connections == 0 || plan.in_flight == 0 ||
      (missed > 0 && (plan.rooms != 1 || !journal || redis_port == 0))) {
    fail("bad arguments; see --help");
  }
  if (cpu >= 0) pin(cpu);

  const bool one_room = plan.rooms == 1;
  options.sessions = missed > 0;
  options.dialect = floor ? load::Dialect::kFrames : load::Dialect::kSocketIo;
  options.rooms_json = [=](std::uint32_t room) { return rooms_json(room, rooms_each, one_room); };
  const load::ProbeText text(plan.payload);
  // The floor's first connection is the one that tells it what to send.
  std::unique_ptr<Feed> feed;
  if (floor) feed = std::make_unique<FloorFeed>(options.port, text);
  using How = RedisFeed::How;
  if (redis_port != 0) {
    feed = std::make_unique<RedisFeed>(redis_port, channel, text, one_room,
                                       journal ? How::kAppend : How::kPublish);
  }

  load::Crowd crowd(options);
  Workload workload(plan, crowd, text);
  const ConnectOutcome connects = workload.connect();
  const std::uint64_t settled_kib = workload.settle(settle);
  if (feed == nullptr) {
    print(connects, settled_kib, nullptr);
    return 0;
  }
  if (missed > 0) {
    const ConnectOutcome resumes = workload.resume(*feed, missed);
    print(connects, settled_kib, nullptr, &resumes);
    return 0;
  }
  const Outcome outcome = workload.run(*feed);
  print(connects, settled_kib, &outcome);
  return 0;
}

}  // namespace
}  // namespace notifications::bench

int main(int argc, char** argv) { return notifications::bench::run(argc, argv); }
