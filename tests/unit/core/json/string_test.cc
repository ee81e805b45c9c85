#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

#include "core/json/scanner.h"

namespace notifications::json {
namespace {

using namespace std::string_literals;

std::string encoded(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

TEST(JsonString, DecodesEachEscape) {
  EXPECT_EQ(decode_string(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(decode_string(R"("\u0000\u0041\u00e9\u20AC")"), "\0Aé€"s);
  EXPECT_EQ(decode_string(R"("\uD83D\uDE00")"), "😀");
  EXPECT_EQ(decode_string(R"("\udbff\udfff")"), "\xF4\x8F\xBF\xBF");
}

TEST(JsonString, KeepsLoneSurrogatesInThreeBytes) {
  EXPECT_EQ(decode_string(R"("\ud800")"), "\xED\xA0\x80");
  EXPECT_EQ(decode_string(R"("\udfff")"), "\xED\xBF\xBF");
  EXPECT_EQ(decode_string(R"("\udc00\ud800")"), "\xED\xB0\x80\xED\xA0\x80");
  EXPECT_EQ(decode_string(R"("\ud800\ud83d\ude00")"), "\xED\xA0\x80😀");
  EXPECT_EQ(decode_string(R"("\ud83d\u0041")"),
            "\xED\xA0\xBD"
            "A");
  EXPECT_EQ(decode_string(R"("\ud83d\n")"), "\xED\xA0\xBD\n");
}

TEST(JsonString, DecodesNothingButOneString) {
  for (const char* text : {"", "1", "\"a", "a\"", "\"a\"b", "\"a\" \"b\"", "[\"a\"]", "null"}) {
    EXPECT_EQ(decode_string(text), std::nullopt) << text;
  }
}

// The expectations are what JSON.stringify of Node writes.
TEST(JsonString, EncodesAsJsonStringifyDoes) {
  EXPECT_EQ(encoded(""), R"("")");
  EXPECT_EQ(encoded("a/b\"c\\d"), R"("a/b\"c\\d")");
  EXPECT_EQ(encoded("\b\t\n\f\r"), R"("\b\t\n\f\r")");
  EXPECT_EQ(encoded("\0\x01\x0b\x1f\x7f"s), "\"\\u0000\\u0001\\u000b\\u001f\x7f\"");
  EXPECT_EQ(encoded("é€😀\xE2\x80\xA8"), "\"é€😀\xE2\x80\xA8\"");
  EXPECT_EQ(encoded("\xED\xA0\x80"), R"("\ud800")");
  EXPECT_EQ(encoded("x\xED\xBF\xBFy"), R"("x\udfffy")");
  EXPECT_EQ(encoded("\xED\x9F\xBF\xEE\x80\x80"), "\"\xED\x9F\xBF\xEE\x80\x80\"");
}

TEST(JsonString, AppendsBehindWhatIsThere) {
  std::string out = "[1,";
  append_string(out, "a");
  EXPECT_EQ(out, R"([1,"a")");
}

// Every UTF-16 code unit alone, and with a neighbour that could pair up with it.
TEST(JsonString, GivesEveryCodeUnitBackAsItWas) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (unsigned unit = 0; unit < 0x10000; ++unit) {
    std::string escape = "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) escape += kHex[(unit >> shift) & 0xF];
    for (const char* tail : {"", "\\ud800", "x", "\\n"}) {
      const auto text = decode_string("\"" + escape + tail + "\"");
      ASSERT_TRUE(text) << escape << tail;
      const std::string once = encoded(*text);
      ASSERT_TRUE(is_valid(once)) << escape << tail;
      ASSERT_EQ(decode_string(once), *text) << escape << tail;
      const bool surrogate = unit >= 0xD800 && unit < 0xE000;
      ASSERT_TRUE(!surrogate || once.substr(1, 6) == escape) << once;
    }
  }
}

}  // namespace
}  // namespace notifications::json
