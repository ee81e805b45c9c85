// notifications_grpc_load: opens streams on a gRPC server, publishes through Redis, verifies every
// delivery and prints what it cost, as JSON. Flags as of notifications_load, and:
//
//   --streams=N    how many streams, over --channels=N connections

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "notifications/v1/gateway.grpc.pb.h"
#include "server/notifyctl/load/histogram.h"
#include "server/notifyctl/load/probe.h"
#include "server/notifyctl/load/process_usage.h"
#include "tests/bench/load/feed.h"
#include "tests/bench/load/flags.h"

namespace notifications::bench {
namespace {

using std::chrono::steady_clock;

// Counts deliveries of all streams, and wakes the publisher when a burst has arrived everywhere.
// Thread: any.
class Arrivals {
 public:
  void add(std::uint64_t latency_us) {
    const std::lock_guard lock(mutex_);
    latency_.record(latency_us);
    if (++count_ >= awaited_) arrived_.notify_one();
  }
  void open() {
    const std::lock_guard lock(mutex_);
    ++opened_;
    arrived_.notify_one();
  }
  void fail(const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (problem_.empty()) problem_ = what;
    arrived_.notify_one();
  }
  void await(std::uint64_t deliveries) {
    std::unique_lock lock(mutex_);
    awaited_ = deliveries;
    wait(lock, [&] { return count_ >= deliveries; });
    if (count_ > deliveries) bench::fail("more deliveries than were published");
  }
  void await_open(std::uint64_t streams) {
    std::unique_lock lock(mutex_);
    wait(lock, [&] { return opened_ >= streams; });
  }
  load::LatencyHistogram take_latency() {
    const std::lock_guard lock(mutex_);
    return std::exchange(latency_, {});
  }

 private:
  template <class Done>
  void wait(std::unique_lock<std::mutex>& lock, Done done) {
    const bool in_time = arrived_.wait_for(lock, std::chrono::seconds(20),
                                           [&] { return done() || !problem_.empty(); });
    if (!problem_.empty()) bench::fail(problem_);
    if (!in_time) bench::fail("deliveries were lost");
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  // Guarded by mutex_.
  std::uint64_t awaited_ = ~std::uint64_t{0};
  std::uint64_t count_ = 0;
  std::uint64_t opened_ = 0;
  std::string problem_;
  load::LatencyHistogram latency_;
};

class Reader final : public grpc::ClientReadReactor<v1::StreamResponse> {
 public:
  Reader(v1::NotificationsGateway::Stub& stub, const load::ProbeText& text, Arrivals& arrivals)
      : text_(text), arrivals_(arrivals) {
    request_.add_rooms("graph");
    stub.async()->Stream(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (response_.has_opened()) {
      arrivals_.open();
    } else if (response_.has_envelope()) {
      take(response_.envelope());
    }
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    arrivals_.fail("a stream ended: " + status.error_message());
  }

 private:
  void take(const v1::Envelope& envelope) {
    const auto seen = text_.read_payload(envelope.payload_json());
    if (!seen) return arrivals_.fail("altered: " + envelope.payload_json().substr(0, 200));
    if (seen->sequence != ++last_) return arrivals_.fail("lost, doubled or out of order");
    arrivals_.add(load::probe_clock() - seen->at);
  }

  const load::ProbeText& text_;
  Arrivals& arrivals_;
  grpc::ClientContext context_;
  v1::StreamRequest request_;
  v1::StreamResponse response_;
  std::uint64_t last_ = load::ProbeText::kFirst - 1;
};

struct Publisher {
  Feed& feed;
  Arrivals& arrivals;
  std::uint64_t streams;
  std::uint64_t in_flight;
  std::uint64_t sequence = load::ProbeText::kFirst - 1;
  std::uint64_t expected = 0;

