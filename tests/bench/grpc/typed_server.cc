// notifications_grpc_typed: the gRPC service as one writes it at first: each stream is handed the
// message and serializes it for itself, one write at a time. The raw path is held against it.
//
//   notifications_grpc_typed redis://127.0.0.1:6379     prints `port N`; ends on SIGTERM
//
// It takes its events as the product does, through core's Redis broker, and knows no rooms: every
// stream gets everything.

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/envelope_codec.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/redis/redis_broker.h"
#include "notifications/v1/gateway.grpc.pb.h"

namespace notifications::bench {
namespace {

using Message = std::shared_ptr<const v1::StreamResponse>;

class Stream;

// The open streams. Thread: any; guarded by its mutex.
struct Streams {
  std::mutex mutex;
  std::set<Stream*> open;
};

class Stream final : public grpc::ServerWriteReactor<v1::StreamResponse> {
 public:
  explicit Stream(Streams& streams) : streams_(streams) {
    auto opened = std::make_shared<v1::StreamResponse>();
    opened->mutable_opened();
    {
      const std::lock_guard lock(streams_.mutex);
      streams_.open.insert(this);
    }
    send(std::move(opened));
  }

  void send(Message message) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(message));
    if (queue_.size() == 1) StartWrite(queue_.front().get());
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    queue_.pop_front();
    if (ok && !queue_.empty()) StartWrite(queue_.front().get());
  }
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override {
    {
      const std::lock_guard lock(streams_.mutex);
      streams_.open.erase(this);
    }
    delete this;
  }

 private:
  Streams& streams_;
  std::mutex mutex_;
  std::deque<Message> queue_;  // guarded by mutex_
};

class Service final : public v1::NotificationsGateway::CallbackService {
 public:
  explicit Service(Streams& streams) : streams_(streams) {}
  grpc::ServerWriteReactor<v1::StreamResponse>* Stream(grpc::CallbackServerContext*,
                                                       const v1::StreamRequest*) override {
    return new bench::Stream(streams_);
  }

 private:
  Streams& streams_;
};

class Sink final : public EventSink {
 public:
  explicit Sink(Streams& streams) : streams_(streams) {}

  void on_message(const Incoming& incoming) override {
    const auto decoded = decode_envelope(incoming.text);
    if (!decoded) return;
    auto message = std::make_shared<v1::StreamResponse>();
    v1::Envelope& envelope = *message->mutable_envelope();
    envelope.set_id(decoded->id);
    envelope.set_source(decoded->source);
    envelope.set_event(decoded->event);
    for (const std::string& room : decoded->rooms) envelope.add_rooms(room);
    envelope.set_payload_json(std::string(decoded->payload));
    const std::lock_guard lock(streams_.mutex);
    for (bench::Stream* stream : streams_.open) stream->send(message);
  }
  void on_batch_end() override {}

 private:
  Streams& streams_;
};

int run(const std::string& url) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);

  Log log(LogLevel::kWarn, LogFormat::kText);
  Metrics metrics;
  redis::RedisBroker::Options options;
  const auto parsed = redis::parse_url(url);
  if (!parsed) {
    std::fprintf(stderr, "Usage: notifications_grpc_typed redis://HOST:PORT\n");
    return 2;
  }
  options.url = *parsed;
  options.instance = "grpc-typed:" + std::to_string(::getpid());
  Streams streams;
  Sink sink(streams);
  Service service(streams);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();

  boost::asio::io_context io;
  redis::RedisBroker broker(io, options, log, metrics);
  std::thread thread([&io] {
    const auto keep_running = boost::asio::make_work_guard(io);
    io.run();
  });
  broker.start(sink);
  std::printf("port %d\n", port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&stop, &signal);
  // What is under way need not end well: the measurement is over.
  std::_Exit(0);
}

}  // namespace
}  // namespace notifications::bench

int main(int argc, char** argv) { return notifications::bench::run(argc > 1 ? argv[1] : ""); }
