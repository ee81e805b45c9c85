// notifyctl bench: puts a small, bounded load on a running deployment and tells what came of it.

#include <arpa/inet.h>
#include <grpcpp/client_context.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "core/uuid.h"
#include "notifications/v1/gateway.grpc.pb.h"
#include "server/notifyctl/client.h"
#include "server/notifyctl/commands.h"
#include "server/notifyctl/load/crowd.h"
#include "server/notifyctl/load/histogram.h"
#include "server/notifyctl/load/probe.h"

namespace notifications::notifyctl {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr Flag kFlags[] = {
    {"edge", "HOST:PORT", "the browsers' edge, plain HTTP [127.0.0.1:3011]"},
    {"path", "PATH", "its path of Socket.IO [/socket.io]"},
    {"connections", "N", "simulated browsers, at most 10000 [100]"},
    {"rate", "N", "events per second, at most 1000 [20]"},
    {"duration", "TIME", "how long, at most 60s [5s]"},
    {"payload_size", "BYTES", "of each event, at most 65536 [256]"},
    {"allow_remote", "", "also where an address is not this machine's loopback"},
};

constexpr std::uint64_t kMostConnections = 10'000;
constexpr double kHighestRate = 1'000;
constexpr milliseconds kLongest{60'000};
constexpr std::uint64_t kLargestPayload = 65'536;
constexpr std::size_t kConcurrentConnects = 64;
// How long deliveries may take to come in after the last event.
constexpr std::chrono::seconds kPatience{5};

struct Plan {
  load::Crowd::Options crowd;
  std::uint64_t connections = 0;
  double rate = 0;
  milliseconds duration{0};
  std::size_t payload_size = 0;
  std::string room;
};

// What came of it. Thread: the one that polls the crowd.
struct Findings {
  std::uint64_t deliveries = 0;
  std::uint64_t repeated = 0;  // numbers that had been seen, or were overtaken
  std::uint64_t altered = 0;
  load::LatencyHistogram latency;

  void take(const load::ProbeText& text, load::Client& client, std::string_view packet) {
    const auto seen = text.read(packet);
    if (!seen) {
      ++altered;
      return;
    }
    if (seen->sequence <= client.last_sequence) {
      ++repeated;
      return;
    }
    client.last_sequence = seen->sequence;
    ++deliveries;
    latency.record(load::probe_clock() - seen->at);
  }
};

struct Endpoint {
  std::string ip;
  std::uint16_t port = 0;
  bool loopback = false;
};

// The IPv4 address of `host:port`.
std::optional<Endpoint> resolve(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints,
                    &found) != 0) {
    return std::nullopt;
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> freed(found, ::freeaddrinfo);
  const auto* const socket_address = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  char text[INET_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET, &socket_address->sin_addr, text, sizeof text);
  const bool loopback = ntohl(socket_address->sin_addr.s_addr) >> 24 == 127;
  return Endpoint{text, ntohs(socket_address->sin_port), loopback};
}

Result<Plan, UsageError> plan_of(const Arguments& arguments, const std::string& server) {
  const auto connections = arguments.count("connections", 100);
  if (!connections) return connections.error();
  const auto rate = arguments.positive("rate", 20);
  if (!rate) return rate.error();
  const auto duration = arguments.duration("duration", std::chrono::seconds(5));
  if (!duration) return duration.error();
  const auto payload_size = arguments.count("payload_size", 256);
  if (!payload_size) return payload_size.error();
  if (*connections == 0 || *connections > kMostConnections)
    return UsageError{"--connections: 1 to " + std::to_string(kMostConnections)};
  if (*rate > kHighestRate) return UsageError{"--rate: at most 1000"};
  if (*duration > kLongest) return UsageError{"--duration: at most 60s"};
  if (*payload_size > kLargestPayload) return UsageError{"--payload_size: at most 65536"};
  const std::string edge = arguments.get("edge", "127.0.0.1:3011");
  const auto endpoint = resolve(edge);
  if (!endpoint) return UsageError{"--edge: no IPv4 address: " + edge};
  const auto front = resolve(server);
  const bool local = endpoint->loopback && front && front->loopback;
  if (!local && !arguments.has("allow_remote"))
    return UsageError{"--edge and --server are to be loopback addresses; see --allow_remote"};

  Plan plan;
  plan.connections = *connections;
  plan.rate = *rate;
  plan.duration = *duration;
  plan.payload_size = *payload_size;
  plan.room = "run:bench-" + new_uuid();  // nobody else is in it
  plan.crowd.host = endpoint->ip;
  plan.crowd.port = endpoint->port;
  plan.crowd.path = arguments.get("path", "/socket.io");
  plan.crowd.source_addresses = endpoint->loopback ? 4 : 1;
  plan.crowd.rooms_json = [room = plan.room](std::uint32_t) { return "\"" + room + "\""; };
  return plan;
}

// Publishes on a thread of its own at the plan's rate, one call after the other: events keep their
// order.
class Publisher {
 public:
  Publisher(const Plan& plan, const load::ProbeText& text, const CommonFlags& common,
            const std::shared_ptr<grpc::Channel>& channel)
      : plan_(plan),
        text_(text),
        common_(common),
        stub_(v1::NotificationsGateway::NewStub(channel)),
        thread_([this] { run(); }) {}
  ~Publisher() {
    stop();
    thread_.join();
  }
  void stop() { stopped_ = true; }
  bool done() const { return done_; }
  std::uint64_t published() const { return published_; }
  // Of the last call. Requires: done().
  const grpc::Status& status() const { return status_; }

