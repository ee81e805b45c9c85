#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "core/envelope.h"
#include "core/publication.h"
#include "core/result.h"
#include "core/room.h"
#include "notifications/v1/gateway.pb.h"

namespace notifications::server {

// What callers may ask for: every rule of the requests stands here, and an error is the
// INVALID_ARGUMENT that names the field. Thread: any (plain functions).

// Decodes a request. Both methods take raw bytes: so a request that is not valid protobuf (a string
// that is not UTF-8, say) is INVALID_ARGUMENT like any other bad input, where gRPC's own decoding
// would say INTERNAL; and a payload may be nested as deep as JSON, not as protobuf, allows.
grpc::Status decode_request(const grpc::ByteBuffer& bytes, google::protobuf::Message& request);

// Checks a publish request and makes the envelope of it, with defaults for what is left out.
// `now` becomes its ts.
Result<Envelope, grpc::Status> envelope_of(const v1::PublishRequest& request,
                                           std::chrono::system_clock::time_point now);

// The JSON text of the request's envelope, unless it is larger than envelopes may be.
Result<std::string, grpc::Status> envelope_text(const v1::PublishRequest& request,
                                                const Envelope& envelope);

// What a stream wants, checked.
struct StreamPlan {
  std::vector<RoomPattern> rooms;   // at least one; none twice
  std::vector<std::string> events;  // sorted; none: all
  WireFormat format = WireFormat::kGrpcJson;
  std::string resume_after;  // the cursor as the client gave it; "" for none

  bool wants(const std::string& event) const;
  // Whether an event is wanted and one of its rooms is.
  bool matches(const Envelope& envelope) const;
};

// Checks a stream request. A cursor that is no position of ours is not refused: it makes a gap.
Result<StreamPlan, grpc::Status> plan_of(const v1::StreamRequest& request);

}  // namespace notifications::server
