#include "edge/websocket/frame_parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace notifications::websocket {
namespace {

using std::string_literals::operator""s;

constexpr std::string_view kMask = "\x37\xFA\x21\x3D";
constexpr int kFin = 0x80;

// A client's frame; `first` is the first byte: FIN, reserved bits and opcode.
std::string masked(int first, std::string_view payload) {
  std::string out(1, static_cast<char>(first));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += "\xFE"s + static_cast<char>(payload.size() >> 8) + static_cast<char>(payload.size());
  }
  out += kMask;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(payload[i] ^ kMask[i % kMask.size()]);
  }
  return out;
}

std::string text(std::string_view payload) { return masked(kFin | 1, payload); }
std::string first_part(std::string_view payload) { return masked(1, payload); }
std::string middle_part(std::string_view payload) { return masked(0, payload); }
std::string last_part(std::string_view payload) { return masked(kFin, payload); }
std::string ping(std::string_view payload) { return masked(kFin | 9, payload); }
std::string close(std::string_view payload) { return masked(kFin | 8, payload); }

// Writes down what a parser finds.
class Recorder : public FrameVisitor {
 public:
  virtual ~Recorder() = default;

  bool on_text(std::string_view message) override { return add("text", message); }
  bool on_binary(std::string_view message) override { return add("binary", message); }
  bool on_ping(std::string_view payload) override { return add("ping", payload); }
  bool on_pong(std::string_view payload) override { return add("pong", payload); }
  void on_close(std::optional<std::uint16_t> code, std::string_view reason) override {
    add("close " + (code ? std::to_string(*code) : "-"), reason);
  }
  void on_error(FrameError error) override {
    add("error " + std::to_string(close_code(error)), name(error));
  }

  std::vector<std::string> events;
  std::size_t stop_after = SIZE_MAX;

 private:
  bool add(std::string_view kind, std::string_view text) {
    events.push_back(std::string(kind) + " " + std::string(text));
    return events.size() < stop_after;
  }
};

using Events = std::vector<std::string>;

// Feeds `bytes` in pieces of `step`.
Events parse(std::string bytes, std::uint32_t max_message = 1'000'000,
             std::size_t step = SIZE_MAX) {
  FrameParser parser(max_message);
  Recorder recorder;
  std::span<char> rest(bytes);
  while (!rest.empty()) {
    const std::size_t n = std::min(step, rest.size());
    const bool go_on = parser.feed(rest.first(n), recorder);
    EXPECT_EQ(go_on, parser.open());
    rest = rest.subspan(n);
  }
  return recorder.events;
}

TEST(FrameParser, IsSmallAndHoldsNothingWhenIdle) {
  EXPECT_LE(sizeof(FrameParser), 64u);
  FrameParser parser(1000);
  Recorder recorder;
  EXPECT_TRUE(parser.idle());
  std::string part = first_part("hello");
  parser.feed(part, recorder);
  EXPECT_FALSE(parser.idle());
  EXPECT_EQ(parser.buffered_bytes(), 5u);
  std::string rest = last_part("!");
  parser.feed(rest, recorder);
  EXPECT_TRUE(parser.idle());
  EXPECT_EQ(parser.buffered_bytes(), 0u);
  EXPECT_EQ(recorder.events, Events{"text hello!"});
}

TEST(FrameParser, HandsOutACompleteFrameWhereItLies) {
  struct Where final : Recorder {
    bool on_text(std::string_view message) override {
      data = message.data();
      return true;
    }
    const char* data = nullptr;
  } where;
  FrameParser parser(1000);
  std::string bytes = text("hello");
  parser.feed(bytes, where);
  EXPECT_EQ(where.data, bytes.data() + 6);
}

TEST(FrameParser, ReadsManyFramesOfOneSegment) {
  EXPECT_EQ(parse(text("a") + ping("p") + masked(kFin | 2, "b") + masked(kFin | 10, "") + text("")),
            (Events{"text a", "ping p", "binary b", "pong ", "text "}));
}

