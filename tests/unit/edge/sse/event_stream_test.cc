#include "edge/sse/event_stream.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "core/envelope_codec.h"

namespace notifications::sse {
namespace {

using std::string_literals::operator""s;

Publication event(const std::string& name, const std::string& payload,
                  const std::string& position = "e.1-0") {
  Envelope envelope;
  envelope.event = name;
  envelope.payload = payload;
  return {std::move(envelope), "<text>", position, std::chrono::steady_clock::now()};
}

// As it comes from the broker.
Publication received(const std::string& text, const std::string& position = "e.1-0") {
  return {decode_envelope(text).value(), text, position, std::chrono::steady_clock::now()};
}

TEST(EventStream, SaysHelloAndHowLongToWait) {
  EXPECT_EQ(connected_block(std::chrono::milliseconds(1500)), ": connected\nretry: 1500\n\n");
  EXPECT_EQ(retry_block(std::chrono::milliseconds(5000)), "retry: 5000\n\n");
  EXPECT_EQ(kKeepalive, ": keepalive\n\n");
  EXPECT_EQ(closing_block("draining"), ": closing: draining\n\n");
}

TEST(EventStream, WritesIdNameAndPayload) {
  EXPECT_EQ(encode_event(event("node_status", R"({"a":1})")),
            "id: e.1-0\nevent: node_status\ndata: {\"a\":1}\n\n");
}

TEST(EventStream, HasNoIdWithTheJournalOff) {
  EXPECT_EQ(encode_event(event("x", "null", "")), "event: x\ndata: null\n\n");
  EXPECT_EQ(encode_envelope(event("x", "null", "")), "data: <text>\n\n");
}

TEST(EventStream, SplitsThePayloadAtItsLineBreaks) {
  EXPECT_EQ(encode_event(event("x", "{\n\"a\":\r\n1,\r\"b\":2\n\n}")),
            "id: e.1-0\nevent: x\ndata: {\ndata: \"a\":\ndata: 1,\ndata: \"b\":2\ndata: \ndata: "
            "}\n\n");
  EXPECT_EQ(encode_event(event("x", "1\n")), "id: e.1-0\nevent: x\ndata: 1\ndata: \n\n");
  EXPECT_EQ(encode_event(event("x", "\r\r\n\n1")),
            "id: e.1-0\nevent: x\ndata: \ndata: \ndata: \ndata: 1\n\n");
}

// What begins with a space keeps it: a client removes one, ours.
TEST(EventStream, KeepsTheTextExactly) {
  EXPECT_EQ(encode_event(event("x", " 1")), "id: e.1-0\nevent: x\ndata:  1\n\n");
  EXPECT_EQ(encode_event(event(" x: y ", R"("\u2028 ")")),
            "id: e.1-0\nevent:  x: y \ndata: \"\\u2028 \"\n\n");
}

TEST(EventStream, WritesTheEnvelopeAsItWasPublished) {
  const std::string text =
      R"({"id":"i", "ts":"2026-02-19T12:00:00Z","source":"s","rooms":["graph"],"event":"x"})";
  EXPECT_EQ(encode_envelope(received(text)), "id: e.1-0\ndata: " + text + "\n\n");
}

TEST(EventStream, TakesTheEnvelopeFormForNamesThatAreNoLine) {
  EXPECT_EQ(encode_event(event("a\nb", "1")), "id: e.1-0\ndata: <text>\n\n");
  EXPECT_EQ(encode_event(event("a\r", "1")), "id: e.1-0\ndata: <text>\n\n");
  EXPECT_EQ(encode_event(event("a\0b"s, "1")), "id: e.1-0\ndata: <text>\n\n");
  EXPECT_EQ(encode_event(event("\xED\xA0\xBD", "1")), "id: e.1-0\ndata: <text>\n\n");
  // No surrogate, though it begins with the same byte.
  EXPECT_EQ(encode_event(event("\xED\x9F\xBF", "1")),
            "id: e.1-0\nevent: \xED\x9F\xBF\ndata: 1\n\n");
  EXPECT_EQ(encode_event(event("\u2028", "1")), "id: e.1-0\nevent: \u2028\ndata: 1\n\n");
}

TEST(EventStream, TellsOfAGap) {
  EXPECT_EQ(gap_block("e.1-0", "e.5-0"),
            "id: e.5-0\nevent: notifications.gap\ndata: "
            "{\"after\":\"e.1-0\",\"resumes_at\":\"e.5-0\"}\n\n");
  EXPECT_EQ(gap_block("a\"\n", ""),
            "event: notifications.gap\ndata: {\"after\":\"a\\\"\\n\",\"resumes_at\":\"\"}\n\n");
}

TEST(EventStream, MovesACursorWithoutAnEvent) { EXPECT_EQ(id_block("e.1-0"), "id: e.1-0\n\n"); }

}  // namespace
}  // namespace notifications::sse
