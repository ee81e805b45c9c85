#include "core/runtime/memory.h"

#include <gtest/gtest.h>

#include <cstddef>

namespace notifications {
namespace {

TEST(MemoryTrim, IsDueOnceWhenHalfOfACrowdHasGone) {
  MemoryTrim trim;
  EXPECT_FALSE(trim.due(1000));
  EXPECT_FALSE(trim.due(501));
  EXPECT_TRUE(trim.due(500));
  EXPECT_FALSE(trim.due(500));
  EXPECT_FALSE(trim.due(251));
  EXPECT_TRUE(trim.due(250));
}

TEST(MemoryTrim, DoesNotHurryForAFew) {
  MemoryTrim trim;
  EXPECT_FALSE(trim.due(MemoryTrim::kCrowd - 1));
  EXPECT_FALSE(trim.due(0));
  EXPECT_FALSE(trim.due(MemoryTrim::kCrowd));
  EXPECT_TRUE(trim.due(0));
}

TEST(MemoryTrim, CountsACrowdThatComesAgain) {
  MemoryTrim trim;
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(trim.due(300));
    EXPECT_TRUE(trim.due(20));
  }
}

}  // namespace
}  // namespace notifications