TEST(FrameParser, FindsTheSameHoweverTheBytesAreChopped) {
  const std::string bytes = text("hello") + first_part("\xE2\x82") + ping("between") +
                            middle_part("") + masked(kFin | 10, "too") + last_part("\xAC") +
                            text(std::string(300, 'x')) +
                            close(
                                "\x03\xE8"
                                "bye");
  const Events expected{
      "text hello",    "ping between", "pong too", "text \u20AC", "text " + std::string(300, 'x'),
      "close 1000 bye"};
  for (std::size_t step = 1; step < 40; ++step) {
    EXPECT_EQ(parse(bytes, 1'000'000, step), expected) << "in pieces of " << step;
  }
}

TEST(FrameParser, UnmasksEveryLength) {
  for (std::size_t size = 0; size < 70; ++size) {
    const std::string payload =
        std::string("abcdefghijklmnopqrstuvwxyz").append(60, '-').substr(0, size);
    for (const std::size_t step : {1u, 3u, 7u, 1000u}) {
      EXPECT_EQ(parse(text(payload), 1000, step), Events{"text " + payload}) << size;
    }
  }
}

TEST(FrameParser, TakesLengthsThatAreNotTheShortest) {
  EXPECT_EQ(parse("\x81\xFE\x00\x01\x00\x00\x00\x00x"s), Events{"text x"});
  EXPECT_EQ(parse("\x81\xFF\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00x"s), Events{"text x"});
}

TEST(FrameParser, RefusesWhatTheProtocolForbids) {
  const struct {
    std::string bytes;
    std::string_view error;
  } kRows[] = {
      {masked(kFin | 0x40 | 1, "x"), "error 1002 reserved_bits"},
      {masked(kFin | 0x20 | 1, "x"), "error 1002 reserved_bits"},
      {masked(kFin | 0x10 | 9, "x"), "error 1002 reserved_bits"},
      {masked(kFin | 3, "x"), "error 1002 bad_opcode"},
      {masked(kFin | 7, "x"), "error 1002 bad_opcode"},
      {masked(kFin | 11, "x"), "error 1002 bad_opcode"},
      {masked(kFin | 15, "x"), "error 1002 bad_opcode"},
      {"\x81\x01x"s, "error 1002 not_masked"},
      {"\x89\x00"s, "error 1002 not_masked"},
      {masked(9, "x"), "error 1002 fragmented_control"},
      {masked(8, ""), "error 1002 fragmented_control"},
      {masked(kFin | 9, std::string(126, 'x')), "error 1002 bad_control_length"},
      {"\x88\xFF"s, "error 1002 bad_control_length"},
      {close("\x03"), "error 1002 bad_control_length"},
      {last_part("x"), "error 1002 bad_opcode"},
      {middle_part("x"), "error 1002 bad_opcode"},
  };
  for (const auto& row : kRows) EXPECT_EQ(parse(row.bytes), Events{std::string(row.error)});
}

TEST(FrameParser, SaysWhatIsWrongAfterTwoBytes) {
  EXPECT_EQ(parse("\xC1\x85"s), Events{"error 1002 reserved_bits"});
  EXPECT_EQ(parse("\x81\x05"s), Events{"error 1002 not_masked"});
}

TEST(FrameParser, RefusesAMessageWithinAMessage) {
  EXPECT_EQ(parse(first_part("a") + text("b")), Events{"error 1002 bad_opcode"});
  EXPECT_EQ(parse(first_part("a") + masked(kFin | 2, "b")), Events{"error 1002 bad_opcode"});
}

TEST(FrameParser, EchoesValidCloseCodesAndRefusesOthers) {
  EXPECT_EQ(parse(close("")), Events{"close - "});
  EXPECT_EQ(parse(close("\x03\xE8")), Events{"close 1000 "});
  EXPECT_EQ(parse(close("\x0F\xA0"
                        "own")),
            Events{"close 4000 own"});
  EXPECT_EQ(parse(close("\x03\xED")), Events{"error 1002 bad_close_code"});
  EXPECT_EQ(parse(close("\x00\x00"s)), Events{"error 1002 bad_close_code"});
  EXPECT_EQ(parse(close("\x03\xE8\xFF")), Events{"error 1007 invalid_utf8"});
}

