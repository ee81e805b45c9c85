#include "edge/websocket/frame.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace notifications::websocket {
namespace {

using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;

TEST(Frame, HasTheShortestLengthThatFits) {
  const auto header = [](std::size_t size) {
    std::string out;
    append_frame_header(out, Opcode::kText, size);
    return out;
  };
  EXPECT_EQ(header(0), "\x81\x00"s);
  EXPECT_EQ(header(125), "\x81\x7D"s);
  EXPECT_EQ(header(126), "\x81\x7E\x00\x7E"s);
  EXPECT_EQ(header(0xFFFF), "\x81\x7E\xFF\xFF"s);
  EXPECT_EQ(header(0x10000), "\x81\x7F\x00\x00\x00\x00\x00\x01\x00\x00"s);
  EXPECT_EQ(header(0x0102030405060708), "\x81\x7F\x01\x02\x03\x04\x05\x06\x07\x08"s);
}

TEST(Frame, IsFinalAndNotMasked) {
  EXPECT_EQ(text_frame("2"),
            "\x81\x01"
            "2");
  EXPECT_EQ(frame(Opcode::kBinary, "x"), "\x82\x01x");
  EXPECT_EQ(ping_frame(""), "\x89\x00"s);
  EXPECT_EQ(pong_frame("hello"), "\x8A\x05hello");
}

TEST(Frame, ClosesWithAndWithoutACode) {
  EXPECT_EQ(close_frame(std::nullopt), "\x88\x00"s);
  EXPECT_EQ(close_frame(CloseCode::kGoingAway), "\x88\x02\x03\xE9"s);
  EXPECT_EQ(close_frame(1000, "bye"),
            "\x88\x05\x03\xE8"
            "bye"s);
}

TEST(Frame, CutsACloseReasonBetweenCharacters) {
  EXPECT_EQ(close_frame(1000, std::string(123, 'x')).size(), 127u);
  EXPECT_EQ(close_frame(1000, std::string(124, 'x')).size(), 127u);
  const std::string euros = std::string(122, 'x') + "\u20AC";
  EXPECT_EQ(close_frame(1000, euros), "\x88\x7C\x03\xE8"s + std::string(122, 'x'));
}

TEST(Frame, KnowsTheCodesThatMayBeSent) {
  for (const int code : {1000, 1001, 1002, 1003, 1007, 1008, 1013, 1014, 3000, 3999, 4000, 4999}) {
    EXPECT_TRUE(is_valid_close_code(static_cast<std::uint16_t>(code))) << code;
  }
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535}) {
    EXPECT_FALSE(is_valid_close_code(static_cast<std::uint16_t>(code))) << code;
  }
}

}  // namespace
}  // namespace notifications::websocket
