#include "core/json/scanner.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace notifications::json {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

// Both tables were held against JSON.parse of Node (with a fatal UTF-8 decoder before it).
const std::vector<std::string> kAccepted = {
    "null",
    "true",
    "false",
    "0",
    "-0",
    "7",
    "-7",
    "10",
    "1234567890123456789012345678901234567890",
    "0.0",
    "-0.0",
    "1.5",
    "0.000000000000000000000000000001",
    "1e1",
    "1E1",
    "1e+1",
    "1e-1",
    "0e0",
    "0E+00",
    "-0e-0",
    "1e400",
    "-1e400",
    "1e-400",
    "9007199254740993",
    "1.7976931348623159e308",
    R"("")",
    R"("a")",
    R"(" ")",
    R"("\"")",
    R"("\\")",
    R"("\/")",
    R"("/")",
    R"("\b\f\n\r\t")",
    R"("\u0000")",
    R"("\u001f")",
    R"("\uabCD")",
    R"("\uFFFF")",
    R"("\ud83d\ude00")",
    R"("\ud800")",
    R"("\udc00")",
    R"("\ud800x")",
    R"("\ud800\n")",
    R"("\ud800\ud800\udc00")",
    R"("\udc00\ud800")",
    R"("\ud800\u0041")",
    "\"\x7f\"",
    "\"\xC2\x80\"",
    "\"\xDF\xBF\"",
    "\"\xE0\xA0\x80\"",
    "\"\xED\x9F\xBF\"",
    "\"\xEE\x80\x80\"",
    "\"\xEF\xBF\xBF\"",
    "\"\xEF\xBB\xBF\"",
    "\"\xE2\x80\xA8\xE2\x80\xA9\"",
    "\"\xF0\x90\x80\x80\"",
    "\"\xF4\x8F\xBF\xBF\"",
    "[]",
    "[ ]",
    "[\n]",
    "[0]",
    "[0,1]",
    "[[]]",
    "[[],[[]]]",
    "[null,true,false]",
    R"(["a","b"])",
    "{}",
    "{ }",
    R"({"a":0})",
    R"({"":0})",
    R"({"a":0,"a":1})",
    R"({"a":{"a":{}}})",
    R"({"__proto__":1})",
    R"({ "a" : 1 , "b" : [ { } ] })",
    R"({"\u0061":1})",
    " null",
    "null ",
    "\t\n\r 1 \t\n\r",
    "[1 ,\t2\r,\n3 ]",
    "\n\"a\"\n",
};

