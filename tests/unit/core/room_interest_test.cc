#include "core/room_interest.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace notifications {
namespace {

RoomPattern pattern(std::string_view text) { return *parse_room_pattern(text); }

TEST(RoomInterest, KnowsTheShardsOfEachRoom) {
  RoomInterest interest;
  interest.add("graph", 0);
  interest.add("graph", 3);
  interest.add("run:1", 1);
  EXPECT_EQ(interest.interested({"graph"}), 0b1001u);
  EXPECT_EQ(interest.interested({"run:1"}), 0b0010u);
  EXPECT_EQ(interest.interested({"graph", "run:1", "run:2"}), 0b1011u);
  EXPECT_EQ(interest.interested({"threads"}), 0u);
  EXPECT_EQ(interest.interested({}), 0u);
  EXPECT_EQ(interest.rooms(), 2u);
}

TEST(RoomInterest, TakesBackOneShardAtATime) {
  RoomInterest interest;
  interest.add("graph", 0);
  interest.add("graph", 3);
  interest.remove("graph", 0);
  EXPECT_EQ(interest.interested({"graph"}), 0b1000u);
  interest.remove("graph", 3);
  EXPECT_EQ(interest.interested({"graph"}), 0u);
  EXPECT_EQ(interest.rooms(), 0u);
  interest.remove("graph", 3);
}

TEST(RoomInterest, MatchesPatternsWithoutRegardToThePrefixCase) {
  RoomInterest interest;
  interest.add(pattern("Thread:*"), 2);
  EXPECT_EQ(interest.interested({"thread:1"}), 0b100u);
  EXPECT_EQ(interest.interested({"THREAD:1"}), 0b100u);
  EXPECT_EQ(interest.interested({"threads", "run:1"}), 0u);
  interest.add(pattern("*"), 1);
  EXPECT_EQ(interest.interested({"threads"}), 0b010u);
  interest.remove(pattern("thread:*"), 2);
  interest.remove(pattern("*"), 1);
  EXPECT_EQ(interest.interested({"thread:1"}), 0u);
  EXPECT_EQ(interest.rooms(), 0u);
}

TEST(RoomInterest, HoldsTheLastShardThereCanBe) {
  RoomInterest interest;
  interest.add("graph", kMaxShards - 1);
  EXPECT_EQ(interest.interested({"graph"}), ShardMask{1} << 63);
}

// What is added is seen by whoever asks afterwards, on any thread.
TEST(RoomInterest, IsSafeToUseFromManyThreads) {
  RoomInterest interest;
  std::vector<std::thread> threads;
  for (int shard = 0; shard < 4; ++shard) {
    threads.emplace_back([&interest, shard] {
      for (int i = 0; i < 500; ++i) {
        const std::string room = "run:" + std::to_string(i % 7);
        interest.add(room, shard);
        EXPECT_NE(interest.interested({room}) & (ShardMask{1} << shard), 0u);
        interest.remove(room, shard);
        EXPECT_EQ(interest.interested({room}) & (ShardMask{1} << shard), 0u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(interest.rooms(), 0u);
}

}  // namespace
}  // namespace notifications
