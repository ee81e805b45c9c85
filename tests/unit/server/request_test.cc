#include "server/request.h"

#include <google/protobuf/text_format.h>
#include <grpcpp/support/slice.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "core/envelope_codec.h"

namespace notifications::server {
namespace {

constexpr std::chrono::system_clock::time_point kNow{std::chrono::milliseconds(1771502400123)};

template <class Message>
Message message(const std::string& text) {
  Message parsed;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &parsed)) << text;
  return parsed;
}

Result<Envelope, grpc::Status> publish(const std::string& text) {
  return envelope_of(message<v1::PublishRequest>(text), kNow);
}

// "INVALID_ARGUMENT"'s message, or "" for a request that is taken.
std::string publish_error(const std::string& text) {
  const auto envelope = publish(text);
  if (envelope) return "";
  EXPECT_EQ(envelope.error().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  return envelope.error().error_message();
}

Result<StreamPlan, grpc::Status> stream(const std::string& text) {
  return plan_of(message<v1::StreamRequest>(text));
}

std::string stream_error(const std::string& text) {
  const auto plan = stream(text);
  if (plan) return "";
  EXPECT_EQ(plan.error().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  return plan.error().error_message();
}

grpc::ByteBuffer buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

TEST(EnvelopeOf, FillsInTheDefaults) {
  const auto envelope = publish(R"(event: "e" rooms: "graph")");
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->source, "operator");
  EXPECT_EQ(envelope->ts, "2026-02-19T12:00:00.123Z");
  EXPECT_EQ(envelope->payload, "null");
  EXPECT_EQ(envelope->id.size(), 36u);
  EXPECT_EQ(envelope->id[14], '4');
}

TEST(EnvelopeOf, TakesWhatIsGiven) {
  const auto envelope = publish(
      R"(event: "node_status" rooms: "graph" rooms: "Node:42" rooms: "graph" source: "me" id: "7"
         payload_json: " { \"n\" : 9007199254740993 , \"s\" : \"\\ud800\\/\" } ")");
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->id, "7");
  EXPECT_EQ(envelope->source, "me");
  EXPECT_EQ(envelope->event, "node_status");
  EXPECT_EQ(envelope->rooms, (std::vector<std::string>{"graph", "Node:42", "graph"}));
  EXPECT_EQ(envelope->payload, R"({ "n" : 9007199254740993 , "s" : "\ud800\/" })");
}

TEST(EnvelopeOf, WritesAValueAsCompactJsonWithSortedKeys) {
  const auto envelope = publish(R"(event: "e" rooms: "graph" payload { struct_value {
      fields { key: "z" value { number_value: 1e21 } }
      fields { key: "a" value { list_value { values { null_value: NULL_VALUE }
                                             values { number_value: 0.5 } } } }
      fields { key: "\n" value { string_value: "\342\200\250\"" } } } })");
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->payload, "{\"\\n\":\"\u2028\\\"\",\"a\":[null,0.5],\"z\":1e+21}");
}

TEST(EnvelopeOf, NamesTheFieldThatIsWrong) {
  const std::string rule = std::string(kRoomRule);
  EXPECT_EQ(publish_error(R"(rooms: "graph")"), "event: must not be empty");
  EXPECT_EQ(publish_error(R"(event: "connect" rooms: "graph")"),
            "event: \"connect\" is reserved by Socket.IO");
  EXPECT_EQ(publish_error(R"(event: "newListener" rooms: "graph")"),
            "event: \"newListener\" is reserved by Socket.IO");
  EXPECT_EQ(publish_error(R"(event: "e")"), "rooms: at least one room is needed");
  EXPECT_EQ(publish_error(R"(event: "e" rooms: "graph" rooms: "nope")"),
            "rooms[1]: \"nope\" is not a room: " + rule);
  EXPECT_EQ(publish_error(R"(event: "e" rooms: "thread:*")"),
            "rooms[0]: \"thread:*\" is not a room: " + rule);
  EXPECT_EQ(publish_error(R"(event: "e" rooms: "")"), "rooms[0]: \"\" is not a room: " + rule);
  EXPECT_EQ(publish_error(R"(event: "e" rooms: "graph" payload {})"), "payload: has no kind");
  EXPECT_EQ(
      publish_error(
          R"(event: "e" rooms: "graph" payload { list_value { values { number_value: inf } } })"),
      "payload[0]: is not a finite number");
}