const std::vector<std::string> kRefused = {
    "",
    " ",
    "\t\n",
    "nul",
    "nulll",
    "NULL",
    "Null",
    "tru",
    "truefalse",
    "true false",
    "undefined",
    "NaN",
    "Infinity",
    "-Infinity",
    "n",
    "t",
    "f",
    "-",
    "+",
    "+1",
    "--1",
    "00",
    "01",
    "-01",
    "-00",
    "1.",
    ".1",
    "-.1",
    "1.e1",
    "1e",
    "1e+",
    "1e-",
    "1E",
    "1ee1",
    "1e1.5",
    "1.2.3",
    "0x1",
    "1_000",
    "1,",
    "1 2",
    "1a",
    "-a",
    "0b",
    "1e 1",
    "- 1",
    "\xEF\xBC\x91",
    R"(")",
    R"("a)",
    R"('a')",
    R"("\")",
    R"("\x41")",
    R"("\a")",
    R"("\0")",
    R"("\v")",
    R"("\')",
    R"("\U0041")",
    R"("\u")",
    R"("\u1")",
    R"("\u12")",
    R"("\u123")",
    R"("\u123g")",
    R"("\u 123")",
    R"("\u+123")",
    R"("\ud800\u")",
    R"("\ud800\u12")",
    R"("\ud800\uzzzz")",
    R"("a"b)",
    R"("a""b")",
    "\"\\\n\"",
    "\"\n\"",
    "\"\t\"",
    "\"\r\"",
    "\"\x01\"",
    "\"\x1f\"",
    "\"\0\""s,
    "\"\x80\"",
    "\"\xBF\"",
    "\"\xC0\x80\"",
    "\"\xC1\xBF\"",
    "\"\xC2\"",
    "\"\xC2\x41\"",
    "\"\xE0\x80\x80\"",
    "\"\xE0\x9F\xBF\"",
    "\"\xE2\x80\"",
    "\"\xE2\x28\xA8\"",
    "\"\xED\xA0\x80\"",
    "\"\xED\xBF\xBF\"",
    "\"\xF0\x80\x80\x80\"",
    "\"\xF0\x8F\xBF\xBF\"",
    "\"\xF0\x90\x80\"",
    "\"\xF4\x90\x80\x80\"",
    "\"\xF5\x80\x80\x80\"",
    "\"\xFF\"",
    "\"\xFE\"",
    "\"\xC2",
    "\"\xE2\x80",
    "\"\xF0\x90\x80",
    "[",
    "]",
    "[[]",
    "[]]",
    "[1",
    "[1,",
    "[,",
    "[,1]",
    "[1,]",
    "[1,,2]",
    "[1 2]",
    "[1:2]",
    "[}",
    R"(["a)",
    R"(["a":1])",
    "[1}",
    "[nul]",
    "{",
    "}",
    "{}}",
    "{{}",
    "{]",
    R"({"a")",
    R"({"a":)",
    R"({"a":1)",
    R"({"a":1,)",
    R"({"a"})",
    R"({"a":})",
    R"({"a":1,})",
    R"({,"a":1})",
    R"({"a":1 "b":2})",
    R"({"a":1,,"b":2})",
    R"({"a" 1})",
    R"({"a"::1})",
    R"({a:1})",
    R"({'a':1})",
    R"({1:1})",
    R"({null:1})",
    R"({[]:1})",
    R"({"a":1])",
    R"({"a","b"})",
    R"({"a":1:2})",
    "\xEF\xBB\xBF{}",
    "\xC2\xA0{}",
    "{}\xC2\xA0",
    "\v1",
    "\f1",
    "1\v",
    "\xE2\x80\xA8{}",
    "{}\0"s,
    "\0{}"s,
    "// c\n1",
    "/* c */1",
    "1 // c",
    "[1/**/]",
    "# 1",
};

TEST(JsonScanner, AcceptsWhatRfc8259CallsJson) {
  for (const std::string& text : kAccepted) EXPECT_TRUE(is_valid(text)) << text;
}

TEST(JsonScanner, RefusesEverythingElse) {
  for (const std::string& text : kRefused) EXPECT_FALSE(is_valid(text)) << text;
}

// The same texts as a value among others, behind a long string: the fast path over plain
// characters must not run past what it should see.
TEST(JsonScanner, JudgesAValueAlikeWhereverItStands) {
  for (std::size_t pad = 0; pad < 17; ++pad) {
    const std::string before = "[\"" + std::string(pad, 'x') + "\",";
    for (const std::string& text : kAccepted) EXPECT_TRUE(is_valid(before + text + "]")) << text;
  }
  for (const std::string& text : kRefused) {
    // Some texts become another valid one when wrapped: a comma or bracket joins the wrapping.
    if (text.find_first_of(",[]") != text.npos) continue;
    EXPECT_FALSE(is_valid("[0," + text + "]")) << text;
  }
}

TEST(JsonScanner, RefusesEveryTruncationOfAText) {
  const std::string text = R"({"a":[1.5e+3,"\u00e9\ud83d\ude00é",{"b":null}],"c":[true,false]})";
  ASSERT_TRUE(is_valid(text));
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(is_valid(text.substr(0, size))) << size;
  }
}

