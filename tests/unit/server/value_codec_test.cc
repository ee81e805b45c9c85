#include "server/value_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

namespace notifications::server {
namespace {

using google::protobuf::Value;

std::string printed(double number) {
  std::string out;
  append_number(out, number);
  return out;
}

// The JSON text after a trip through Value; "" if Value cannot carry it.
std::string through_value(std::string_view json, ValueLimits limits = {98, 9 << 20}) {
  Value value;
  if (!value_of_json(json, limits, value)) return "";
  const auto text = json_of_value(value, 512);
  return text ? *text : "error: " + text.error().what;
}

std::string nested(int depth, const std::string& open, const std::string& close) {
  std::string out;
  for (int i = 0; i < depth; ++i) out += open;
  out += "1";
  for (int i = 0; i < depth; ++i) out += close;
  return out;
}

// As printed by JSON.stringify.
TEST(AppendNumber, PrintsAsJavaScriptDoes) {
  EXPECT_EQ(printed(0), "0");
  EXPECT_EQ(printed(-0.0), "0");
  EXPECT_EQ(printed(1), "1");
  EXPECT_EQ(printed(-42), "-42");
  EXPECT_EQ(printed(0.1), "0.1");
  EXPECT_EQ(printed(123.456), "123.456");
  EXPECT_EQ(printed(1e20), "100000000000000000000");
  EXPECT_EQ(printed(123456789012345680000.0), "123456789012345680000");
  EXPECT_EQ(printed(1e21), "1e+21");
  EXPECT_EQ(printed(1.5e300), "1.5e+300");
  EXPECT_EQ(printed(0.000001), "0.000001");
  EXPECT_EQ(printed(0.0000001), "1e-7");
  EXPECT_EQ(printed(-1.25e-9), "-1.25e-9");
  EXPECT_EQ(printed(9007199254740992.0), "9007199254740992");
  EXPECT_EQ(printed(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
  EXPECT_EQ(printed(5e-324), "5e-324");
}

TEST(AppendNumber, ReadsBackAsTheSameNumber) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = random();
    double number = 0;
    static_assert(sizeof bits == sizeof number);
    std::memcpy(&number, &bits, sizeof number);
    if (!std::isfinite(number)) continue;
    EXPECT_EQ(std::strtod(printed(number).c_str(), nullptr), number);
  }
}

TEST(ExactDouble, TakesWhatADoubleCarries) {
  for (const char* text : {"0",
                           "-0",
                           "0.0",
                           "0e999999999999",
                           "1",
                           "-1",
                           "1.0",
                           "1e0",
                           "10E-1",
                           "0.1",
                           "1.10",
                           "1e22",
                           "9007199254740992",
                           "9007199254740994",
                           "18446744073709551616",
                           "18446744073709552000",
                           "5e-324",
                           "1.7976931348623157e308",
                           "0.1000000000000000055511151231257827021181583404541015625",
                           "100000000000000000000000000000000000000000000000000e-50"})
    EXPECT_TRUE(exact_double(text)) << text;
}

TEST(ExactDouble, RefusesWhatADoubleLoses) {
  for (const char* text :
       {"9007199254740993", "-9007199254740993", "1e400", "-1e400", "1e-400",
        "1e999999999999999999", "0.10000000000000000001", "123456789012345678901234567890",
        "2e-324", "0.1000000000000000055511151231257827021181583404541015624"})
    EXPECT_FALSE(exact_double(text)) << text;
}

TEST(ValueOfJson, CarriesPlainJson) {
  EXPECT_EQ(through_value("null"), "null");
  EXPECT_EQ(through_value(" [ true , false , \"a\\u00e9\\n\" ] "), "[true,false,\"a\u00e9\\n\"]");
  EXPECT_EQ(through_value(R"({"b":1,"a":{"":[]},"c":{}})"), R"({"a":{"":[]},"b":1,"c":{}})");
  EXPECT_EQ(through_value(R"("\u0000\ud83d\ude00")"), "\"\\u0000\U0001F600\"");
}

TEST(ValueOfJson, RefusesWhatWouldBeLost) {
  EXPECT_EQ(through_value(R"("\ud800")"), "");
  EXPECT_EQ(through_value(R"({"\udfff":1})"), "");
  EXPECT_EQ(through_value(R"({"a":[9007199254740993]})"), "");
  EXPECT_EQ(through_value("[1e400]"), "");
  EXPECT_EQ(through_value(R"({"a":1,"a":1})"), "");
}

TEST(ValueOfJson, StopsAtTheDepthOfMessages) {
  // An array takes two messages (ListValue, Value), an object three (Struct, entry, Value).
  EXPECT_NE(through_value(nested(5, "[", "]"), {10, 1000}), "");
  EXPECT_EQ(through_value(nested(5, "[", "]"), {9, 1000}), "");
  EXPECT_NE(through_value(nested(3, "{\"a\":", "}"), {9, 1000}), "");
  EXPECT_EQ(through_value(nested(3, "{\"a\":", "}"), {8, 1000}), "");
  EXPECT_NE(through_value("[]", {1, 1000}), "");
  EXPECT_EQ(through_value("{}", {0, 1000}), "");
}

TEST(ValueOfJson, StopsAtItsSize) {
  EXPECT_NE(through_value("[1,1]", {98, 24}), "");
  EXPECT_EQ(through_value("[1,1,1]", {98, 24}), "");
  EXPECT_EQ(through_value("\"" + std::string(30, 'x') + "\"", {98, 24}), "");
}

TEST(JsonOfValue, NamesWhatIsWrongAndWhere) {
  Value value;
  auto text = json_of_value(value, 512);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().path + " " + text.error().what, " has no kind");

  auto& list = *(*value.mutable_struct_value()->mutable_fields())["state"].mutable_list_value();
  list.add_values()->set_number_value(1);
  list.add_values()->set_number_value(std::nan(""));
  text = json_of_value(value, 512);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().path + " " + text.error().what, ".state[1] is not a finite number");
}

TEST(JsonOfValue, TakesFiveHundredAndTwelveLevelsAndNoMore) {
  Value value;
  Value* inner = &value;
  for (int i = 0; i < 512; ++i) inner = inner->mutable_list_value()->add_values();
  inner->set_bool_value(true);
  ASSERT_TRUE(json_of_value(value, 512));
  EXPECT_EQ(json_of_value(value, 512)->size(), 512 * 2 + 4u);
  inner->mutable_struct_value();
  const auto text = json_of_value(value, 512);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().what, "is nested more than 512 deep");
}

TEST(ToValidUtf8, ReplacesLoneSurrogatesOnly) {
  EXPECT_EQ(to_valid_utf8("plain \u00e9 \U0001F600 \u2028"), "plain \u00e9 \U0001F600 \u2028");
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"
                          "a"
                          "\xED\xBF\xBF"),
            "\uFFFD"
            "a"
            "\uFFFD");
  EXPECT_EQ(to_valid_utf8("\xED\x9F\xBF"), "\xED\x9F\xBF");  // U+D7FF is a character
}

}  // namespace
}  // namespace notifications::server
