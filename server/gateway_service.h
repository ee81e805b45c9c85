#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "core/broker.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/runtime/shard.h"
#include "notifications/v1/gateway.grpc.pb.h"
#include "server/active_calls.h"
#include "server/gateway_metrics.h"
#include "server/publish_call.h"
#include "server/publish_tokens.h"
#include "server/stream_shard.h"
#include "server/stream_subscriber.h"

namespace notifications::server {

// Both methods take and give raw bytes: a stream sends the same bytes to all, and requests are
// decoded by our own rules (server/request.h).
using RawGatewayService = v1::NotificationsGateway::WithRawCallbackMethod_Publish<
    v1::NotificationsGateway::WithRawCallbackMethod_Stream<v1::NotificationsGateway::Service>>;

// GatewayService answers the calls of notifications.v1.NotificationsGateway: UNAVAILABLE until
// start().
//
// Thread: gRPC's for the methods; any for the rest.
class GatewayService final : public RawGatewayService {
 public:
  // All outlive the service; the shards run from start() until no call is left.
  // `replayer` is null with the journal off.
  GatewayService(StreamLimits limits, PublishTokens tokens, Broker& broker, Replayer* replayer,
                 const std::vector<Shard*>& shards, Metrics& metrics, Log& log);

  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Stream(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request) override;

  void start();

  // Refuses new streams from now on, and ends each open one at a random time within `over`, after
  // what is queued for it. Publish goes on. Returns at once.
  void drain(std::chrono::milliseconds over);

  // Streams open now.
  std::size_t streams() const { return static_cast<std::size_t>(metrics_.streams.value()); }
  // The objects of all calls, to be waited for.
  ActiveCalls& active() { return active_; }

 private:
  enum class Phase { kStarting, kServing, kDraining };

  // Any thread.
  const PublishTokens tokens_;
  Log& log_;
  LogLimit unauthenticated_log_{std::chrono::seconds(1)};
  GatewayMetrics metrics_;
  ActiveCalls active_;
  PublishCall::Shared publish_shared_;
  StreamSubscriber::Shared stream_shared_;
  std::vector<std::unique_ptr<StreamShard>> homes_;
  std::atomic<std::size_t> next_home_ = 0;
  std::atomic<Phase> phase_ = Phase::kStarting;
};

}  // namespace notifications::server
