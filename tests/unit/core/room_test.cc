#include "core/room.h"

#include <gtest/gtest.h>

#include <string>

namespace notifications {
namespace {

using namespace std::string_literals;

TEST(Room, AcceptsTheRoomsOfTheContract) {
  const std::string longest(64, 'a');
  for (const std::string& room :
       {"graph"s, "threads"s, "thread:1"s, "run:a-Z-9"s, "node:-"s, "Thread:1"s, "RUN:x"s,
        "nODE:0"s, "thread:" + longest, "thread:00000000-0000-4000-8000-000000000000"s,
        "thread:thread"s}) {
    EXPECT_TRUE(is_valid_room(room)) << room;
  }
}

TEST(Room, RefusesEverythingElse) {
  const std::string too_long(65, 'a');
  for (const std::string& room : {""s,
                                  " "s,
                                  "Graph"s,
                                  "GRAPH"s,
                                  "graph "s,
                                  " graph"s,
                                  "graph:"s,
                                  "graph:1"s,
                                  "graphs"s,
                                  "Threads"s,
                                  "threads:1"s,
                                  "thread"s,
                                  "thread:"s,
                                  "run:"s,
                                  "node:"s,
                                  "thread::1"s,
                                  "thread:1:2"s,
                                  "thread:a b"s,
                                  "thread: 1"s,
                                  "thread:1 "s,
                                  "thread:1\n"s,
                                  "thread:\n"s,
                                  "graph\n"s,
                                  "threads\n"s,
                                  "thread:1\r\n"s,
                                  "thread:1\0"s,
                                  "graph\0"s,
                                  "thread:a_b"s,
                                  "thread:a.b"s,
                                  "thread:a/b"s,
                                  "thread:*"s,
                                  "*"s,
                                  "user:1"s,
                                  "thread;1"s,
                                  "thread:é"s,
                                  "thread:" + too_long,
                                  "node:" + too_long,
                                  "\xE2\x84\xAA:1"s,
                                  "thre\xC3\xA1"s,
                                  "thread:\xEF\xBC\x91"s,
                                  "xthread:1"s,
                                  "thread:1,run:2"s}) {
    EXPECT_FALSE(is_valid_room(room)) << room;
  }
}

// U+017F folds to s and U+212A to k in Unicode: not here.
TEST(Room, FoldsAsciiOnly) {
  EXPECT_FALSE(is_valid_room("thread\xC5\xBF"));
  EXPECT_FALSE(is_valid_room("thread:\xE2\x84\xAA"));
}

// Every byte as a prefix's letter and as an id's.
TEST(Room, KnowsExactlyTheCharactersOfAnId) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool id =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    EXPECT_EQ(is_valid_room("run:"s + c), id) << byte;
    EXPECT_EQ(is_valid_room("run:a"s + c + "b"), id) << byte;
    EXPECT_EQ(is_valid_room("ru"s + c + ":1"), c == 'n' || c == 'N') << byte;
    EXPECT_EQ(is_valid_room("run"s + c + "1"), c == ':') << byte;
  }
}

TEST(Room, TellsTheKindOfARoomWithAnId) {
  EXPECT_EQ(room_kind("thread:1"), RoomKind::kThread);
  EXPECT_EQ(room_kind("RUN:1"), RoomKind::kRun);
  EXPECT_EQ(room_kind("Node:1"), RoomKind::kNode);
  EXPECT_EQ(room_kind("graph"), std::nullopt);
  EXPECT_EQ(room_kind("threads"), std::nullopt);
}

TEST(RoomPattern, ReadsExactRoomsAsTheyAreWritten) {
  for (const char* room : {"graph", "threads", "thread:42", "NODE:x"}) {
    const auto pattern = parse_room_pattern(room);
    ASSERT_TRUE(pattern) << room;
    EXPECT_EQ(pattern->scope, RoomPattern::Scope::kExact);
    EXPECT_EQ(pattern->room, room);
  }
}

TEST(RoomPattern, ReadsAllRoomsAndAllRoomsOfAKind) {
  ASSERT_TRUE(parse_room_pattern("*"));
  EXPECT_EQ(parse_room_pattern("*")->scope, RoomPattern::Scope::kAll);
  const auto thread = parse_room_pattern("thread:*");
  const auto run = parse_room_pattern("Run:*");
  const auto node = parse_room_pattern("NODE:*");
  ASSERT_TRUE(thread && run && node);
  EXPECT_EQ(thread->scope, RoomPattern::Scope::kKind);
  EXPECT_EQ(thread->kind, RoomKind::kThread);
  EXPECT_EQ(run->kind, RoomKind::kRun);
  EXPECT_EQ(node->kind, RoomKind::kNode);
}

TEST(RoomPattern, RefusesEveryOtherStar) {
  for (const char* text : {"", "**", "* ", "graph*", "graph:*", "threads*", "threads:*", "thread*",
                           "thread:1*", "thread:**", "thread:*x", "user:*", "thread:", "*:1"}) {
    EXPECT_FALSE(parse_room_pattern(text)) << text;
  }
}

}  // namespace
}  // namespace notifications