// Every byte, at every offset to the words the scanner reads.
TEST(JsonScanner, FindsEachForbiddenByteInAStringWhereverItStands) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
    for (std::size_t at = 0; at < 19; ++at) {
      std::string text = "\"" + std::string(19, ' ') + "\"";
      text[1 + at] = static_cast<char>(byte);
      EXPECT_EQ(is_valid(text), plain) << byte << " at " << at;
    }
  }
}

std::string nested(int arrays) {
  return std::string(static_cast<std::size_t>(arrays), '[') +
         std::string(static_cast<std::size_t>(arrays), ']');
}

TEST(JsonScanner, StopsAtTheDepthItWasTold) {
  EXPECT_TRUE(is_valid(nested(512)));
  EXPECT_FALSE(is_valid(nested(513)));
  EXPECT_TRUE(is_valid("1", 0));
  EXPECT_FALSE(is_valid("[]", 0));
  EXPECT_TRUE(is_valid(nested(kDepthLimit), kDepthLimit));
  EXPECT_FALSE(is_valid(nested(kDepthLimit + 1), kDepthLimit));
  EXPECT_FALSE(is_valid(std::string(1'000'000, '['), kDepthLimit));
}

TEST(JsonScanner, SaysThatAValueIsTooDeepApartFromBadSyntax) {
  const std::string deep = nested(3);
  Scanner in(deep, 2);
  std::string_view raw;
  EXPECT_FALSE(in.skip_value(raw));
  EXPECT_TRUE(in.too_deep());
  Scanner bad("[[}", 2);
  EXPECT_FALSE(bad.skip_value(raw));
  EXPECT_FALSE(bad.too_deep());
}

// Levels of both kinds, many times over the 64 that one word of notes holds.
TEST(JsonScanner, RemembersWhichBracketEachLevelNeeds) {
  std::string open;
  std::string close;
  for (int i = 0; i < 300; ++i) {
    const bool object = (i * 7 + i / 64) % 3 == 0;
    open += object ? "{\"k\":" : "[";
    close.insert(0, object ? "}" : "]");
  }
  EXPECT_TRUE(is_valid(open + "0" + close));
  for (std::size_t i = 0; i < close.size(); ++i) {
    std::string wrong = close;
    wrong[i] = wrong[i] == '}' ? ']' : '}';
    EXPECT_FALSE(is_valid(open + "0" + wrong)) << i;
  }
}

TEST(JsonScanner, WalksAnObjectMemberByMember) {
  Scanner in(R"( { "a" : 1 , "\u0062" : [ 2 ] , "c":"x" } )");
  std::string key;
  std::string_view raw;
  ASSERT_TRUE(in.enter_object());
  ASSERT_TRUE(in.next_key(key));
  EXPECT_EQ(key, "a");
  ASSERT_TRUE(in.skip_value(raw));
  EXPECT_EQ(raw, "1");
  ASSERT_TRUE(in.next_key(key));
  EXPECT_EQ(key, "b");
  EXPECT_EQ(in.peek(), Kind::kArray);
  ASSERT_TRUE(in.skip_value(raw));
  EXPECT_EQ(raw, "[ 2 ]");
  ASSERT_TRUE(in.next_key(key));
  std::string text;
  ASSERT_TRUE(in.read_string(text));
  EXPECT_EQ(text, "x");
  EXPECT_FALSE(in.next_key(key));
  EXPECT_FALSE(in.failed());
  EXPECT_TRUE(in.finish());
}

TEST(JsonScanner, WalksNestedArraysElementByElement) {
  Scanner in("[ [1,2] , [] , 3 ]");
  std::string_view raw;
  ASSERT_TRUE(in.enter_array());
  ASSERT_TRUE(in.next_element());
  ASSERT_TRUE(in.enter_array());
  ASSERT_TRUE(in.next_element());
  ASSERT_TRUE(in.skip_value(raw));
  ASSERT_TRUE(in.next_element());
  ASSERT_TRUE(in.skip_value(raw));
  EXPECT_EQ(raw, "2");
  EXPECT_FALSE(in.next_element());
  ASSERT_TRUE(in.next_element());
  ASSERT_TRUE(in.enter_array());
  EXPECT_FALSE(in.next_element());
  ASSERT_TRUE(in.next_element());
  ASSERT_TRUE(in.skip_value(raw));
  EXPECT_EQ(raw, "3");
  EXPECT_FALSE(in.next_element());
  EXPECT_TRUE(in.finish());
}

