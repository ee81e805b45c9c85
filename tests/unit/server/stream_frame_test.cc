#include "server/stream_frame.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "core/envelope_codec.h"
#include "notifications/v1/gateway.pb.h"

namespace notifications::server {
namespace {

// A publication of an envelope's JSON text.
std::unique_ptr<Publication> publication(const std::string& text) {
  auto envelope = decode_envelope(text);
  EXPECT_TRUE(envelope) << envelope.error().detail;
  return std::make_unique<Publication>(std::move(envelope).value(), text, "",
                                       std::chrono::steady_clock::now());
}

std::unique_ptr<Publication> with_payload(const std::string& payload) {
  return publication(R"({"id":"1","ts":"2026-02-19T12:00:00.123Z","source":"s",)"
                     R"("rooms":["graph","node:42"],"event":"node_status","payload":)" +
                     payload + "}");
}

// Read back as any stock client does: with the default limit of depth.
v1::Envelope decoded(const std::string& bytes) {
  v1::StreamResponse response;
  EXPECT_TRUE(response.ParseFromString(bytes));
  EXPECT_TRUE(response.has_envelope());
  return response.envelope();
}

std::string nested(int depth, const std::string& open, const std::string& close) {
  std::string out;
  for (int i = 0; i < depth; ++i) out += open;
  for (int i = 0; i < depth; ++i) out += close;
  return out;
}

TEST(StreamFrame, CarriesTheWholeEnvelope) {
  const v1::Envelope envelope = decoded(encode_json_response(*with_payload(R"({"a": 1})")));
  EXPECT_EQ(envelope.id(), "1");
  EXPECT_EQ(envelope.ts().seconds(), 1771502400);
  EXPECT_EQ(envelope.ts().nanos(), 123'000'000);
  EXPECT_EQ(envelope.source(), "s");
  EXPECT_EQ(envelope.event(), "node_status");
  ASSERT_EQ(envelope.rooms_size(), 2);
  EXPECT_EQ(envelope.rooms(0), "graph");
  EXPECT_EQ(envelope.rooms(1), "node:42");
  EXPECT_EQ(envelope.payload_json(), R"({"a": 1})");
  EXPECT_EQ(envelope.position(), "");
}

TEST(StreamFrame, KeepsThePayloadsTextByteForByte) {
  for (const std::string payload :
       {R"({"n":12345678901234567890123,"z":1,"a":2,"a":3})", R"("\u2028\ud800\/")", "1e400",
        "\"\u2028\"", "[ 1 ,\t2 ]", "null"})
    EXPECT_EQ(decoded(encode_json_response(*with_payload(payload))).payload_json(), payload);
}

TEST(StreamFrame, CutsDigitsBeyondNanoseconds) {
  const auto event = publication(
      R"({"id":"1","ts":"2026-02-19T12:00:00.123456789987Z","source":"s","rooms":["graph"],"event":"e"})");
  EXPECT_EQ(decoded(encode_json_response(*event)).ts().nanos(), 123'456'789);
}

TEST(StreamFrame, ReplacesLoneSurrogatesOutsideThePayload) {
  const auto event = publication(
      R"({"id":"\ud800i","ts":"2026-02-19T12:00:00Z","source":"\udc00","rooms":["graph"],"event":"e\udfff","payload":"\ud800"})");
  const v1::Envelope envelope = decoded(encode_json_response(*event));
  EXPECT_EQ(envelope.id(), "\uFFFDi");
  EXPECT_EQ(envelope.source(), "\uFFFD");
  EXPECT_EQ(envelope.event(), "e\uFFFD");
  EXPECT_EQ(envelope.payload_json(), R"("\ud800")");
}

TEST(StreamFrame, CarriesAPayloadAsValue) {
  const v1::Envelope envelope =
      decoded(encode_value_response(*with_payload(R"({"count":3,"tags":["a",null,true]})")));
  ASSERT_TRUE(envelope.has_payload_value());
  const auto& fields = envelope.payload_value().struct_value().fields();
  EXPECT_EQ(fields.at("count").number_value(), 3);
  EXPECT_EQ(fields.at("tags").list_value().values(0).string_value(), "a");
  EXPECT_TRUE(fields.at("tags").list_value().values(1).has_null_value());
  EXPECT_TRUE(fields.at("tags").list_value().values(2).bool_value());
}

TEST(StreamFrame, FallsBackToTheTextWhereValueWouldLoseSomething) {
  for (const std::string payload :
       {R"({"n":9007199254740993})", R"(["\ud800"])", "1e400", R"({"a":1,"a":2})"}) {
    const v1::Envelope envelope = decoded(encode_value_response(*with_payload(payload)));
    EXPECT_FALSE(envelope.has_payload_value()) << payload;
    EXPECT_EQ(envelope.payload_json(), payload);
  }
}

// decoded() stops where stock clients do: what is sent as a Value, they can read.
TEST(StreamFrame, SendsAsValueOnlyWhatAStockClientCanDecode) {
  bool as_value = false, as_text = false;
  for (int depth = 1; depth <= 120; ++depth) {
    for (const std::string& payload :
         {nested(depth, "[", "]"), nested(depth, "[{\"a\":", "}]").replace(depth * 6, 0, "1"),
          nested(depth, "{\"a\":", "}").replace(depth * 5, 0, "1")}) {
      const v1::Envelope envelope = decoded(encode_value_response(*with_payload(payload)));
      (envelope.has_payload_value() ? as_value : as_text) = true;
      if (!envelope.has_payload_value()) {
        EXPECT_EQ(envelope.payload_json(), payload);
      }
      if (depth <= 19) {
        EXPECT_TRUE(envelope.has_payload_value()) << depth;
      }
    }
  }
  EXPECT_TRUE(as_value && as_text);
}

TEST(StreamFrame, FallsBackToTheTextWhereValueWouldBeTooLarge) {
  // Two bytes of text each, eleven and more in a Value.
  std::string payload = "[0";
  while (payload.size() < 7'000'000) payload += ",0";
  payload += "]";
  const std::string bytes = encode_value_response(*with_payload(payload));
  EXPECT_LE(bytes.size(), kMaxMessageBytes);
  EXPECT_EQ(decoded(bytes).payload_json().size(), payload.size());
}

TEST(StreamFrame, OpenedCarriesThePosition) {
  v1::StreamResponse response;
  ASSERT_TRUE(response.ParseFromString(encode_opened_response("p.1")));
  EXPECT_EQ(response.opened().position(), "p.1");
}

}  // namespace
}  // namespace notifications::server
