#include "core/envelope_codec.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/json/scanner.h"

namespace notifications {
namespace {

// A valid envelope's members as JSON; a test replaces or drops one and looks at the verdict.
class Members {
 public:
  Members& set(const std::string& key, const std::string& json) {
    for (auto& [name, value] : members_) {
      if (name == key) {
        value = json;
        return *this;
      }
    }
    members_.emplace_back(key, json);
    return *this;
  }
  Members& drop(const std::string& key) {
    std::erase_if(members_, [&](const auto& member) { return member.first == key; });
    return *this;
  }
  std::string text() const {
    std::string out = "{";
    for (const auto& [name, value] : members_) {
      if (out.size() > 1) out += ',';
      json::append_string(out, name);
      out += ':' + value;
    }
    return out + "}";
  }

 private:
  std::vector<std::pair<std::string, std::string>> members_ = {
      {"id", R"("i-1")"},
      {"ts", R"("2026-02-19T12:00:00.000Z")"},
      {"source", R"("test")"},
      {"rooms", R"(["graph","node:42"])"},
      {"event", R"("node_status")"},
      {"payload", R"({"a":1})"}};
};

Members valid() { return {}; }

// The reason's name and the detail, or "ok".
std::string verdict(std::string_view text) {
  const auto decoded = decode_envelope(text);
  if (decoded) return "ok";
  EXPECT_LE(decoded.error().detail.size(), 200u);
  return std::string(name(decoded.error().reason));
}
std::string verdict(const Members& members) { return verdict(members.text()); }

std::string detail(std::string_view text) {
  const auto decoded = decode_envelope(text);
  return decoded ? "" : decoded.error().detail;
}

TEST(EnvelopeCodec, TakesAnEnvelopeApart) {
  const auto decoded = decode_envelope(
      R"({"id":"6f0c","ts":"2026-02-19T12:00:00.000Z","source":"platform-server",)"
      R"("rooms":["graph","node:42"],"event":"node_status","payload":{"nodeId":"42"}})");
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->id, "6f0c");
  EXPECT_EQ(decoded->ts, "2026-02-19T12:00:00.000Z");
  EXPECT_EQ(decoded->source, "platform-server");
  EXPECT_EQ(decoded->rooms, (std::vector<std::string>{"graph", "node:42"}));
  EXPECT_EQ(decoded->event, "node_status");
  EXPECT_EQ(decoded->payload, R"({"nodeId":"42"})");
}

TEST(EnvelopeCodec, TakesMembersInAnyOrderAndWithSpaceAround) {
  EXPECT_EQ(verdict(" {\n \"payload\" : 1 , \"event\" : \"e\" , \"rooms\" : [ \"graph\" ] ,"
                    "\"source\":\"s\",\"ts\":\"2026-02-19T12:00:00Z\", \"id\" :\t\"i\" } \r\n"),
            "ok");
}

TEST(EnvelopeCodec, KeepsThePayloadByteForByte) {
  const std::vector<std::string> payloads = {"null",
                                             "true",
                                             "0",
                                             "-0.0",
                                             "9007199254740993",
                                             "1e400",
                                             "1.50",
                                             R"("")",
                                             R"("\ud800")",
                                             R"("\u00e9é\/")",
                                             "[]",
                                             "[ ]",
                                             "[1 ,\t2]",
                                             "{}",
                                             R"({"b":1,"a":2})",
                                             R"({"a":1,"a":2})",
                                             "{ \"a\" :\n1 }",
                                             "\"\xE2\x80\xA8\"",
                                             R"({"id":"inner","rooms":[],"payload":{}})"};
  for (const std::string& payload : payloads) {
    const auto decoded = decode_envelope(valid().set("payload", " \n" + payload + "\t ").text());
    ASSERT_TRUE(decoded) << payload;
    EXPECT_EQ(decoded->payload, payload);
  }
}

TEST(EnvelopeCodec, TakesAMissingPayloadForNull) {
  const auto decoded = decode_envelope(valid().drop("payload").text());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->payload, "null");
}

TEST(EnvelopeCodec, NeedsEveryOtherKey) {
  for (const char* key : {"id", "ts", "source", "rooms", "event"}) {
    const std::string text = valid().drop(key).text();
    EXPECT_EQ(verdict(text), "missing_key") << key;
    EXPECT_EQ(detail(text), std::string(key) + ": is missing");
  }
  EXPECT_EQ(verdict("{}"), "missing_key");
}

TEST(EnvelopeCodec, RefusesUnknownKeys) {
  for (const char* key :
       {"extra", "ID", "Id", "id ", "", "payloads", "__proto__", "ids", "position"}) {
    EXPECT_EQ(verdict(valid().set(key, "1")), "unknown_key") << key;
  }
}

