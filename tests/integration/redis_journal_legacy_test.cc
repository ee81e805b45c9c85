// Publishers that only PUBLISH, and gateways that make what they publish resumable.

#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/redis_journal_fixture.h"

namespace notifications::test {
namespace {

class RedisJournalLegacy : public RedisJournalTest {
 protected:
  void SetUp() override { serve(); }
  // Cuts the subscribed connection of one node.
  void deafen(const std::string& instance) {
    std::istringstream clients(server_->command({"CLIENT", "LIST", "TYPE", "pubsub"}).text);
    for (std::string line; std::getline(clients, line);) {
      if (line.find(" name=" + instance + " ") == line.npos) continue;
      const std::string id = line.substr(3, line.find(' ') - 3);
      EXPECT_EQ(server_->command({"CLIENT", "KILL", "ID", id}).integer, 1);
    }
  }
  static std::int64_t outcome(JournalNode& node, const std::string& label) {
    for (const auto& [name, value] :
         node.metrics().by_label("notifications_journal_legacy_total")) {
      if (name == label) return value;
    }
    return -1;
  }
};

TEST_F(RedisJournalLegacy, WhatIsOnlyPublishedIsAppendedOnceInOrderWithTwoGateways) {
  const auto first = start();
  const auto second = start();
  Consumer here(*first, "");
  Consumer there(*second, "");
  ASSERT_TRUE(here.becomes_live() && there.becomes_live());
  for (int n = 1; n <= 500; ++n) publish_plainly(n);
  ASSERT_TRUE(here.await(500) && there.await(500));
  EXPECT_EQ(here.told(), numbers(1, 500));
  EXPECT_EQ(there.told(), numbers(1, 500));
  EXPECT_EQ(stream_length(), 500);
  EXPECT_EQ(here.position(), there.position());
}

TEST_F(RedisJournalLegacy, WhatIsOnlyPublishedCanBeResumed) {
  const auto node = start();
  const std::string before = node->head();
  publish_plainly(1);
  publish_plainly(2);
  ASSERT_TRUE(eventually([&] { return stream_length() == 2; }));
  const auto other = start(0);
  Consumer back(*other, before);
  ASSERT_TRUE(back.await(2));
  EXPECT_EQ(back.told(), numbers(1, 2));
}

TEST_F(RedisJournalLegacy, JournalingPublishersCostNothingExtra) {
  const auto first = start();
  const auto second = start();
  for (int n = 1; n <= 300; ++n) first->publish(n);
  publish_plainly(301);
  ASSERT_TRUE(eventually([&] { return stream_length() == 301; }));
  // None of the gateways tried what it saw in the stream.
  EXPECT_TRUE(
      eventually([&] { return outcome(*first, "appended") + outcome(*second, "appended") == 1; }));
  EXPECT_EQ(outcome(*first, "known") + outcome(*second, "known"), 0);
}

TEST_F(RedisJournalLegacy, AnIdAlreadyJournaledIsNotAppendedAgain) {
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  node->publish(1);
  publish_plainly(1);
  // The same id with another text, so that only the script can know it.
  server_->command({"PUBLISH", kChannel, envelope_of(1, "graph", 10)});
  publish_plainly(2);
  ASSERT_TRUE(consumer.await(2));
  EXPECT_EQ(consumer.told(), numbers(1, 2));
  EXPECT_EQ(stream_length(), 2);
}

TEST_F(RedisJournalLegacy, WhatIsNoEnvelopeIsCountedOnceAndNotAppended) {
  const auto node = start();
  Consumer consumer(*node, "");
  server_->command({"PUBLISH", kChannel, "no envelope"});
  publish_plainly(1);
  ASSERT_TRUE(consumer.await(1));
  EXPECT_EQ(stream_length(), 1);
  EXPECT_EQ(node->metrics().total("notifications_events_invalid_total"), 1);
  EXPECT_EQ(node->metrics().total("notifications_events_received_total"), 1);
}

TEST_F(RedisJournalLegacy, NothingIsLostWhenTheHolderOfTheLeaseEnds) {
  auto first = start();
  auto second = start();
  Consumer consumer(*second, "");
  ASSERT_TRUE(consumer.becomes_live());
  int n = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 50; ++i) publish_plainly(++n);
    if (round == 0) first->stop();
    for (int i = 0; i < 50; ++i) publish_plainly(++n);
  }
  ASSERT_TRUE(consumer.await(n));
  EXPECT_EQ(consumer.told(), numbers(1, n));
  EXPECT_EQ(stream_length(), n);
}

