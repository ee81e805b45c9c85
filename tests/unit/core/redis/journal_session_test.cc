#include "core/redis/journal_session.h"

#include <gtest/gtest.h>

namespace notifications::redis {
namespace {

Position at(const char* text) { return *parse_position(text); }

TEST(SessionText, IsShortAndReadable) {
  SessionRecord record;
  record.sid = "sid-1";
  record.sent = at("e.5-0");
  record.checked = at("e.9-2");
  record.rooms = {{"graph", at("e.3-0")}, {"thread:a", at("f.1-1")}, {"node:b", at("f.2-0")}};
  EXPECT_EQ(encode_session(record),
            "sid-1\ne.5-0\n.9-2\ngraph .3-0\nthread:a f.1-1\nnode:b .2-0\n");
}

TEST(SessionText, ComesBackAsItWas) {
  SessionRecord record;
  record.sid = "sid";
  record.checked = at("e.9-2");
  record.rooms = {{"graph", at("e.3-0")}, {"thread:a", at("f.1-1")}, {"graph", at("e.4-0")}};
  const auto back = decode_session(encode_session(record));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->sid, "sid");
  EXPECT_FALSE(back->sent);
  EXPECT_EQ(back->checked, record.checked);
  ASSERT_EQ(back->rooms.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back->rooms[i].name, record.rooms[i].name);
    EXPECT_EQ(back->rooms[i].since, record.rooms[i].since);
  }
}

TEST(SessionText, WhatIsNoneIsRefused) {
  for (const char* text :
       {"", "sid", "sid\n", "sid\n-\n", "sid\n-\n-", "sid\nx\n-\n", "sid\n.5-0\n-\n",
        "sid\n-\n-\ngraph\n", "sid\n-\n-\ngraph \n", "sid\n-\n-\ngraph -\n",
        "sid\n-\n-\ngraph e.1-0", "sid\n-\n-\ngraph .1-0\n", "sid\n\n-\n"}) {
    EXPECT_FALSE(decode_session(text)) << text;
  }
}

}  // namespace
}  // namespace notifications::redis