// Walks a text of nested arrays and objects down to its scalars by the stepping functions alone.
bool walk(Scanner& in) {
  std::string text;
  std::string_view raw;
  switch (in.peek()) {
    case Kind::kObject:
      in.enter_object();
      while (in.next_key(text)) {
        if (!walk(in)) return false;
      }
      return !in.failed();
    case Kind::kArray:
      in.enter_array();
      while (in.next_element()) {
        if (!walk(in)) return false;
      }
      return !in.failed();
    case Kind::kString:
      return in.read_string(text);
    default:
      return in.skip_value(raw);
  }
}

TEST(JsonScanner, SteppingThroughATextJudgesItAsSkippingItDoes) {
  for (const auto* table : {&kAccepted, &kRefused}) {
    for (const std::string& text : *table) {
      Scanner in(text);
      const bool stepped = walk(in) && in.finish();
      EXPECT_EQ(stepped, is_valid(text)) << text;
    }
  }
}

TEST(JsonScanner, TellsTheKindOfAValueWithoutConsumingIt) {
  const std::vector<std::pair<std::string_view, Kind>> kinds = {
      {" null", Kind::kNull}, {"true", Kind::kBool},  {"false", Kind::kBool},
      {"-1", Kind::kNumber},  {"0", Kind::kNumber},   {R"("")", Kind::kString},
      {"[", Kind::kArray},    {"{", Kind::kObject},   {"", Kind::kInvalid},
      {"  ", Kind::kInvalid}, {"+1", Kind::kInvalid}, {"}", Kind::kInvalid},
  };
  for (const auto& [text, kind] : kinds) {
    Scanner in(text);
    EXPECT_EQ(in.peek(), kind) << text;
    EXPECT_EQ(in.peek(), kind) << text;
    EXPECT_FALSE(in.failed());
  }
}

TEST(JsonScanner, StepsOnlyIntoWhatItIsAskedFor) {
  Scanner in("[1]");
  EXPECT_FALSE(in.enter_object());
  EXPECT_FALSE(in.failed());
  EXPECT_TRUE(in.enter_array());
}

TEST(JsonScanner, FailsForGoodAndSaysWhere) {
  Scanner in("[1,x]");
  std::string_view raw;
  EXPECT_FALSE(in.skip_value(raw));
  EXPECT_STREQ(in.error(), "expected a value");
  EXPECT_EQ(in.offset(), 3u);
  std::string key;
  EXPECT_FALSE(in.skip_value(raw));
  EXPECT_FALSE(in.next_key(key));
  EXPECT_FALSE(in.next_element());
  EXPECT_FALSE(in.enter_array());
  EXPECT_FALSE(in.finish());
  EXPECT_EQ(in.peek(), Kind::kInvalid);
}

TEST(JsonScanner, GivesTheExactTextOfAValueWithoutTheSpaceAroundIt) {
  const std::string text = " \t{ \"a\" :\n[ 1.50 , -0 ,1E+2, \"\\u00E9\" ] }\r\n ";
  Scanner in(text);
  std::string_view raw;
  ASSERT_TRUE(in.skip_value(raw));
  EXPECT_EQ(raw, "{ \"a\" :\n[ 1.50 , -0 ,1E+2, \"\\u00E9\" ] }");
  EXPECT_EQ(raw.data(), text.data() + 2);
  EXPECT_TRUE(in.finish());
}

}  // namespace
}  // namespace notifications::json
