#include "core/position.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace notifications {
namespace {

TEST(StreamId, ReadsWhatItWrites) {
  for (const char* text :
       {"0-0", "1-0", "0-1", "1718000000000-42", "18446744073709551615-18446744073709551615"}) {
    const auto id = parse_stream_id(text);
    ASSERT_TRUE(id) << text;
    EXPECT_EQ(id->text(), text);
  }
}

TEST(StreamId, OrdersByMillisecondThenNumber) {
  EXPECT_LT((StreamId{9, 5}), (StreamId{10, 0}));
  EXPECT_LT((StreamId{9, 9}), (StreamId{9, 10}));
  EXPECT_EQ((StreamId{9, 9}), (StreamId{9, 9}));
}

TEST(StreamId, RefusesWhatRedisWouldNotWrite) {
  for (const char* text : {"",
                           "-",
                           "1",
                           "1-",
                           "-1",
                           "1-2-3",
                           "1 -2",
                           " 1-2",
                           "1-2 ",
                           "+1-2",
                           "1-+2",
                           "--2",
                           "01-2",
                           "1-02",
                           "00-0",
                           "1-0x2",
                           "a-b",
                           "18446744073709551616-0",
                           "0-18446744073709551616",
                           "1-2\n",
                           "1.5-0"}) {
    EXPECT_FALSE(parse_stream_id(text)) << text;
  }
  EXPECT_FALSE(parse_stream_id(std::string_view("1-2\0", 4)));
}

TEST(Position, ReadsWhatItWrites) {
  for (const char* text : {"e.0-0", "Az09_-.1718000000000-7", "-.1-1"}) {
    const auto position = parse_position(text);
    ASSERT_TRUE(position) << text;
    EXPECT_EQ(position->text(), text);
  }
  const std::string longest = std::string(64, 'e') + ".1-2";
  ASSERT_TRUE(parse_position(longest));
  EXPECT_EQ(parse_position(longest)->epoch, std::string(64, 'e'));
}

TEST(Position, RefusesWhatIsNoneOfOurs) {
  for (const char* text :
       {"", ".", ".1-2", "e", "e.", "e1-2", "e.1", "e..1-2", "e.1-2.", "e f.1-2", "e/.1-2", "é.1-2",
        "e.1-2 ", "e:1-2", "e.01-2", "e.-1-2", "e.1-2,e.3-4"}) {
    EXPECT_FALSE(parse_position(text)) << text;
  }
  EXPECT_FALSE(parse_position(std::string(65, 'e') + ".1-2"));
  EXPECT_FALSE(parse_position(std::string_view("e\0.1-2", 6)));
}

TEST(Position, IsEqualOnlyWithinOneEpoch) {
  EXPECT_EQ(*parse_position("a.1-2"), (Position{"a", {1, 2}}));
  EXPECT_NE(*parse_position("a.1-2"), *parse_position("b.1-2"));
  EXPECT_NE(*parse_position("a.1-2"), *parse_position("a.1-3"));
}

}  // namespace
}  // namespace notifications
