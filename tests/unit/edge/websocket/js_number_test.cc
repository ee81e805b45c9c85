#include "edge/websocket/js_number.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace notifications::websocket {
namespace {

// A text and String(Number(text)) as Node prints it.
struct Row {
  std::string_view text;
  std::string_view expected;
};

TEST(JsNumber, ReadsAndWritesAsNodeDoes) {
  constexpr Row kRows[] = {
      {"", "0"},
      {" ", "0"},
      {"\t\n\v\f\r\u00A0\uFEFF\u1680\u2000\u200A\u2028\u2029\u202F\u205F\u3000", "0"},
      {"\u180E", "NaN"},
      {"\u200B", "NaN"},
      {"\u0085", "NaN"},
      {"1", "1"},
      {"-1", "-1"},
      {"+1", "1"},
      {"--1", "NaN"},
      {"-0", "0"},
      {"007", "7"},
      {" 12\u3000", "12"},
      {"1 2", "NaN"},
      {"1.", "1"},
      {".5", "0.5"},
      {".", "NaN"},
      {"+.", "NaN"},
      {"1.5.", "NaN"},
      {"1e3", "1000"},
      {"1E+3", "1000"},
      {"1e", "NaN"},
      {"e1", "NaN"},
      {"1e21", "1e+21"},
      {"1e20", "100000000000000000000"},
      {"123456789012345680000", "123456789012345680000"},
      {"1.5e300", "1.5e+300"},
      {"1e-6", "0.000001"},
      {"1e-7", "1e-7"},
      {"1.25e-7", "1.25e-7"},
      {"-123.456", "-123.456"},
      {"0.1", "0.1"},
      {"9007199254740993", "9007199254740992"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"1.8e308", "Infinity"},
      {"-1e999", "-Infinity"},
      {"1e-999", "0"},
      {"5e-324", "5e-324"},
      {"0x1F", "31"},
      {"0XfF", "255"},
      {"0b101", "5"},
      {"0O17", "15"},
      {"0x", "NaN"},
      {"0b2", "NaN"},
      {"0o8", "NaN"},
      {"-0x1", "NaN"},
      {"0x1.8", "NaN"},
      {"Infinity", "Infinity"},
      {"+Infinity", "Infinity"},
      {"-Infinity", "-Infinity"},
      {"infinity", "NaN"},
      {"inf", "NaN"},
      {"NaN", "NaN"},
      {"1_000", "NaN"},
      {"1n", "NaN"},
      {"\u0661", "NaN"},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(js_to_string(js_to_number(row.text)), row.expected) << "'" << row.text << "'";
  }
}

TEST(JsNumber, ReadsAMillionDigits) {
  EXPECT_EQ(js_to_string(js_to_number(std::string(1'000'000, '7'))), "Infinity");
  EXPECT_EQ(js_to_string(js_to_number(std::string(1'000'000, '0') + "1")), "1");
}

}  // namespace
}  // namespace notifications::websocket
