#include "edge/websocket/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace notifications::websocket {
namespace {

using std::string_view_literals::operator""sv;

// At every place relative to the sixteen bytes that are looked at together.
void expect_everywhere(std::string_view bytes, bool valid) {
  for (std::size_t before = 0; before < 20; ++before) {
    for (const std::size_t after : {0u, 1u, 17u}) {
      const std::string text =
          std::string(before, 'a') + std::string(bytes) + std::string(after, 'b');
      EXPECT_EQ(is_valid_utf8(text), valid) << before << " before, " << after << " after";
    }
  }
}

TEST(Utf8, AcceptsTheFirstAndLastCharacterOfEachLength) {
  for (const std::string_view bytes :
       {""sv, "\0"sv, "\x7F"sv, "\xC2\x80"sv, "\xDF\xBF"sv, "\xE0\xA0\x80"sv, "\xED\x9F\xBF"sv,
        "\xEE\x80\x80"sv, "\xEF\xBF\xBF"sv, "\xF0\x90\x80\x80"sv, "\xF4\x8F\xBF\xBF"sv}) {
    expect_everywhere(bytes, true);
  }
}

TEST(Utf8, RefusesWhatIsMalformed) {
  for (const std::string_view bytes : {"\x80"sv,
                                       "\xBF"sv,
                                       "\xFF"sv,
                                       "\xFE"sv,  // no first byte
                                       "\xC0\x80"sv,
                                       "\xC1\xBF"sv,
                                       "\xE0\x80\x80"sv,  // overlong
                                       "\xE0\x9F\xBF"sv,
                                       "\xF0\x80\x80\x80"sv,
                                       "\xF0\x8F\xBF\xBF"sv,
                                       "\xED\xA0\x80"sv,
                                       "\xED\xBF\xBF"sv,  // surrogates
                                       "\xF4\x90\x80\x80"sv,
                                       "\xF5\x80\x80\x80"sv,  // beyond U+10FFFF
                                       "\xC2"sv,
                                       "\xE2\x82"sv,
                                       "\xF0\x9F\x98"sv,  // cut short
                                       "\xC2\x41"sv,
                                       "\xE2\x41\x80"sv,
                                       "\xE2\x82\x41"sv,
                                       "\xF0\x9F\x98\x41"sv}) {
    expect_everywhere(bytes, false);
  }
}

}  // namespace
}  // namespace notifications::websocket
