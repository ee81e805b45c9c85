#include "server/request.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <unordered_set>
#include <utility>

#include "core/envelope_codec.h"
#include "core/json/scanner.h"
#include "core/uuid.h"
#include "server/value_codec.h"

namespace notifications::server {
namespace {

// A JSON object takes three nested messages: Struct, map entry, Value.
constexpr int kRequestMessageDepth = 3 * kMaxPayloadDepth + 10;

// No position of ours is longer.
constexpr std::size_t kMaxCursor = 256;

// The hub looks through a subscriber's rooms at each join, so their number must stay modest.
constexpr std::size_t kMaxStreamRooms = 10'000;

grpc::Status invalid(const std::string& field, const std::string& what) {
  return {grpc::StatusCode::INVALID_ARGUMENT, field + ": " + what};
}

std::string indexed(std::string_view field, int index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

// `text` for an error message: as a JSON string, and short, as trailers must stay below 8 KiB.
std::string quoted(std::string_view text) {
  constexpr std::size_t kMaxShown = 80;
  const bool cut = text.size() > kMaxShown;
  if (cut) {
    std::size_t end = kMaxShown;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end);
  }
  std::string out;
  json::append_string(out, text);
  return cut ? out + "..." : out;
}

bool parse(google::protobuf::io::CodedInputStream& in, google::protobuf::Message& message) {
  in.SetRecursionLimit(kRequestMessageDepth);
  return message.ParseFromCodedStream(&in) && in.ConsumedEntireMessage();
}

// Says which field of a message that cannot be read is to blame, by reading each alone.
grpc::Status unreadable(grpc::ByteBuffer bytes, const google::protobuf::Message& type) {
  using google::protobuf::FieldDescriptor;
  using google::protobuf::internal::WireFormatLite;
  // What a peer can make of nothing but tags is looked through in part.
  constexpr int kMostFields = 10'000;
  const std::unique_ptr<google::protobuf::Message> alone(type.New());
  std::map<int, int> seen;
  grpc::ProtoBufferReader reader(&bytes);
  google::protobuf::io::CodedInputStream in(&reader);
  for (int i = 0; i < kMostFields; ++i) {
    const std::uint32_t tag = in.ReadTag();
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    const FieldDescriptor* field = type.GetDescriptor()->FindFieldByNumber(number);
    if (field == nullptr ||
        WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (tag == 0 || !WireFormatLite::SkipField(&in, tag)) break;
      continue;
    }
    std::uint32_t size = 0;
    std::string text;
    if (!in.ReadVarint32(&size) || !in.ReadString(&text, static_cast<int>(size))) break;
    const int index = seen[number]++;
    std::string field_bytes;
    {
      google::protobuf::io::StringOutputStream stream(&field_bytes);
      google::protobuf::io::CodedOutputStream out(&stream);
      out.WriteTag(tag);
      out.WriteVarint32(size);
      out.WriteString(text);
    }
    google::protobuf::io::CodedInputStream field_in(
        reinterpret_cast<const std::uint8_t*>(field_bytes.data()),
        static_cast<int>(field_bytes.size()));
    if (parse(field_in, *alone)) continue;
    return invalid(field->is_repeated() ? indexed(field->name(), index) : field->name(),
                   field->type() == FieldDescriptor::TYPE_STRING
                       ? "is not valid UTF-8"
                       : "cannot be read: nested more than " + std::to_string(kMaxPayloadDepth) +
                             " deep, or text that is not UTF-8");
  }
  return invalid("request", "is not a valid " + type.GetTypeName());
}

// The field that the envelope's text is too large for: the largest.
std::string largest_field(const v1::PublishRequest& request) {
  std::size_t rooms = 0;
  for (const std::string& room : request.rooms()) rooms += room.size() + 3;
  const std::pair<std::size_t, const char*> fields[] = {
      {rooms, "rooms"},
      {request.id().size(), "id"},
      {request.source().size(), "source"},
      {request.event().size(), "event"},
      {request.payload_json().size(), "payload_json"},
      {request.has_payload() ? request.payload().ByteSizeLong() : 0, "payload"}};
  return std::max_element(std::begin(fields), std::end(fields))->second;
}

// The payload's JSON text, without white space around it.
Result<std::string, grpc::Status> payload_of(const v1::PublishRequest& request) {
  if (request.has_payload()) {
    Result<std::string, ValueError> json = json_of_value(request.payload(), kMaxPayloadDepth);
    if (!json) return invalid("payload" + json.error().path, json.error().what);
    return std::move(json).value();
  }
  if (!request.has_payload_json()) return std::string("null");
  json::Scanner in(request.payload_json(), kMaxPayloadDepth);
  std::string_view raw;
  if (!in.skip_value(raw) || !in.finish()) {
    const std::string why = in.failed() ? in.error() : "text after the value";
    return invalid("payload_json",
                   "not valid JSON at byte " + std::to_string(in.offset()) + ": " + why);
  }
  return std::string(raw);
}

}  // namespace

grpc::Status decode_request(const grpc::ByteBuffer& bytes, google::protobuf::Message& request) {
  grpc::ByteBuffer shared(bytes);  // slices are counted: this copies none of the data
  grpc::ProtoBufferReader reader(&shared);
  if (!reader.status().ok()) return invalid("request", "cannot be read");
  google::protobuf::io::CodedInputStream in(&reader);
  return parse(in, request) ? grpc::Status::OK : unreadable(bytes, request);
}

Result<std::string, grpc::Status> envelope_text(const v1::PublishRequest& request,
                                                const Envelope& envelope) {
  std::string text = encode_envelope(envelope);
  if (text.size() <= kMaxEnvelopeBytes) return text;
  return invalid(largest_field(request), "the envelope would be " + std::to_string(text.size()) +
                                             " bytes of JSON, more than " +
                                             std::to_string(kMaxEnvelopeBytes));
}

Result<Envelope, grpc::Status> envelope_of(const v1::PublishRequest& request,
                                           std::chrono::system_clock::time_point now) {
  if (request.event().empty()) return invalid("event", "must not be empty");
  if (is_reserved_event(request.event()))
    return invalid("event", quoted(request.event()) + " is reserved by Socket.IO");
  if (request.rooms().empty()) return invalid("rooms", "at least one room is needed");
  for (int i = 0; i < request.rooms_size(); ++i)
    if (!is_valid_room(request.rooms(i)))
      return invalid(indexed("rooms", i),
                     quoted(request.rooms(i)) + " is not a room: " + std::string(kRoomRule));
  Result<std::string, grpc::Status> payload = payload_of(request);
  if (!payload) return payload.error();

  Envelope envelope;
  envelope.id = request.id().empty() ? new_uuid() : request.id();
  envelope.ts = format_timestamp(now);
  envelope.source = request.source().empty() ? "operator" : request.source();
  envelope.rooms.assign(request.rooms().begin(), request.rooms().end());
  envelope.event = request.event();
  envelope.payload = std::move(payload).value();
  return envelope;
}

bool StreamPlan::wants(const std::string& event) const {
  return events.empty() || std::binary_search(events.begin(), events.end(), event);
}

Result<StreamPlan, grpc::Status> plan_of(const v1::StreamRequest& request) {
  StreamPlan plan;
  if (request.rooms().empty()) return invalid("rooms", "at least one room is needed");
  std::unordered_set<std::string_view> seen;
  for (int i = 0; i < request.rooms_size(); ++i) {
    std::optional<RoomPattern> room = parse_room_pattern(request.rooms(i));
    if (!room)
      return invalid(indexed("rooms", i), quoted(request.rooms(i)) +
                                              " is neither a room nor a pattern (*, thread:*, "
                                              "run:*, node:*): " +
                                              std::string(kRoomRule));
    if (!seen.insert(request.rooms(i)).second) continue;
    plan.rooms.push_back(std::move(*room));
    if (plan.rooms.size() > kMaxStreamRooms)
      return invalid("rooms", "at most " + std::to_string(kMaxStreamRooms) +
                                  "; ask for a pattern such as thread:* instead");
  }
  for (int i = 0; i < request.events_size(); ++i) {
    if (request.events(i).empty()) return invalid(indexed("events", i), "must not be empty");
    plan.events.push_back(request.events(i));
  }
  std::sort(plan.events.begin(), plan.events.end());
  switch (request.payload_format()) {
    case v1::PAYLOAD_FORMAT_UNSPECIFIED:
    case v1::PAYLOAD_FORMAT_JSON:
      plan.format = WireFormat::kGrpcJson;
      break;
    case v1::PAYLOAD_FORMAT_VALUE:
      plan.format = WireFormat::kGrpcValue;
      break;
    default:
      return invalid("payload_format",
                     std::to_string(request.payload_format()) + " is not a payload format");
  }
  if (request.resume_after().size() > kMaxCursor)
    return invalid("resume_after", "at most " + std::to_string(kMaxCursor) + " bytes");
  plan.resume_after = request.resume_after();
  return plan;
}

bool StreamPlan::matches(const Envelope& envelope) const {
  if (!wants(envelope.event)) return false;
  return std::any_of(rooms.begin(), rooms.end(), [&](const RoomPattern& pattern) {
    return std::any_of(envelope.rooms.begin(), envelope.rooms.end(), [&](const std::string& room) {
      return notifications::matches(pattern, room);
    });
  });
}

}  // namespace notifications::server
