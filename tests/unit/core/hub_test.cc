#include "core/hub.h"

#include <gtest/gtest.h>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace notifications {
namespace {

constexpr ShardId kShard = 5;
constexpr ShardMask kHere = ShardMask{1} << kShard;

// Remembers what it was handed.
class Watcher : public Subscriber {
 public:
  explicit Watcher(Hub& hub, Delivery delivery = Delivery::kOnce)
      : Subscriber(delivery), hub_(hub) {}
  ~Watcher() override { hub_.leave_all(*this); }
  void deliver(const PublicationPtr& publication) override { got.push_back(publication); }

  std::vector<PublicationPtr> got;

 private:
  Hub& hub_;
};

PublicationPtr to(std::vector<std::string> rooms) {
  Envelope envelope;
  envelope.rooms = std::move(rooms);
  return std::make_shared<const Publication>(std::move(envelope), "", "",
                                             std::chrono::steady_clock::time_point());
}

RoomPattern pattern(std::string_view text) { return *parse_room_pattern(text); }

class HubTest : public testing::Test {
 protected:
  RoomInterest interest_;
  Hub hub_{kShard, interest_};
};

TEST_F(HubTest, DeliversToThoseWhoJoinedOneOfTheRooms) {
  Watcher graph(hub_);
  Watcher run(hub_);
  Watcher other(hub_);
  hub_.join(graph, "graph");
  hub_.join(run, "run:1");
  hub_.join(other, "run:2");
  const auto publication = to({"graph", "run:1"});
  EXPECT_EQ(hub_.deliver(publication), 2u);
  EXPECT_EQ(graph.got, std::vector{publication});
  EXPECT_EQ(run.got, std::vector{publication});
  EXPECT_TRUE(other.got.empty());
}

TEST_F(HubTest, ARoomIsItsExactString) {
  Watcher lower(hub_);
  Watcher upper(hub_);
  hub_.join(lower, "thread:1");
  hub_.join(upper, "Thread:1");
  hub_.deliver(to({"Thread:1"}));
  EXPECT_EQ(lower.got.size(), 0u);
  EXPECT_EQ(upper.got.size(), 1u);
}

TEST_F(HubTest, DeliversOncePerSubscriberWhateverRoomsMatch) {
  Watcher watcher(hub_);
  for (const char* room : {"graph", "node:1", "run:1"}) hub_.join(watcher, room);
  EXPECT_EQ(hub_.deliver(to({"graph", "node:1", "graph", "run:1", "run:2"})), 1u);
  EXPECT_EQ(hub_.deliver(to({"run:1"})), 1u);
  EXPECT_EQ(watcher.got.size(), 2u);
}

TEST_F(HubTest, DeliversTheSamePublicationAgainWhenItIsPublishedAgain) {
  Watcher watcher(hub_);
  hub_.join(watcher, "graph");
  const auto publication = to({"graph"});
  hub_.deliver(publication);
  hub_.deliver(publication);
  EXPECT_EQ(watcher.got.size(), 2u);
}

TEST_F(HubTest, DeliversACopyForEachEntryThatMatchesPerRoom) {
  Watcher watcher(hub_, Delivery::kPerRoom);
  hub_.join(watcher, "graph");
  hub_.join(watcher, "node:1");
  EXPECT_EQ(hub_.deliver(to({"graph", "run:9", "node:1", "graph"})), 3u);
  EXPECT_EQ(hub_.deliver(to({"run:9"})), 0u);
  EXPECT_EQ(watcher.got.size(), 3u);
}

// One after the other, room by room: two subscribers of different rooms see the order of entries.
TEST_F(HubTest, MixesBothKindsOfSubscribersInOneRoom) {
  Watcher once(hub_);
  Watcher each(hub_, Delivery::kPerRoom);
  for (Watcher* watcher : {&once, &each}) {
    hub_.join(*watcher, "graph");
    hub_.join(*watcher, "node:1");
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(hub_.deliver(to({"graph", "node:1"})), 3u);
  EXPECT_EQ(once.got.size(), 3u);
  EXPECT_EQ(each.got.size(), 6u);
}

using Publications = std::vector<PublicationPtr>;

TEST_F(HubTest, ARunIsWhatGoesToTheSameRooms) {
  const Publications events = {to({"graph"}), to({"graph"}), to({"run:1"}), to({"graph"})};
  EXPECT_EQ(hub_.run_length(events), 2u);
  EXPECT_EQ(hub_.run_length(std::span(events).subspan(2)), 1u);
  EXPECT_EQ(hub_.run_length(std::span(events).subspan(3)), 1u);
  // The order of the rooms says in which order subscribers are met.
  EXPECT_EQ(hub_.run_length(Publications{to({"graph", "run:1"}), to({"run:1", "graph"})}), 1u);
}

TEST_F(HubTest, DeliversARunInItsOrderToEachSubscriberOnce) {
  Watcher graph(hub_);
  Watcher both(hub_);
  Watcher all(hub_);
  hub_.join(graph, "graph");
  hub_.join(both, "graph");
  hub_.join(both, "run:1");
  hub_.join(all, pattern("*"));
  const Publications run = {to({"graph", "run:1"}), to({"graph", "run:1"}), to({"graph", "run:1"})};
  ASSERT_EQ(hub_.run_length(run), 3u);
  EXPECT_EQ(hub_.deliver_run(run), 3u);
  for (const Watcher* watcher : {&graph, &both, &all}) EXPECT_EQ(watcher->got, run);
}

TEST_F(HubTest, ARunIsOneEventForThoseWhoTakeEachEntryApart) {
  const Publications several = {to({"graph", "run:1"}), to({"graph", "run:1"})};
  const Publications one = {to({"graph"}), to({"graph"})};
  EXPECT_EQ(hub_.run_length(several), 2u);
  Watcher each(hub_, Delivery::kPerRoom);
  hub_.join(each, "graph");
  hub_.join(each, "run:1");
  EXPECT_EQ(hub_.run_length(several), 1u);
  EXPECT_EQ(hub_.run_length(one), 2u);
  EXPECT_EQ(hub_.deliver_run(one), 1u);
  EXPECT_EQ(each.got, one);
  hub_.leave_all(each);
  EXPECT_EQ(hub_.run_length(several), 2u);
}

TEST_F(HubTest, PatternsMatchTheRoomsOfTheirKind) {
  Watcher all(hub_);
  Watcher threads(hub_);
  hub_.join(all, pattern("*"));
  hub_.join(threads, pattern("thread:*"));
  hub_.deliver(to({"graph"}));
  hub_.deliver(to({"THREAD:1"}));
  hub_.deliver(to({"threads"}));
  hub_.deliver(to({"run:1", "thread:2", "thread:3"}));
  EXPECT_EQ(all.got.size(), 4u);
  EXPECT_EQ(threads.got.size(), 2u);
}

TEST_F(HubTest, DeliversOnceToWhoeverMatchesByRoomAndByPattern) {
  Watcher watcher(hub_);
  hub_.join(watcher, "thread:1");
  hub_.join(watcher, pattern("thread:*"));
  hub_.join(watcher, pattern("*"));
  EXPECT_EQ(hub_.rooms_of(watcher), 3u);
  EXPECT_EQ(hub_.deliver(to({"thread:1", "thread:2", "graph"})), 1u);
}

TEST_F(HubTest, AnExactPatternIsTheRoom) {
  Watcher watcher(hub_);
  EXPECT_TRUE(hub_.join(watcher, pattern("run:1")));
  EXPECT_FALSE(hub_.join(watcher, "run:1"));
  EXPECT_TRUE(hub_.is_member(watcher, "run:1"));
  EXPECT_TRUE(hub_.leave(watcher, "run:1"));
}

TEST_F(HubTest, JoiningAndLeavingTwiceChangesNothing) {
  Watcher watcher(hub_);
  EXPECT_TRUE(hub_.join(watcher, "graph"));
  EXPECT_FALSE(hub_.join(watcher, "graph"));
  EXPECT_EQ(hub_.subscriptions(), 1u);
  EXPECT_EQ(hub_.deliver(to({"graph"})), 1u);
  EXPECT_TRUE(hub_.leave(watcher, "graph"));
  EXPECT_FALSE(hub_.leave(watcher, "graph"));
  EXPECT_FALSE(hub_.leave(watcher, "run:1"));
  EXPECT_EQ(hub_.deliver(to({"graph"})), 0u);
}

TEST_F(HubTest, AnEmptyRoomCostsNothing) {
  Watcher watcher(hub_);
  for (int i = 0; i < 1000; ++i) {
    const std::string room = "run:" + std::to_string(i);
    hub_.join(watcher, room);
    hub_.leave(watcher, room);
  }
  hub_.join(watcher, pattern("run:*"));
  hub_.leave_all(watcher);
  EXPECT_EQ(hub_.rooms(), 0u);
  EXPECT_EQ(hub_.subscriptions(), 0u);
  EXPECT_EQ(interest_.rooms(), 0u);
}

TEST_F(HubTest, RegistersInterestWithTheFirstAndDropsItWithTheLastSubscriber) {
  Watcher first(hub_);
  Watcher second(hub_);
  EXPECT_EQ(interest_.interested({"graph"}), 0u);
  hub_.join(first, "graph");
  EXPECT_EQ(interest_.interested({"graph"}), kHere);
  hub_.join(second, "graph");
  hub_.leave(first, "graph");
  EXPECT_EQ(interest_.interested({"graph"}), kHere);
  hub_.leave(second, "graph");
  EXPECT_EQ(interest_.interested({"graph"}), 0u);
}

TEST_F(HubTest, RegistersInterestInPatternsAlike) {
  Watcher first(hub_);
  Watcher second(hub_);
  hub_.join(first, pattern("node:*"));
  hub_.join(second, pattern("node:*"));
  hub_.join(second, pattern("*"));
  hub_.leave_all(first);
  EXPECT_EQ(interest_.interested({"node:1"}), kHere);
  EXPECT_EQ(interest_.interested({"graph"}), kHere);
  hub_.leave_all(second);
  EXPECT_EQ(interest_.interested({"node:1", "graph"}), 0u);
}

TEST_F(HubTest, AWatcherThatDiesIsGoneFromEveryRoom) {
  Watcher stays(hub_);
  hub_.join(stays, "graph");
  {
    Watcher dies(hub_);
    hub_.join(dies, "graph");
    hub_.join(dies, "run:1");
  }
  EXPECT_EQ(hub_.deliver(to({"graph", "run:1"})), 1u);
  EXPECT_EQ(hub_.rooms(), 1u);
}

}  // namespace
}  // namespace notifications