TEST(EnvelopeOf, RefusesPayloadTextThatIsNotJson) {
  for (const char* text : {"", " ", "{", "nul", "01", "[1,]", "{'a':1}", "1 2", "NaN", "\\x01"}) {
    const std::string error =
        publish_error(R"(event: "e" rooms: "graph" payload_json: ")" + std::string(text) + "\"");
    EXPECT_EQ(error.substr(0, 28), "payload_json: not valid JSON") << text << ": " << error;
  }
}

TEST(EnvelopeOf, TakesPayloadTextUpToItsDepth) {
  v1::PublishRequest request = message<v1::PublishRequest>(R"(event: "e" rooms: "graph")");
  request.set_payload_json(std::string(512, '[') + std::string(512, ']'));
  EXPECT_TRUE(envelope_of(request, kNow));
  request.set_payload_json(std::string(513, '[') + std::string(513, ']'));
  EXPECT_FALSE(envelope_of(request, kNow));
}

TEST(EnvelopeOf, ShowsLongInputShortened) {
  const std::string error =
      publish_error("event: \"e\" rooms: \"" + std::string(100'000, 'x') + "\"");
  EXPECT_LT(error.size(), 400u);
  EXPECT_NE(error.find("xxx\"... is not a room"), error.npos);
}

TEST(PlanOf, ReadsRoomsAndPatterns) {
  const auto plan = stream(R"(rooms: "graph" rooms: "THREAD:*" rooms: "*" rooms: "run:a-1")");
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->rooms.size(), 4u);
  EXPECT_EQ(plan->rooms[0].room, "graph");
  EXPECT_EQ(plan->rooms[1].scope, RoomPattern::Scope::kKind);
  EXPECT_EQ(plan->rooms[1].kind, RoomKind::kThread);
  EXPECT_EQ(plan->rooms[2].scope, RoomPattern::Scope::kAll);
  EXPECT_EQ(plan->rooms[3].room, "run:a-1");
}

TEST(PlanOf, DropsRepeatedRooms) {
  const auto plan = stream(R"(rooms: "graph" rooms: "thread:1" rooms: "graph")");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->rooms.size(), 2u);
}

TEST(PlanOf, ChoosesTheFormat) {
  EXPECT_EQ(stream(R"(rooms: "*")")->format, WireFormat::kGrpcJson);
  EXPECT_EQ(stream(R"(rooms: "*" payload_format: PAYLOAD_FORMAT_JSON)")->format,
            WireFormat::kGrpcJson);
  EXPECT_EQ(stream(R"(rooms: "*" payload_format: PAYLOAD_FORMAT_VALUE)")->format,
            WireFormat::kGrpcValue);
}

TEST(PlanOf, FiltersByEvent) {
  const auto all = stream(R"(rooms: "*")");
  EXPECT_TRUE(all->wants("anything"));
  const auto some = stream(R"(rooms: "*" events: "b" events: "a")");
  EXPECT_TRUE(some->wants("a"));
  EXPECT_TRUE(some->wants("b"));
  EXPECT_FALSE(some->wants("c"));
  EXPECT_FALSE(some->wants("A"));
}

TEST(PlanOf, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(stream_error(""), "rooms: at least one room is needed");
  EXPECT_EQ(stream_error(R"(rooms: "graph" rooms: "threads:*")").substr(0, 60),
            "rooms[1]: \"threads:*\" is neither a room nor a pattern (*, th");
  EXPECT_EQ(stream_error(R"(rooms: "*" events: "a" events: "")"), "events[1]: must not be empty");
  EXPECT_EQ(stream_error(R"(rooms: "*" payload_format: 9)"),
            "payload_format: 9 is not a payload format");
}

TEST(PlanOf, TakesTenThousandRoomsAndNoMore) {
  v1::StreamRequest request;
  for (int i = 0; i < 10'000; ++i) request.add_rooms("thread:" + std::to_string(i));
  EXPECT_TRUE(plan_of(request));
  request.add_rooms("graph");
  const auto plan = plan_of(request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().error_message(),
            "rooms: at most 10000; ask for a pattern such as thread:* instead");
}

TEST(PlanOf, TakesAnyCursorThatIsNotTooLong) {
  const auto plan = stream(R"(rooms: "*" resume_after: "x.1")");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->resume_after, "x.1");
  v1::StreamRequest request;
  request.add_rooms("*");
  request.set_resume_after(std::string(257, 'x'));
  const auto too_long = plan_of(request);
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().error_message(), "resume_after: at most 256 bytes");
}