 private:
  void run() {
    const auto start = Clock::now();
    const std::chrono::duration<double> interval(1 / plan_.rate);
    auto due = start;
    while (!stopped_ && due < start + plan_.duration) {
      // Short naps, so that stop() is heard.
      if (const auto now = Clock::now(); now < due) {
        std::this_thread::sleep_for(std::min<Clock::duration>(due - now, milliseconds(20)));
        continue;
      }
      status_ = publish(load::ProbeText::kFirst + published_);
      if (!status_.ok()) break;
      ++published_;
      due = start + std::chrono::duration_cast<Clock::duration>(
                        interval * static_cast<double>(published_.load()));
    }
    done_ = true;
  }

  grpc::Status publish(std::uint64_t sequence) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + common_.timeout);
    authorize(context, common_.token);
    v1::PublishRequest request;
    request.set_event(std::string(load::ProbeText::kEvent));
    request.add_rooms(plan_.room);
    request.set_payload_json(text_.payload(sequence, load::probe_clock()));
    v1::PublishResponse response;
    return stub_->Publish(&context, request, &response);
  }

  const Plan& plan_;
  const load::ProbeText& text_;
  const CommonFlags& common_;
  const std::unique_ptr<v1::NotificationsGateway::Stub> stub_;
  grpc::Status status_;
  std::atomic<bool> stopped_ = false;
  std::atomic<bool> done_ = false;
  std::atomic<std::uint64_t> published_ = 0;
  std::thread thread_;  // last: it uses all of the above
};

Outcome connect_all(const Plan& plan, load::Crowd& crowd, milliseconds timeout,
                    const StopSignal& stop) {
  auto moved_at = Clock::now();
  std::size_t live = 0;
  while (crowd.live() < plan.connections) {
    while (crowd.size() < plan.connections && crowd.size() - crowd.live() < kConcurrentConnects) {
      if (!crowd.connect(0)) return {kUnreachable, crowd.error()};
    }
    crowd.poll(milliseconds(50));
    if (crowd.lost() > 0) return {kUnreachable, "a connection failed: " + crowd.error()};
    if (stop.stopped()) return {kFailed, "interrupted"};
    if (crowd.live() != live) moved_at = Clock::now();
    live = crowd.live();
    if (Clock::now() - moved_at > timeout)
      return {kUnreachable, "the edge does not answer: " + std::to_string(live) + " of " +
                                std::to_string(plan.connections) + " connections stand"};
  }
  return {};
}

double milliseconds_of(std::uint64_t microseconds) {
  return static_cast<double>(microseconds) / 1000;
}

Outcome report(const Plan& plan, const Findings& findings, std::uint64_t published,
               const load::Crowd& crowd) {
  const std::uint64_t expected = published * plan.connections;
  std::printf("events       %llu\ndeliveries   %llu of %llu\n",
              static_cast<unsigned long long>(published),
              static_cast<unsigned long long>(findings.deliveries),
              static_cast<unsigned long long>(expected));
  std::printf("latency      p50 %.2f ms, p99 %.2f ms, longest %.2f ms\n",
              milliseconds_of(findings.latency.quantile(0.5)),
              milliseconds_of(findings.latency.quantile(0.99)),
              milliseconds_of(findings.latency.largest()));
  const std::uint64_t lost = expected - std::min(expected, findings.deliveries);
  if (lost + findings.repeated + findings.altered + crowd.lost() == 0) return {};
  return {kFailed, std::to_string(lost) + " deliveries did not come, " +
                       std::to_string(findings.repeated) + " came twice or out of order, " +
                       std::to_string(findings.altered) + " were altered, " +
                       std::to_string(crowd.lost()) + " connections were lost"};
}

Outcome run(const Arguments& arguments, StopSignal& stop) {
  const auto common = read_common(arguments);
  if (!common) return bad_usage(common.error());
  const auto plan = plan_of(arguments, common->server);
  if (!plan) return bad_usage(plan.error());
  const auto channel = connect(common->server, common->tls, common->timeout);
  if (!channel) return channel.error();

  const load::ProbeText text(plan->payload_size);
  Findings findings;
  load::Crowd crowd(plan->crowd);
  crowd.on_event(
      [&](load::Client& client, std::string_view packet) { findings.take(text, client, packet); });
  stop.on_stop([] {});  // the loops below look for it
  const auto start = Clock::now();
  if (const Outcome connected = connect_all(*plan, crowd, common->timeout, stop);
      connected.code != kOk) {
    return connected;
  }
  const std::chrono::duration<double> took = Clock::now() - start;
  std::printf("connections  %llu in %.2f s, %.0f per second\n",
              static_cast<unsigned long long>(plan->connections), took.count(),
              static_cast<double>(plan->connections) / took.count());
  std::fflush(stdout);

  Publisher publisher(*plan, text, *common, *channel);
  auto moved_at = Clock::now();
  std::uint64_t seen = 0;
  while (!publisher.done() || findings.deliveries < publisher.published() * plan->connections) {
    crowd.poll(milliseconds(20));
    if (stop.stopped()) publisher.stop();
    if (findings.deliveries != seen || !publisher.done()) moved_at = Clock::now();
    seen = findings.deliveries;
    if (crowd.lost() > 0 || Clock::now() - moved_at > kPatience) break;
  }
  publisher.stop();
  while (!publisher.done()) crowd.poll(milliseconds(20));
  if (!publisher.status().ok()) return outcome_of(publisher.status());
  return report(*plan, findings, publisher.published(), crowd);
}

}  // namespace

const Command kBenchCommand{
    "bench", "loads a deployment with simulated browsers and verifies every delivery", kFlags, run};

}  // namespace notifications::notifyctl
