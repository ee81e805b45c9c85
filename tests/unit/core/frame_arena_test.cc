#include "core/frame_arena.h"

#include <gtest/gtest.h>

#include <string>

namespace notifications {
namespace {

TEST(FrameArena, LaysFramesSideBySide) {
  FrameArena arena;
  const SharedBytes first = arena.place("first");
  const SharedBytes second = arena.place("second");
  EXPECT_EQ(first.bytes, "first");
  EXPECT_EQ(second.bytes, "second");
  EXPECT_EQ(first.bytes.data() + first.bytes.size(), second.bytes.data());
  EXPECT_EQ(first.owner, second.owner);
}

TEST(FrameArena, BeginsABlockWhenOneIsFull) {
  FrameArena arena;
  const std::string frame(FrameArena::kLargest, 'x');
  const SharedBytes first = arena.place(frame);
  SharedBytes last;
  for (std::size_t i = 1; i < FrameArena::kBlock / FrameArena::kLargest; ++i)
    last = arena.place(frame);
  EXPECT_EQ(last.owner, first.owner);
  const SharedBytes next = arena.place("next");
  EXPECT_NE(next.owner, first.owner);
  EXPECT_EQ(next.bytes, "next");
  EXPECT_EQ(first.bytes, frame);
}

TEST(FrameArena, LetsALargeFrameStandAlone) {
  FrameArena arena;
  const SharedBytes small = arena.place("small");
  const SharedBytes large = arena.place(std::string(FrameArena::kLargest + 1, 'x'));
  const SharedBytes behind = arena.place("behind");
  EXPECT_NE(large.owner, small.owner);
  EXPECT_EQ(large.owner.use_count(), 1);
  EXPECT_EQ(behind.owner, small.owner);
}

TEST(FrameArena, KeepsAFrameBeyondItself) {
  SharedBytes kept;
  {
    FrameArena arena;
    kept = arena.place("kept");
  }
  EXPECT_EQ(kept.bytes, "kept");
  EXPECT_EQ(kept.owner.use_count(), 1);
}

}  // namespace
}  // namespace notifications