TEST(EnvelopeCodec, RefusesAKeyGivenTwice) {
  for (const char* key : {"id", "ts", "source", "rooms", "event", "payload"}) {
    std::string text = valid().text();
    text.insert(1, std::string("\"") + key +
                       "\":" + (key == std::string("rooms") ? "[\"graph\"]" : "\"x\"") + ",");
    EXPECT_EQ(verdict(text), "duplicate_key") << key;
  }
  EXPECT_EQ(verdict(R"({"id":"a","\u0069d":"b"})"), "duplicate_key");
}

TEST(EnvelopeCodec, KnowsAKeyByItsTextNotByItsSpelling) {
  std::string text = valid().text();
  text.replace(text.find("\"id\""), 4, R"("\u0069d")");
  EXPECT_EQ(verdict(text), "ok");
}

TEST(EnvelopeCodec, RefusesWrongTypes) {
  for (const char* key : {"id", "ts", "source", "event"}) {
    for (const char* value : {"null", "1", "true", "[]", "{}", R"(["a"])"}) {
      const std::string text = valid().set(key, value).text();
      EXPECT_EQ(verdict(text), "wrong_type") << text;
      EXPECT_EQ(detail(text), std::string(key) + ": expected a string");
    }
  }
  for (const char* value : {"null", "1", R"("graph")", "{}"}) {
    EXPECT_EQ(verdict(valid().set("rooms", value)), "wrong_type") << value;
  }
  for (const char* value : {"null", "1", "[]", "{}", R"(["graph"])"}) {
    const std::string text = valid().set("rooms", R"(["graph",)" + std::string(value) + "]").text();
    EXPECT_EQ(verdict(text), "wrong_type") << value;
    EXPECT_EQ(detail(text), "rooms[1]: expected a string");
  }
}

TEST(EnvelopeCodec, RefusesWhatIsNoJsonApartFromWhatIsNoObject) {
  for (const char* text : {"", " ", "nul", "{", "{\"id\"", "{]", "[1", "'x'", "{\"id\":\"a\"",
                           "hello", "{\"id\":\"a\",}", "{\"id\":nul}", "\xEF\xBB\xBF{}"}) {
    EXPECT_EQ(verdict(text), "not_json") << text;
  }
  for (const char* text : {"null", "1", "\"{}\"", "[]", "[{}]", " true "}) {
    EXPECT_EQ(verdict(text), "not_an_object") << text;
  }
  EXPECT_EQ(verdict(valid().text() + "x"), "not_json");
  EXPECT_EQ(verdict(valid().text() + "{}"), "not_json");
  EXPECT_EQ(verdict(valid().set("payload", "{\"a\":01}")), "not_json");
  EXPECT_EQ(verdict(valid().set("payload", "")), "not_json");
  EXPECT_EQ(verdict(valid().set("event", "\"\xFF\"")), "not_json");
  EXPECT_EQ(verdict(valid().set("payload", "\"\xED\xA0\x80\"")), "not_json");
}

TEST(EnvelopeCodec, RefusesEveryTruncation) {
  const std::string text = valid().text();
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_NE(verdict(text.substr(0, size)), "ok") << size;
  }
}

TEST(EnvelopeCodec, RefusesEmptyWords) {
  EXPECT_EQ(verdict(valid().set("id", R"("")")), "bad_id");
  EXPECT_EQ(verdict(valid().set("source", R"("")")), "bad_source");
  EXPECT_EQ(verdict(valid().set("event", R"("")")), "bad_event");
  EXPECT_EQ(verdict(valid().set("rooms", "[]")), "bad_rooms");
}

TEST(EnvelopeCodec, TakesAnyNonEmptyText) {
  for (const char* value : {R"(" ")", R"("\u0000")", R"("\ud800")", R"("é")", R"("a\nb")"}) {
    EXPECT_EQ(verdict(valid().set("id", value).set("source", value).set("event", value)), "ok")
        << value;
  }
}

TEST(EnvelopeCodec, RefusesReservedEventsAndNothingLikeThem) {
  for (const char* event : {"connect", "connect_error", "disconnect", "disconnecting",
                            "newListener", "removeListener"}) {
    EXPECT_TRUE(is_reserved_event(event));
    EXPECT_EQ(verdict(valid().set("event", "\"" + std::string(event) + "\"")), "bad_event")
        << event;
  }
  EXPECT_EQ(verdict(valid().set("event", R"("\u0063onnect")")), "bad_event");
  for (const char* event :
       {"Connect", "connect ", "connection", "newlistener", "error", "subscribe"}) {
    EXPECT_EQ(verdict(valid().set("event", "\"" + std::string(event) + "\"")), "ok") << event;
  }
}

TEST(EnvelopeCodec, RefusesABadRoomAmongGoodOnes) {
  EXPECT_EQ(verdict(valid().set("rooms", R"(["graph","Graph"])")), "bad_rooms");
  EXPECT_EQ(verdict(valid().set("rooms", R"(["thread:"])")), "bad_rooms");
  EXPECT_EQ(verdict(valid().set("rooms", R"(["thread:1\n"])")), "bad_rooms");
  EXPECT_EQ(detail(valid().set("rooms", R"(["graph","x"])").text()).substr(0, 9), "rooms[1]:");
  EXPECT_EQ(verdict(valid().set("rooms", R"(["graph","graph","RUN:1"])")), "ok");
}

