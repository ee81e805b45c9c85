#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "core/broker.h"
#include "server/active_calls.h"
#include "server/gateway_metrics.h"

namespace notifications::server {

// PublishCall is one Publish: checks the request, hands the envelope to the broker, and answers
// with what became of it.
//
// It never hangs: the broker answers by the caller's deadline or after kMaxPublishTime, whichever
// is first. A client that cancels gets its call back at once; the event may have gone out.
// Thread: gRPC's for start and the reactions, the broker's for the outcome; `mutex_` guards the
// end. Kept alive by gRPC until OnDone, and by the broker until it said what became of the event.
class PublishCall final : public grpc::ServerUnaryReactor,
                          public std::enable_shared_from_this<PublishCall> {
 public:
  // What all calls of a server share. Outlives them.
  struct Shared {
    Broker& broker;
    GatewayMetrics& metrics;
    ActiveCalls& active;
  };

  // Thread: gRPC's. gRPC takes the pointer; `context` and `response` live until OnDone.
  static PublishCall* start(const grpc::CallbackServerContext& context,
                            const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
                            Shared& shared);

  PublishCall(grpc::ByteBuffer& response, Shared& shared);

  void OnCancel() override;
  void OnDone() override;

 private:
  void publish(const grpc::ByteBuffer& request, std::chrono::steady_clock::time_point deadline);
  void on_outcome(const PublishOutcome& outcome);
  void finish(const grpc::Status& status, Counter& counter);

  // Constant after construction.
  grpc::ByteBuffer& response_;  // until Finish
  Shared& shared_;
  const ActiveCalls::Token token_;

  // Constant once the broker has the event.
  std::string id_;
  std::string ts_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::shared_ptr<PublishCall> self_;  // what gRPC holds; dropped in OnDone
  bool finished_ = false;
};

// The longest that a Publish may take.
inline constexpr std::chrono::seconds kMaxPublishTime{10};

// When the broker must have answered, for a caller that waits until `caller_deadline`: a little
// before, so that the caller hears UNAVAILABLE rather than gives up by itself.
std::chrono::steady_clock::time_point publish_deadline(
    std::chrono::system_clock::time_point caller_deadline,
    std::chrono::system_clock::time_point system_now,
    std::chrono::steady_clock::time_point steady_now);

// The status for an outcome other than kPublished.
grpc::Status status_of(const PublishOutcome& outcome);

}  // namespace notifications::server