TEST(PlanOf, MatchesEventsByRoomAndName) {
  const auto plan = stream(R"(rooms: "thread:*" rooms: "graph" events: "a")");
  ASSERT_TRUE(plan);
  Envelope envelope;
  envelope.event = "a";
  envelope.rooms = {"run:1", "Thread:2"};
  EXPECT_TRUE(plan->matches(envelope));
  envelope.rooms = {"threads", "run:1"};
  EXPECT_FALSE(plan->matches(envelope));
  envelope.rooms = {"graph"};
  EXPECT_TRUE(plan->matches(envelope));
  envelope.event = "b";
  EXPECT_FALSE(plan->matches(envelope));
}

TEST(DecodeRequest, TakesAValueDeeperThanProtobufsDefault) {
  v1::PublishRequest request;
  google::protobuf::Value* inner = request.mutable_payload();
  for (int i = 0; i < 512; ++i) inner = &(*inner->mutable_struct_value()->mutable_fields())["a"];
  inner->set_bool_value(true);
  v1::PublishRequest decoded;
  EXPECT_TRUE(decode_request(buffer(request.SerializeAsString()), decoded).ok());
  EXPECT_TRUE(decoded.has_payload());
}

// INVALID_ARGUMENT's message for bytes that cannot be read.
template <class Message>
std::string decode_error(const std::string& bytes) {
  Message request;
  const grpc::Status status = decode_request(buffer(bytes), request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  return status.error_message();
}

TEST(DecodeRequest, RefusesWhatIsNoSuchMessage) {
  for (const std::string& bytes : {std::string("\x0a\x05"
                                               "ab"),
                                   std::string("\xff"), std::string("\x0c")}) {
    EXPECT_EQ(decode_error<v1::PublishRequest>(bytes),
              "request: is not a valid notifications.v1.PublishRequest");
  }
}

TEST(DecodeRequest, NamesTheTextThatIsNotUtf8) {
  EXPECT_EQ(decode_error<v1::PublishRequest>("\x0a\x02\xff\xfe"), "event: is not valid UTF-8");
  EXPECT_EQ(decode_error<v1::PublishRequest>("\x0a\x01"
                                             "e\x12\x01"
                                             "a\x12\x01\xff\x32\x01\xff"),
            "rooms[1]: is not valid UTF-8");
  EXPECT_EQ(decode_error<v1::PublishRequest>("\x32\x01\xff"), "id: is not valid UTF-8");
  EXPECT_EQ(decode_error<v1::PublishRequest>("\x22\x01\xff"), "payload_json: is not valid UTF-8");
  EXPECT_EQ(decode_error<v1::PublishRequest>("\x1a\x03\x1a\x01\xff"),
            "payload: cannot be read: nested more than 512 deep, or text that is not UTF-8");
  EXPECT_EQ(decode_error<v1::StreamRequest>("\x0a\x01*\x12\x01\xff"),
            "events[0]: is not valid UTF-8");
}

TEST(DecodeRequest, NamesThePayloadThatIsNestedTooDeepToBeRead) {
  v1::PublishRequest request;
  request.set_event("e");
  google::protobuf::Value* inner = request.mutable_payload();
  for (int i = 0; i < 600; ++i) inner = &(*inner->mutable_struct_value()->mutable_fields())["a"];
  EXPECT_EQ(decode_error<v1::PublishRequest>(request.SerializeAsString()),
            "payload: cannot be read: nested more than 512 deep, or text that is not UTF-8");
}

TEST(EnvelopeText, NamesTheFieldThatIsTooLarge) {
  const std::string large(kMaxEnvelopeBytes, 'a');
  const auto error = [](const v1::PublishRequest& request) {
    const auto text = envelope_text(request, envelope_of(request, kNow).value());
    return text ? "" : text.error().error_message().substr(0, 32);
  };
  v1::PublishRequest request = message<v1::PublishRequest>(R"(event: "e" rooms: "graph")");
  EXPECT_EQ(error(request), "");
  request.set_payload_json('"' + large + '"');
  EXPECT_EQ(error(request), "payload_json: the envelope would");
  request.mutable_payload()->set_string_value(large);
  EXPECT_EQ(error(request), "payload: the envelope would be 8");
  request.clear_payload();
  request.set_source(large);
  EXPECT_EQ(error(request), "source: the envelope would be 83");
}

}  // namespace
}  // namespace notifications::server