TEST_F(RedisJournalLegacy, NothingIsLostOrLateWhenTheHolderIsDeafForAMoment) {
  const auto holder = start();
  ASSERT_TRUE(eventually(
      [&] { return holder->metrics().total("notifications_journal_legacy_holder") == 1; }));
  const auto other = start();
  Consumer consumer(*other, "");
  ASSERT_TRUE(consumer.becomes_live());
  int n = 0;
  for (int i = 0; i < 20; ++i) publish_plainly(++n);
  ASSERT_TRUE(consumer.await(n));
  deafen("test:1");
  for (int i = 0; i < 20; ++i) publish_plainly(++n);
  ASSERT_TRUE(eventually([&] {
    return server_->command({"PUBSUB", "NUMSUB", kChannel}).elements.back().integer == 2;
  }));
  for (int i = 0; i < 20; ++i) publish_plainly(++n);
  ASSERT_TRUE(consumer.await(n));
  EXPECT_EQ(consumer.told(), numbers(1, n));
  EXPECT_EQ(stream_length(), n);
}

TEST_F(RedisJournalLegacy, NothingIsLostThoughAHolderHearsNothing) {
  const auto node = start();
  // Somebody who holds the lease for ever and appends nothing.
  server_->command({"SET", kLease, "somebody"});
  ASSERT_TRUE(eventually(
      [&] { return node->metrics().total("notifications_journal_legacy_holder") == 0; }));
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  for (int n = 1; n <= 20; ++n) publish_plainly(n);
  ASSERT_TRUE(consumer.await(20));
  EXPECT_EQ(consumer.told(), numbers(1, 20));
}

TEST_F(RedisJournalLegacy, NothingHeardIsLostOrDoubledWhileCommandConnectionsAreKilled) {
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  int n = 0;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 50; ++i) publish_plainly(++n);
    kill_connections();
  }
  ASSERT_TRUE(consumer.await(n));
  EXPECT_EQ(consumer.told(), numbers(1, n));
  EXPECT_EQ(stream_length(), n);
}

TEST_F(RedisJournalLegacy, AnAppendThatIsRefusedForAWhileIsTriedAgain) {
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  node->publish(1);
  ASSERT_TRUE(consumer.await(1));
  server_->command({"CONFIG", "SET", "maxmemory", "1"});
  publish_plainly(2);
  publish_plainly(3);
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(stream_length(), 1);
  server_->command({"CONFIG", "SET", "maxmemory", "0"});
  ASSERT_TRUE(consumer.await(3));
  EXPECT_EQ(consumer.told(), numbers(1, 3));
}

TEST_F(RedisJournalLegacy, AProcessThatStoodStillTooLongLeavesWhatItHeardToOthers) {
  journal_.idempotency_window = 1s;  // half of it is too long
  const auto stopped = start();
  const auto other = start();
  Consumer consumer(*stopped, "");
  ASSERT_TRUE(consumer.becomes_live());
  stopped->call([&] {
    for (int n = 1; n <= 20; ++n) publish_plainly(n);
    EXPECT_TRUE(eventually([&] { return stream_length() == 20; }));
    std::this_thread::sleep_for(1200ms);  // until the ids are forgotten
  });
  ASSERT_TRUE(consumer.await(20));
  ASSERT_TRUE(eventually([&] { return stopped->broker().status().reconnects > 0; }));
  ASSERT_TRUE(stopped->becomes_ready());
  other->stop();
  publish_plainly(21);
  ASSERT_TRUE(consumer.await(21));
  EXPECT_EQ(consumer.told(), numbers(1, 21));
  EXPECT_EQ(stream_length(), 21);
}

TEST_F(RedisJournalLegacy, SwitchedOffNothingIsAppended) {
  journal_.legacy = false;
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  publish_plainly(1);
  node->publish(2);
  ASSERT_TRUE(consumer.await(2));
  EXPECT_EQ(consumer.told(), Texts{"2"});
  EXPECT_EQ(server_->command({"PUBSUB", "NUMSUB", kChannel}).elements.back().integer, 0);
}

}  // namespace
}  // namespace notifications::test
