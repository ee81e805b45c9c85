#include "server/publish_call.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <utility>

#include "core/envelope_codec.h"
#include "notifications/v1/gateway.pb.h"
#include "server/request.h"

namespace notifications::server {
namespace {

// Answers of Redis that pass by themselves: it loads, fails over, is full or busy.
constexpr std::string_view kPassingErrors[] = {"LOADING",     "READONLY", "MASTERDOWN",
                                               "CLUSTERDOWN", "TRYAGAIN", "BUSY",
                                               "OOM",         "MISCONF",  "NOREPLICAS"};

bool passes(std::string_view detail) {
  return std::any_of(std::begin(kPassingErrors), std::end(kPassingErrors),
                     [&](std::string_view word) { return detail.find(word) != detail.npos; });
}

std::string with_detail(std::string text, const std::string& detail) {
  return detail.empty() ? text : text + ": " + detail;
}

}  // namespace

std::chrono::steady_clock::time_point publish_deadline(
    std::chrono::system_clock::time_point caller_deadline,
    std::chrono::system_clock::time_point system_now,
    std::chrono::steady_clock::time_point steady_now) {
  using std::chrono::milliseconds;
  constexpr milliseconds kLongestMargin{100};
  // Compared before subtracting: "no deadline" is the largest time there is.
  if (caller_deadline >= system_now + kMaxPublishTime + kLongestMargin)
    return steady_now + kMaxPublishTime;
  const auto left = std::chrono::duration_cast<milliseconds>(caller_deadline - system_now);
  return steady_now + std::max(left - std::min(left / 5, kLongestMargin), milliseconds(0));
}

grpc::Status status_of(const PublishOutcome& outcome) {
  switch (outcome.status) {
    case PublishStatus::kPublished:
      return grpc::Status::OK;
    case PublishStatus::kUnavailable:
      return {grpc::StatusCode::UNAVAILABLE,
              with_detail("the broker cannot be reached", outcome.detail)};
    case PublishStatus::kTimedOut:
      return {grpc::StatusCode::UNAVAILABLE,
              with_detail("the broker did not answer in time", outcome.detail)};
    case PublishStatus::kRefused:
      break;
  }
  return {passes(outcome.detail) ? grpc::StatusCode::UNAVAILABLE
                                 : grpc::StatusCode::FAILED_PRECONDITION,
          with_detail("the broker refused the event", outcome.detail)};
}

PublishCall* PublishCall::start(const grpc::CallbackServerContext& context,
                                const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
                                Shared& shared) {
  const auto call = std::make_shared<PublishCall>(response, shared);
  {
    const std::lock_guard lock(call->mutex_);
    call->self_ = call;
  }
  call->publish(request, publish_deadline(context.deadline(), std::chrono::system_clock::now(),
                                          std::chrono::steady_clock::now()));
  return call.get();
}

PublishCall::PublishCall(grpc::ByteBuffer& response, Shared& shared)
    : response_(response), shared_(shared), token_(shared.active) {}

void PublishCall::publish(const grpc::ByteBuffer& bytes,
                          std::chrono::steady_clock::time_point deadline) {
  v1::PublishRequest request;
  if (grpc::Status status = decode_request(bytes, request); !status.ok())
    return finish(status, shared_.metrics.publish_invalid);
  const auto envelope = envelope_of(request, std::chrono::system_clock::now());
  if (!envelope) return finish(envelope.error(), shared_.metrics.publish_invalid);
  auto text = envelope_text(request, *envelope);
  if (!text) return finish(text.error(), shared_.metrics.publish_invalid);
  id_ = envelope->id;
  ts_ = envelope->ts;
  shared_.broker.publish(
      {id_, ts_, std::move(text).value(), deadline},
      [call = shared_from_this()](const PublishOutcome& outcome) { call->on_outcome(outcome); });
}

void PublishCall::on_outcome(const PublishOutcome& outcome) {
  if (outcome.status != PublishStatus::kPublished) {
    return finish(status_of(outcome), outcome.status == PublishStatus::kRefused
                                          ? shared_.metrics.publish_refused
                                          : shared_.metrics.publish_unavailable);
  }
  v1::PublishResponse response;
  response.set_id(id_);
  const UnixTime ts = to_unix_time(is_valid_timestamp(outcome.ts) ? outcome.ts : ts_);
  response.mutable_ts()->set_seconds(ts.seconds);
  response.mutable_ts()->set_nanos(ts.nanos);
  response.set_position(outcome.position);
  const grpc::Slice slice(response.SerializeAsString());
  {
    // A call that was cancelled meanwhile has no response_ any more.
    const std::lock_guard lock(mutex_);
    if (!finished_) response_ = grpc::ByteBuffer(&slice, 1);
  }
  finish(grpc::Status::OK, shared_.metrics.published);
}

void PublishCall::finish(const grpc::Status& status, Counter& counter) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  counter.add();
  Finish(status);
}

void PublishCall::OnCancel() {
  finish({grpc::StatusCode::CANCELLED, "cancelled"}, shared_.metrics.publish_cancelled);
}

void PublishCall::OnDone() {
  std::shared_ptr<PublishCall> self;  // dies after the lock, and the call perhaps with it
  const std::lock_guard lock(mutex_);
  self = std::move(self_);
}

}  // namespace notifications::server