TEST(FrameParser, TakesExactlyTheLimitAndDecidesFromTheHeader) {
  EXPECT_EQ(parse(text("12345"), 5), Events{"text 12345"});
  EXPECT_EQ(parse(text("123456").substr(0, 2), 5), Events{"error 1009 message_too_big"});
  EXPECT_EQ(parse("\x81\xFE\xFF\xFF"s, 65534), Events{"error 1009 message_too_big"});
  EXPECT_EQ(parse("\x81\xFF\x80\x00\x00\x00\x00\x00\x00\x00"s),
            Events{"error 1009 message_too_big"});
  EXPECT_EQ(parse("\x81\xFF\x00\x00\x00\x01\x00\x00\x00\x01"s),
            Events{"error 1009 message_too_big"});
}

TEST(FrameParser, AddsUpTheFragmentsForTheLimit) {
  EXPECT_EQ(parse(first_part("123") + ping("1234567") + last_part("45"), 5),
            (Events{"ping 1234567", "text 12345"}));
  EXPECT_EQ(parse(first_part("123") + last_part("456").substr(0, 2), 5),
            Events{"error 1009 message_too_big"});
  EXPECT_EQ(parse(first_part("12345") + last_part("") + text("12345"), 5),
            (Events{"text 12345", "text 12345"}));
}

TEST(FrameParser, ChecksUtf8OverTheWholeMessage) {
  EXPECT_EQ(parse(text("\xFF")), Events{"error 1007 invalid_utf8"});
  EXPECT_EQ(parse(text("\xED\xA0\x80")), Events{"error 1007 invalid_utf8"});
  EXPECT_EQ(parse(first_part("\xC3") + last_part("\xA9")), Events{"text \u00E9"});
  EXPECT_EQ(parse(first_part("\xC3") + last_part("x")), Events{"error 1007 invalid_utf8"});
  EXPECT_EQ(parse(masked(kFin | 2, "\xFF")), Events{"binary \xFF"});
}

TEST(FrameParser, BoundsTheNumberOfFragments) {
  std::string most = first_part("");
  for (int i = 2; i < FrameParser::kMaxFragments; ++i) most += middle_part("");
  EXPECT_EQ(parse(most + last_part("x") + most + last_part("y")), (Events{"text x", "text y"}));
  EXPECT_EQ(parse(most + middle_part("") + last_part("x")),
            Events{"error 1008 too_many_fragments"});
}

TEST(FrameParser, ReadsNothingAfterTheEnd) {
  EXPECT_EQ(parse(close("") + text("late")), Events{"close - "});
  EXPECT_EQ(parse(masked(kFin | 3, "") + text("late")).size(), 1u);
  EXPECT_EQ(parse(close("") + text("late"), 1000, 1), Events{"close - "});
}

TEST(FrameParser, StopsWhenTheVisitorSaysSo) {
  FrameParser parser(1000);
  Recorder recorder;
  recorder.stop_after = 1;
  std::string bytes = text("a") + text("b");
  EXPECT_FALSE(parser.feed(bytes, recorder));
  std::string more = text("c");
  EXPECT_FALSE(parser.feed(more, recorder));
  EXPECT_EQ(recorder.events, Events{"text a"});
}

TEST(FrameParser, KeepsOnlyWhatHasArrived) {
  FrameParser parser(1'000'000);
  Recorder recorder;
  std::string bytes =
      "\x81\xFF\x00\x00\x00\x00\x00\x0F\x42\x40"s + "\x00\x00\x00\x00"s + "0123456789";
  EXPECT_TRUE(parser.feed(bytes, recorder));
  EXPECT_EQ(parser.buffered_bytes(), 10u);
}

}  // namespace
}  // namespace notifications::websocket
