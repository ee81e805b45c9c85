#include "server/notifyctl/demo_feed.h"

#include <grpcpp/client_context.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/redis/url.h"
#include "notifications/publisher.h"
#include "notifications/v1/gateway.grpc.pb.h"
#include "server/notifyctl/client.h"

namespace notifications::notifyctl {
namespace {

class GrpcFeed final : public DemoFeed {
 public:
  GrpcFeed(const std::shared_ptr<grpc::Channel>& channel, std::string token,
           std::chrono::milliseconds timeout)
      : stub_(v1::NotificationsGateway::NewStub(channel)),
        token_(std::move(token)),
        timeout_(timeout) {}

  Outcome send(const SceneEvent& event) override {
    v1::PublishRequest request;
    request.set_event(event.event);
    for (const std::string& room : event.rooms) request.add_rooms(room);
    request.set_payload_json(event.payload_json);
    request.set_source("demo");
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout_);
    authorize(context, token_);
    v1::PublishResponse response;
    const Outcome outcome = outcome_of(stub_->Publish(&context, request, &response));
    ++(outcome.code == kOk ? totals_.published : totals_.failed);
    problem_ = outcome.message;
    // A server or broker that is away may come back; any other answer will not change.
    return outcome.code == kFailed ? outcome : Outcome{};
  }
  Totals totals() const override { return totals_; }
  std::string last_problem() const override { return problem_; }

 private:
  const std::unique_ptr<v1::NotificationsGateway::Stub> stub_;
  const std::string token_;
  const std::chrono::milliseconds timeout_;
  Totals totals_;
  std::string problem_;
};

class RedisFeed final : public DemoFeed {
 public:
  RedisFeed(const std::string& redis_url, const std::string& channel,
            std::chrono::milliseconds timeout)
      : timeout_(timeout), publisher_(options(redis_url, channel)) {}

  // True if it connected within the timeout.
  bool wait_until_connected() const {
    const auto deadline = std::chrono::steady_clock::now() + timeout_;
    while (!publisher_.counters().connected) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  Outcome send(const SceneEvent& event) override {
    const Publisher::Receipt receipt =
        publisher_.publish(event.rooms, event.event, event.payload_json);
    if (receipt.admission == Publisher::Admission::kInvalid) return {kFailed, receipt.error};
    return {};
  }
  void finish() override { publisher_.flush(timeout_); }
  Totals totals() const override {
    const Publisher::Counters c = publisher_.counters();
    return {c.delivered, c.refused + c.unknown + c.not_sent + c.queue_full + c.invalid};
  }
  std::string last_problem() const override {
    if (publisher_.counters().connected) return "";
    const std::lock_guard lock(mutex_);
    return line_.empty() ? "not connected" : line_;
  }

 private:
  Publisher::Options options(const std::string& redis_url, const std::string& channel) {
    Publisher::Options options;
    options.redis_url = redis_url;
    options.channel = channel;
    options.source = "demo";
    options.client_name = "notifyctl-demo";
    options.log = [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      line_ = line;
    };
    return options;
  }

  const std::chrono::milliseconds timeout_;
  mutable std::mutex mutex_;
  std::string line_;  // guarded by mutex_: what the publisher said last
  Publisher publisher_;
};

}  // namespace

DemoFeedResult grpc_feed(const CommonFlags& common) {
  auto channel = connect(common.server, common.tls, common.timeout);
  if (!channel) return channel.error();
  return std::unique_ptr<DemoFeed>(
      std::make_unique<GrpcFeed>(*channel, common.token, common.timeout));
}

DemoFeedResult redis_feed(const std::string& redis_url, const std::string& channel,
                          std::chrono::milliseconds timeout) {
  const auto url = redis::parse_url(redis_url);
  if (!url) return Outcome{kBadUsage, "--redis_url: " + url.error().message};
  std::unique_ptr<RedisFeed> feed;
  try {
    feed = std::make_unique<RedisFeed>(redis_url, channel, timeout);
  } catch (const std::invalid_argument& error) {
    return Outcome{kBadUsage, error.what()};
  }
  if (!feed->wait_until_connected())
    return Outcome{kUnreachable, "cannot reach " + url->redacted() + ": " + feed->last_problem()};
  return std::unique_ptr<DemoFeed>(std::move(feed));
}

}  // namespace notifications::notifyctl
