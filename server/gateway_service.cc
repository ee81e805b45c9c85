#include "server/gateway_service.h"

#include <utility>

#include "server/request.h"
#include "server/stream_frame.h"

namespace notifications::server {
namespace {

// A call that is refused before it lives anywhere.
template <class Reactor>
class Refused final : public Reactor {
 public:
  explicit Refused(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

Result<StreamPlan, grpc::Status> read_plan(const grpc::ByteBuffer& bytes) {
  v1::StreamRequest request;
  if (grpc::Status status = decode_request(bytes, request); !status.ok()) return status;
  return plan_of(request);
}

grpc::Status starting() { return {grpc::StatusCode::UNAVAILABLE, "starting"}; }

}  // namespace

GatewayService::GatewayService(StreamLimits limits, PublishTokens tokens, Broker& broker,
                               Replayer* replayer, const std::vector<Shard*>& shards,
                               Metrics& metrics, Log& log)
    : tokens_(std::move(tokens)),
      log_(log),
      metrics_(metrics),
      publish_shared_{broker, metrics_, active_},
      stream_shared_{limits, replayer, metrics_, log, active_} {
  for (Shard* shard : shards)
    homes_.push_back(std::make_unique<StreamShard>(*shard, metrics_.queue_bytes));
}

grpc::ServerUnaryReactor* GatewayService::Publish(grpc::CallbackServerContext* context,
                                                  const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) {
  if (phase_.load() == Phase::kStarting) return new Refused<grpc::ServerUnaryReactor>(starting());
  if (const grpc::Status status = tokens_.check(*context); !status.ok()) {
    metrics_.publish_unauthenticated.add();
    if (const auto suppressed = unauthenticated_log_.admit()) {
      log_.warn("publish refused", {{"reason", status.error_message()},
                                    {"peer", context->peer()},
                                    {"suppressed", *suppressed}});
    }
    return new Refused<grpc::ServerUnaryReactor>(status);
  }
  return PublishCall::start(*context, *request, *response, publish_shared_);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GatewayService::Stream(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  const auto refuse = [this](const grpc::Status& status) {
    metrics_.streams_refused.add();
    return new Refused<grpc::ServerWriteReactor<grpc::ByteBuffer>>(status);
  };
  switch (phase_.load()) {
    case Phase::kStarting:
      return refuse(starting());
    case Phase::kDraining:
      return refuse(status_of(StreamEnd::kDraining));
    case Phase::kServing:
      break;
  }
  Result<StreamPlan, grpc::Status> plan = read_plan(*request);
  if (!plan) return refuse(plan.error());
  const std::size_t home = next_home_.fetch_add(1, std::memory_order_relaxed) % homes_.size();
  return StreamSubscriber::open(*context, std::move(plan).value(), *homes_[home], stream_shared_);
}

void GatewayService::start() { phase_.store(Phase::kServing); }

void GatewayService::drain(std::chrono::milliseconds over) {
  phase_.store(Phase::kDraining);
  for (const auto& home : homes_) home->shard().post([&home = *home, over] { home.drain(over); });
}

}  // namespace notifications::server