TEST(EnvelopeCodec, NestsThePayload512DeepAndNoDeeper) {
  const std::string open(512, '[');
  const std::string close(512, ']');
  EXPECT_EQ(verdict(valid().set("payload", open + close)), "ok");
  EXPECT_EQ(verdict(valid().set("payload", "[" + open + close + "]")), "too_deep");
  EXPECT_EQ(verdict(valid().set("payload", std::string(100'000, '['))), "too_deep");
  std::string objects = "1";
  for (int i = 0; i < 512; ++i) objects = "{\"a\":" + objects + "}";
  EXPECT_EQ(verdict(valid().set("payload", objects)), "ok");
  EXPECT_EQ(verdict(valid().set("payload", "{\"a\":" + objects + "}")), "too_deep");
}

TEST(EnvelopeCodec, TakesEightMebibytesAndNotAByteMore) {
  const std::size_t around = valid().set("payload", R"("")").text().size();
  const auto sized = [&](std::size_t size) {
    return valid().set("payload", "\"" + std::string(size - around, 'x') + "\"").text();
  };
  ASSERT_EQ(sized(kMaxEnvelopeBytes).size(), 8u * 1024 * 1024);
  EXPECT_EQ(verdict(sized(kMaxEnvelopeBytes)), "ok");
  EXPECT_EQ(verdict(sized(kMaxEnvelopeBytes + 1)), "too_large");
  EXPECT_EQ(verdict(std::string(kMaxEnvelopeBytes + 1, 'x')), "too_large");
}

// Details go to the log: they may name a field, never quote a payload, and stay short.
TEST(EnvelopeCodec, SaysWhatIsWrongWithoutThePayload) {
  const std::string secret(1000, 'S');
  for (const Members& members :
       {valid().set("payload", "{\"" + secret + "\":01}"),
        valid().set("id", "1").set("payload", "\"" + secret + "\""),
        valid().set("ts", "\"" + secret + "\""), valid().set("rooms", "[\"" + secret + "\"]")}) {
    EXPECT_EQ(detail(members.text()).find("SSS"), std::string::npos) << detail(members.text());
  }
  EXPECT_LE(detail(valid().set(secret, "1").text()).size(), 200u);
}

TEST(EnvelopeCodec, EncodesInTheOrderOfThePlatform) {
  Envelope envelope;
  envelope.id = "i\"1";
  envelope.ts = "2026-02-19T12:00:00.000Z";
  envelope.source = "s\\";
  envelope.rooms = {"graph", "node:42"};
  envelope.event = "e\n\xED\xA0\x80";
  envelope.payload = "{ \"a\" : 1e400 }";
  const std::string text =
      "{\"id\":\"i\\\"1\",\"ts\":\"2026-02-19T12:00:00.000Z\",\"source\":\"s\\\\\","
      "\"rooms\":[\"graph\",\"node:42\"],\"event\":\"e\\n\\ud800\",\"payload\":{ \"a\" : 1e400 }}";
  EXPECT_EQ(encode_envelope(envelope), text);
  const auto decoded = decode_envelope(text);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(encode_envelope(*decoded), text);
  EXPECT_EQ(decoded->event, envelope.event);
}

TEST(EnvelopeCodec, ChecksABuiltEnvelopeByTheSameRules) {
  const auto reason = [](auto change) {
    auto envelope = decode_envelope(valid().text());
    EXPECT_TRUE(envelope);
    change(*envelope);
    const auto problem = check_envelope(*envelope);
    return problem ? std::string(name(problem->reason)) : "ok";
  };
  EXPECT_EQ(reason([](Envelope&) {}), "ok");
  EXPECT_EQ(reason([](Envelope& e) { e.id.clear(); }), "bad_id");
  EXPECT_EQ(reason([](Envelope& e) { e.ts = "now"; }), "bad_ts");
  EXPECT_EQ(reason([](Envelope& e) { e.source.clear(); }), "bad_source");
  EXPECT_EQ(reason([](Envelope& e) { e.rooms.clear(); }), "bad_rooms");
  EXPECT_EQ(reason([](Envelope& e) { e.rooms.push_back("x"); }), "bad_rooms");
  EXPECT_EQ(reason([](Envelope& e) { e.event = "disconnect"; }), "bad_event");
}

TEST(EnvelopeCodec, NamesEveryReasonOnce) {
  std::set<std::string_view> names;
  for (int i = 0; i < kInvalidReasons; ++i) names.insert(name(static_cast<InvalidReason>(i)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kInvalidReasons));
  EXPECT_EQ(names.count(""), 0u);
}

}  // namespace
}  // namespace notifications
