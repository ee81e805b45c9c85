#include "server/stream_frame.h"

#include <google/protobuf/arena.h>

#include "core/envelope_codec.h"
#include "notifications/v1/gateway.pb.h"
#include "server/value_codec.h"

namespace notifications::server {
namespace {

// Stock decoders of protobuf stop at 100 nested messages; the Value is the second of them, below
// StreamResponse: envelope, payload_value.
constexpr int kStockMessageDepth = 100;
constexpr int kMessagesAboveValue = 2;

// All of the envelope but its payload.
void fill_envelope(const Publication& publication, v1::Envelope& out) {
  const Envelope& envelope = publication.envelope();
  out.set_id(to_valid_utf8(envelope.id));
  const UnixTime ts = to_unix_time(envelope.ts);
  out.mutable_ts()->set_seconds(ts.seconds);
  out.mutable_ts()->set_nanos(ts.nanos);
  out.set_source(to_valid_utf8(envelope.source));
  out.set_event(to_valid_utf8(envelope.event));
  for (const std::string& room : envelope.rooms) out.add_rooms(room);
  out.set_position(publication.position());
}

}  // namespace

std::string encode_json_response(const Publication& publication) {
  v1::StreamResponse response;
  fill_envelope(publication, *response.mutable_envelope());
  response.mutable_envelope()->set_payload_json(publication.envelope().payload);
  return response.SerializeAsString();
}

std::string encode_value_response(const Publication& publication) {
  google::protobuf::Arena arena;
  auto& response = *google::protobuf::Arena::CreateMessage<v1::StreamResponse>(&arena);
  fill_envelope(publication, *response.mutable_envelope());
  const ValueLimits limits{kStockMessageDepth - kMessagesAboveValue, kMaxMessageBytes};
  const bool exact = value_of_json(publication.envelope().payload, limits,
                                   *response.mutable_envelope()->mutable_payload_value());
  if (!exact || response.ByteSizeLong() > kMaxMessageBytes)
    return encode_json_response(publication);
  return response.SerializeAsString();
}

std::string encode_opened_response(std::string_view position) {
  v1::StreamResponse response;
  response.mutable_opened()->set_position(std::string(position));
  return response.SerializeAsString();
}

std::string encode_gap_response(std::string_view after, std::string_view resumes_at) {
  v1::StreamResponse response;
  response.mutable_gap()->set_after(to_valid_utf8(after));
  response.mutable_gap()->set_resumes_at(std::string(resumes_at));
  return response.SerializeAsString();
}

std::string encode_checkpoint_response(std::string_view position) {
  v1::StreamResponse response;
  response.mutable_checkpoint()->set_position(std::string(position));
  return response.SerializeAsString();
}

}  // namespace notifications::server
