#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/memory/memory_broker.h"
#include "core/runtime/dispatcher.h"
#include "notifications/v1/gateway.grpc.pb.h"
#include "server/grpc_server.h"

namespace notifications::server {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The longest that a test waits for anything that should happen.
inline constexpr seconds kPatience{20};

// Waits until `condition()` is true; false if it never was within kPatience.
template <class Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

// A thread that runs an io_context for a broker.
class BrokerLoop {
 public:
  ~BrokerLoop() { stop(); }
  void stop() {
    io.stop();
    if (thread_.joinable()) thread_.join();
  }

  boost::asio::io_context io{1};

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io.get_executor()};
  std::thread thread_{[this] { io.run(); }};
};

// The gRPC front of one process, with two shards, on a free port of the loopback.
class TestGateway {
 public:
  struct Options {
    StreamLimits limits;
    Broker* broker = nullptr;                    // default: one in memory
    std::optional<JournalOptions> journal = {};  // of the one in memory
    Replayer* replayer = nullptr;                // default: one for the journal, if there is one
  };

  TestGateway() : TestGateway(Options()) {}
  explicit TestGateway(Options options) : memory(loop.io, options.journal) {
    for (int i = 0; i < 2; ++i) {
      shards_.push_back(std::make_unique<Shard>(i, interest_));
      shard_pointers_.push_back(shards_.back().get());
    }
    dispatcher_ = std::make_unique<Dispatcher>(
        interest_, shard_pointers_, nullptr, log, metrics,
        options.journal ? static_cast<std::size_t>(options.journal->warm_bytes) : 0);
    Broker& broker = options.broker == nullptr ? memory : *options.broker;
    if (Journal* journal = memory.journal(); journal != nullptr && options.replayer == nullptr) {
      replayer_ =
          std::make_unique<Replayer>(loop.io, *journal, dispatcher_->window(), nullptr, metrics);
      dispatcher_->on_advanced([this] { replayer_->on_advanced(); });
      options.replayer = replayer_.get();
    }
    front =
        std::make_unique<GrpcServer>(GrpcServer::Options{Address{"127.0.0.1", 0}, options.limits},
                                     broker, options.replayer, shard_pointers_, metrics, log);
    EXPECT_EQ(front->open(), std::nullopt);
    for (const auto& shard : shards_) shard->start();
    broker.start(*dispatcher_);
    front->start();
    front->set_ready(true);
  }
  ~TestGateway() {
    front->stop();
    memory.stop();
    loop.stop();
    for (const auto& shard : shards_) shard->stop();
  }

  // Hands envelopes to the dispatcher as what was at hand together.
  void receive(std::vector<std::string> envelopes) {
    boost::asio::post(loop.io, [this, envelopes = std::move(envelopes)] {
      for (const std::string& text : envelopes) dispatcher_->on_message({text});
      dispatcher_->on_batch_end();
    });
  }

  std::string address() const { return front->address().text(); }
  std::int64_t metric(const std::string& name) const { return metrics.total(name); }
  std::int64_t ended(const std::string& reason) const {
    for (const auto& [label, value] : metrics.by_label("notifications_disconnects_total"))
      if (label == reason) return value;
    return 0;
  }

  Log log{LogLevel::kOff, LogFormat::kText};
  Metrics metrics;
  BrokerLoop loop;
  MemoryBroker memory;
  std::unique_ptr<GrpcServer> front;

 private:
  RoomInterest interest_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Shard*> shard_pointers_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Replayer> replayer_;
};

// One client connection of its own.
class TestClient {
 public:
  explicit TestClient(const std::string& address, grpc::ChannelArguments arguments = {}) {
    arguments.SetMaxReceiveMessageSize(16 << 20);
    arguments.SetMaxSendMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    stub = v1::NotificationsGateway::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }

  grpc::Status publish(const v1::PublishRequest& request, v1::PublishResponse* response = nullptr,
                       milliseconds timeout = kPatience) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    v1::PublishResponse ignored;
    return stub->Publish(&context, request, response == nullptr ? &ignored : response);
  }
  grpc::Status publish(const std::string& event, const std::vector<std::string>& rooms,
                       const std::string& payload_json = "null", const std::string& id = "") {
    v1::PublishRequest request;
    request.set_event(event);
    for (const std::string& room : rooms) request.add_rooms(room);
    request.set_payload_json(payload_json);
    request.set_id(id);
    return publish(request);
  }

  std::unique_ptr<v1::NotificationsGateway::Stub> stub;
};

inline v1::StreamRequest rooms(const std::vector<std::string>& names) {
  v1::StreamRequest request;
  for (const std::string& name : names) request.add_rooms(name);
  return request;
}

// A stream whose messages are read by a thread of its own as they come.
class TestStream {
 public:
  TestStream(TestClient& client, const v1::StreamRequest& request) {
    reader_ = client.stub->Stream(&context_, request);
    thread_ = std::thread([this] { read(); });
  }
  ~TestStream() {
    context_.TryCancel();
    thread_.join();
  }

  // The next message that is not yet taken; one without a kind if the stream ended before.
  v1::StreamResponse next() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [this] { return !messages_.empty() || ended_; });
    if (messages_.empty()) return {};
    v1::StreamResponse message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }
  bool opened() { return next().has_opened(); }
  v1::Envelope envelope() {
    v1::StreamResponse message = next();
    EXPECT_TRUE(message.has_envelope());
    return message.envelope();
  }
  std::string payload() { return envelope().payload_json(); }

  // The status at the end, with everything that was read before it still there to be taken.
  grpc::Status end() {
    std::unique_lock lock(mutex_);
    const bool in_time = changed_.wait_for(lock, kPatience, [this] { return ended_; });
    EXPECT_TRUE(in_time) << "the stream did not end";
    return status_;
  }
  std::size_t unread() {
    const std::lock_guard lock(mutex_);
    return messages_.size();
  }
  void cancel() { context_.TryCancel(); }

 private:
  void read() {
    v1::StreamResponse message;
    while (reader_->Read(&message)) {
      const std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
      changed_.notify_all();
    }
    grpc::Status status = reader_->Finish();
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
    ended_ = true;
    changed_.notify_all();
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::StreamResponse>> reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<v1::StreamResponse> messages_;  // guarded by mutex_
  bool ended_ = false;                       // guarded by mutex_
  grpc::Status status_;                      // guarded by mutex_
  std::thread thread_;
};

}  // namespace notifications::server