  // Returns how many events that were.
  std::uint64_t run(double seconds) {
    std::uint64_t events = 0;
    const auto until = steady_clock::now() + std::chrono::duration<double>(seconds);
    while (steady_clock::now() < until) {
      for (std::uint64_t i = 0; i < in_flight; ++i) feed.add(0, ++sequence);
      feed.flush();
      events += in_flight;
      expected += in_flight * streams;
      arrivals.await(expected);
      feed.drain();
    }
    return events;
  }
};

double cpu_of(int pid) {
  const auto usage = load::process_usage(pid);
  if (!usage) fail("the peer is gone");
  return usage->cpu_seconds;
}

int run(int argc, char** argv) {
  Flags flags(argc, argv,
              "Usage: notifications_grpc_load --port=N --pid=N --redis_port=N [--streams=N]\n"
              "  [--channels=N] [--payload=BYTES] [--in_flight=N] [--seconds=T] [--warmup=T]\n");
  const auto port = static_cast<std::uint16_t>(flags.number("port", 0));
  const int pid = static_cast<int>(flags.number("pid", 0));
  const auto redis_port = static_cast<std::uint16_t>(flags.number("redis_port", 0));
  const auto streams = static_cast<std::uint64_t>(flags.number("streams", 100));
  const auto channels = static_cast<std::uint64_t>(flags.number("channels", 10));
  const auto payload = static_cast<std::size_t>(flags.number("payload", 256));
  const auto in_flight = static_cast<std::uint64_t>(flags.number("in_flight", 8));
  const double seconds = flags.number("seconds", 2);
  const double warmup = flags.number("warmup", 0.3);
  flags.done();
  if (port == 0 || pid == 0 || redis_port == 0 || streams == 0 || channels == 0 || in_flight == 0) {
    fail("bad arguments; see --help");
  }

  const load::ProbeText text(payload);
  Arrivals arrivals;
  std::vector<std::unique_ptr<v1::NotificationsGateway::Stub>> stubs;
  for (std::uint64_t i = 0; i < channels; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt("bench.channel", static_cast<int>(i));  // a connection of its own
    stubs.push_back(v1::NotificationsGateway::NewStub(grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), arguments)));
  }
  std::vector<std::unique_ptr<Reader>> readers;
  for (std::uint64_t i = 0; i < streams; ++i) {
    readers.push_back(std::make_unique<Reader>(*stubs[i % channels], text, arrivals));
  }
  arrivals.await_open(streams);

  RedisFeed feed(redis_port, "notifications.v1", text, /*one_room=*/true, RedisFeed::How::kPublish);
  Publisher publisher{feed, arrivals, streams, in_flight};
  publisher.run(warmup);
  arrivals.take_latency();
  const double cpu_before = cpu_of(pid);
  const double own_before = cpu_of(::getpid());
  const auto start = steady_clock::now();
  const std::uint64_t events = publisher.run(seconds);
  const double took = std::chrono::duration<double>(steady_clock::now() - start).count();
  const auto latency = arrivals.take_latency();
  std::printf(
      "{\"streams\":%llu,\"channels\":%llu,\"events\":%llu,\"deliveries\":%llu,\"seconds\":%.4f,"
      "\"peer_cpu_seconds\":%.3f,\"own_cpu_seconds\":%.3f,\"p50_us\":%llu,\"p99_us\":%llu}\n",
      static_cast<unsigned long long>(streams), static_cast<unsigned long long>(channels),
      static_cast<unsigned long long>(events), static_cast<unsigned long long>(events * streams),
      took, cpu_of(pid) - cpu_before, cpu_of(::getpid()) - own_before,
      static_cast<unsigned long long>(latency.quantile(0.5)),
      static_cast<unsigned long long>(latency.quantile(0.99)));
  std::fflush(stdout);
  // The streams need not end well: the measurement is over.
  std::_Exit(0);
}

}  // namespace
}  // namespace notifications::bench

int main(int argc, char** argv) { return notifications::bench::run(argc, argv); }
