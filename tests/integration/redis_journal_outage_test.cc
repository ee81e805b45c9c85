// The journal in Redis while Redis dies, loses connections, forgets or goes back in time.

#include <string>
#include <thread>
#include <vector>

#include "tests/integration/redis_journal_fixture.h"
#include "tests/support/relay.h"

namespace notifications::test {
namespace {

class RedisJournalOutage : public RedisJournalTest {};

TEST_F(RedisJournalOutage, NothingIsLostDoubledOrReorderedWhileRedisIsKilledAndRestarted) {
  serve_durable();
  const auto node = start();
  const auto other = start();
  Consumer here(*node, "");
  Consumer there(*other, "");
  ASSERT_TRUE(here.becomes_live() && there.becomes_live());
  LoadOf load(*node, 500us);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(200ms);
    server_->kill();
    std::this_thread::sleep_for(50ms);
    server_->start();
    ASSERT_TRUE(node->becomes_ready() && other->becomes_ready());
  }
  const int last = load.end();
  for (const Consumer* consumer : {&here, &there}) {
    ASSERT_TRUE(const_cast<Consumer*>(consumer)->await(last));
    EXPECT_EQ(consumer->told(), numbers(1, last));
  }
  EXPECT_EQ(stream_length(), last);
}

TEST_F(RedisJournalOutage, NothingIsLostDoubledOrReorderedWhileConnectionsAreKilled) {
  serve();
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  LoadOf load(*node, 100us);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(40ms);
    kill_connections();
    if (round % 3 == 0) kill_subscribers();
  }
  const int last = load.end();
  ASSERT_TRUE(consumer.await(last));
  EXPECT_EQ(consumer.told(), numbers(1, last));
  EXPECT_EQ(stream_length(), last);
}

TEST_F(RedisJournalOutage, NothingIsLostDoubledOrReorderedWhenTheServerForgetsItsScripts) {
  serve();
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  LoadOf load(*node, 100us);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(50ms);
    server_->command({"SCRIPT", "FLUSH"});
  }
  const int last = load.end();
  ASSERT_TRUE(consumer.await(last));
  EXPECT_EQ(consumer.told(), numbers(1, last));
}

TEST_F(RedisJournalOutage, APublishWhoseAnswerWasLostIsAskedForAgainAndStandsOnce) {
  serve();
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  node->publish(1);
  // What is written now is read by the server only after the connection was given up here.
  server_->sigstop();
  auto lost = node->publish_later(2);
  ASSERT_TRUE(eventually([&] { return !node->broker().status().connected; }));
  server_->sigcont();
  const PublishOutcome outcome = await(std::move(lost));
  EXPECT_EQ(outcome.status, PublishStatus::kPublished) << outcome.detail;
  ASSERT_TRUE(consumer.await(2));
  node->publish(3);
  ASSERT_TRUE(consumer.await(3));
  EXPECT_EQ(consumer.told(), numbers(1, 3));
  EXPECT_EQ(stream_length(), 3);
}

TEST_F(RedisJournalOutage, APublishThatIsRefusedAfterALostAnswerIsUnknown) {
  serve();
  const auto node = start();
  node->publish(1);
  server_->command({"CONFIG", "SET", "maxmemory", "1"});
  const PublishOutcome refused = await(node->publish_later(2));
  EXPECT_EQ(refused.status, PublishStatus::kRefused) << refused.detail;
  server_->sigstop();
  auto lost = node->publish_later(3);
  ASSERT_TRUE(eventually([&] { return !node->broker().status().connected; }));
  server_->sigcont();
  const PublishOutcome outcome = await(std::move(lost));
  EXPECT_EQ(outcome.status, PublishStatus::kUnavailable);
  EXPECT_NE(outcome.detail.find("no answer in time, and then: OOM"), std::string::npos)
      << outcome.detail;
}

// It lies in the socket of a Redis that stands still until the id is forgotten.
TEST_F(RedisJournalOutage, AnAppendThatRunsTooLateToKnowItsIdAppendsNothing) {
  journal_.idempotency_window = 1s;
  serve();
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  node->publish(1);
  ASSERT_TRUE(consumer.await(1));
  server_->sigstop();
  auto again = node->publish_later(1);
  // The clock of Redis stands for nothing: it is the time that passes.
  std::this_thread::sleep_for(1200ms);
  server_->sigcont();
  const PublishOutcome outcome = await(std::move(again));
  EXPECT_EQ(outcome.status, PublishStatus::kUnavailable);
  EXPECT_NE(outcome.detail.find("TOOLATE"), std::string::npos) << outcome.detail;
  node->publish(2);
  ASSERT_TRUE(consumer.await(2));
  EXPECT_EQ(consumer.told(), numbers(1, 2));
}

TEST_F(RedisJournalOutage, AppendsGoOnThoughTheClockOfRedisWasSet) {
  serve();
  IoThread relay_thread;
  auto relay = std::make_unique<Relay>(relay_thread.io, server_->port());
  std::atomic<int> changed = 0;
  relay->on_answer([&](std::string& bytes) {
    // The first answer to TIME is 1000 seconds behind.
    const std::size_t at = bytes.find("*2\r\n$10\r\n");
    if (at == bytes.npos || bytes.size() < at + 20 || changed > 0) return;
    const std::string seconds = bytes.substr(at + 9, 10);
    bytes.replace(at + 9, 10, std::to_string(std::stoll(seconds) - 1000));
    ++changed;
  });
  url_ = "redis://127.0.0.1:" + std::to_string(relay->port()) + "/0";
  {
    const auto node = start();
    EXPECT_EQ(changed, 1);
    EXPECT_TRUE(parse_position(node->publish(1)));
    EXPECT_TRUE(parse_position(node->publish(2)));
    EXPECT_EQ(stream_length(), 2);
  }
  relay_thread.call([&] { relay.reset(); });
}

TEST_F(RedisJournalOutage, APublishEndsAtItsDeadlineWhileRedisIsAway) {
  serve();
  const auto node = start();
  server_->kill();
  const auto outcome = await(node->publish_later("id", envelope_of(1), 200ms));
  EXPECT_EQ(outcome.status, PublishStatus::kUnavailable) << outcome.detail;
}

TEST_F(RedisJournalOutage, OnlyAFailedAppendIsRefused) {
  serve();
  const auto node = start();
  server_->command({"DEL", kStream});
  server_->command({"SET", kStream, "no stream"});
  const auto outcome = await(node->publish_later("id", envelope_of(1), 2s));
  EXPECT_NE(outcome.status, PublishStatus::kPublished);
  EXPECT_NE((outcome.detail + node->broker().status().last_error).find("WRONGTYPE"),
            std::string::npos)
      << outcome.detail;
}

// Ready means that events can flow: those that are only PUBLISHed need the subscription, too.
TEST_F(RedisJournalOutage, IsNotReadyWithoutASubscriptionThatEventsNeed) {
  for (const bool legacy : {true, false}) {
    journal_.legacy = legacy;
    serve();
    const auto node = start();
    // The subscription is taken away for good, everything else stands.
    server_->command({"ACL", "SETUSER", "default", "resetchannels", "&notifications.v1:canary:*",
                      "&notifications.v1:control"});
    kill_subscribers();
    ASSERT_TRUE(eventually([&] { return node->broker().status().flowing != legacy; }));
    EXPECT_TRUE(parse_position(node->publish(1)));
    EXPECT_EQ(node->broker().status().flowing, !legacy);
    server_->command({"ACL", "SETUSER", "default", "allchannels"});
    EXPECT_TRUE(node->becomes_ready());
  }
}

TEST_F(RedisJournalOutage, AnAppendStandsThoughThePublishIsDenied) {
  RedisServer::Options options;
  options.config = {
      "user default off", "user admin on nopass ~* &* +@all",
      "user gateway on >secret ~notifications.v1:* &notifications.v1:* +@all -@dangerous -@admin"};
  serve(options);
  url_ = "redis://gateway:secret@127.0.0.1:" + std::to_string(server_->port()) + "/0";
  journal_.legacy = false;  // the channel itself is denied
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  EXPECT_TRUE(parse_position(node->publish(1)));
  ASSERT_TRUE(consumer.await(1));
}

TEST_F(RedisJournalOutage, FlushedUnderWayIsAGapThenAllThatFollows) {
  serve();
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  node->publish(1);
  ASSERT_TRUE(consumer.await(1));
  const std::string before = consumer.position();
  server_->command({"FLUSHALL"});
  const std::string second = node->publish(2);
  node->publish(3);
  ASSERT_TRUE(consumer.await(3));
  EXPECT_EQ(consumer.told(), (Texts{"1", "gap", "2", "3"}));
  EXPECT_NE(parse_position(before)->epoch, parse_position(second)->epoch);
  Consumer back(*node, before);
  ASSERT_TRUE(back.becomes_live());
  EXPECT_EQ(back.told(), gap_then(2, 3));
}

TEST_F(RedisJournalOutage, FlushedUnderLoadNothingIsMissedWithoutAGapNorDoubled) {
  // With it, what was flushed before it was read comes back late, since it was heard.
  journal_.legacy = false;
  serve();
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  LoadOf load(*node, 100us);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(60ms);
    server_->command({"FLUSHALL"});
  }
  const int last = load.end();
  ASSERT_TRUE(consumer.await(last));
  int expected = 1;
  bool gap = false;
  for (const std::string& told : consumer.told()) {
    if (told == "gap") {
      gap = true;
      continue;
    }
    const int n = std::stoi(told);
    ASSERT_TRUE(gap ? n >= expected : n == expected) << n << " where " << expected << " is due";
    expected = n + 1;
    gap = false;
  }
}

TEST_F(RedisJournalOutage, ADeletedStreamIsNoticedBeforeAnythingFollows) {
  serve();
  const auto node = start();
  node->publish(1);
  ASSERT_TRUE(eventually([&] { return node->head() == head_in_redis(); }));
  const std::string cursor = node->head();
  server_->command({"DEL", kStream});
  ASSERT_TRUE(eventually([&] { return node->head() != cursor; }));
  Consumer back(*node, cursor);
  ASSERT_TRUE(back.becomes_live());
  node->publish(2);
  ASSERT_TRUE(back.await(2));
  EXPECT_EQ(back.told(), gap_then(2, 2));
  // Another process agrees.
  const auto other = start();
  Consumer there(*other, cursor);
  ASSERT_TRUE(there.becomes_live());
  EXPECT_EQ(there.told(), gap_then(2, 2));
}

TEST_F(RedisJournalOutage, ACursorReadFromADeletedStreamIsAGapAtOnce) {
  serve();
  const auto node = start(0);
  for (int n = 1; n <= 3; ++n) node->publish(n);
  const std::string cursor = [&] {
    std::promise<JournalPage> page;
    node->shard().post([&] {
      node->journal().read(std::nullopt, 1,
                           [&](JournalPage got) { page.set_value(std::move(got)); });
    });
    return page.get_future().get().entries.front().position.text();
  }();
  server_->command({"DEL", kStream});
  Consumer back(*node, cursor);
  ASSERT_TRUE(back.becomes_live());
  node->publish(4);
  ASSERT_TRUE(back.await(4));
  EXPECT_EQ(back.told(), gap_then(4, 4));
}

// Redis comes back as it was when it was last saved.
class RestoredJournal : public RedisJournalTest {
 protected:
  // Events 1 to 3 are saved, 4 and 5 are lost.
  void publish_and_restore() {
    serve();
    node_ = start();
    for (int n = 1; n <= 3; ++n) positions_.push_back(node_->publish(n));
    live_ = std::make_unique<Consumer>(*node_, positions_[0]);
    server_->command({"SAVE"});
    for (int n = 4; n <= 5; ++n) positions_.push_back(node_->publish(n));
    ASSERT_TRUE(live_->await(5));
    server_->kill();
    server_->start();
    ASSERT_TRUE(node_->becomes_ready());
  }
  void TearDown() override { live_.reset(); }

  std::unique_ptr<JournalNode> node_;
  std::unique_ptr<Consumer> live_;
  Texts positions_;
};

TEST_F(RestoredJournal, WhoeverSawWhatWasLostIsToldAndGoesOn) {
  publish_and_restore();
  ASSERT_TRUE(live_->await("gap"));
  node_->publish(6);
  ASSERT_TRUE(live_->await(6));
  EXPECT_EQ(live_->told(), (Texts{"2", "3", "4", "5", "gap", "6"}));
}

TEST_F(RestoredJournal, TheEpochIsRenewedSoThatNoPositionIsGivenOutTwice) {
  publish_and_restore();
  const auto lost = parse_position(positions_[4]);
  const auto next = parse_position(node_->publish(6));
  EXPECT_NE(next->epoch, lost->epoch);
}

TEST_F(RestoredJournal, CursorsThatStillStandMissNothingAndTheOthersAreTold) {
  publish_and_restore();
  node_->publish(6);
  const auto other = start();
  for (JournalNode* node : {node_.get(), other.get()}) {
    Consumer standing(*node, positions_[2]);
    ASSERT_TRUE(standing.await(6));
    EXPECT_EQ(standing.told(), Texts{"6"});
    Consumer older(*node, positions_[0]);
    ASSERT_TRUE(older.await(6));
    EXPECT_EQ(older.told(), (Texts{"2", "3", "6"}));
    Consumer lost(*node, positions_[4]);
    ASSERT_TRUE(lost.await(6));
    EXPECT_EQ(lost.told().front(), "gap");
    EXPECT_EQ(lost.told().back(), "6");
  }
}

TEST_F(RestoredJournal, IsNoticedByItsFirstReaderThoughAnotherPublisherWasFirst) {
  serve();
  const auto node = start();
  Consumer live(*node, "");
  ASSERT_TRUE(live.becomes_live());
  node->publish(1);
  server_->command({"SAVE"});
  node->publish(2);
  ASSERT_TRUE(live.await(2));
  // The reader learns of it only after others have appended.
  node->call([&] {
    server_->kill();
    server_->start();
    const auto other = start();
    EXPECT_TRUE(parse_position(other->publish(3)));
  });
  ASSERT_TRUE(live.await(3));
  EXPECT_EQ(live.told(), (Texts{"1", "2", "gap", "3"}));
}

TEST_F(RedisJournalOutage, AStreamRestoredAloneCostsOnlyThoseWhoMissWhatWasLost) {
  serve();
  const auto node = start();
  Texts positions;
  for (int n = 1; n <= 3; ++n) positions.push_back(node->publish(n));
  const redis::Reply dump = server_->command({"DUMP", kStream});
  for (int n = 4; n <= 6; ++n) positions.push_back(node->publish(n));
  ASSERT_TRUE(eventually([&] { return node->head() == positions[5]; }));
  Consumer live(*node, positions[5]);
  ASSERT_TRUE(live.becomes_live());
  server_->command({"RESTORE", kStream, "0", dump.text, "REPLACE"});
  // The restored stream counts on from its own end: the clock must have passed the lost ids.
  std::this_thread::sleep_for(5ms);
  node->publish(7);
  ASSERT_TRUE(live.await(7));
  EXPECT_EQ(live.told(), Texts{"7"});
  const auto other = start();
  const auto told_to = [&](const std::string& cursor) {
    Consumer back(*other, cursor);
    EXPECT_TRUE(back.await(7));
    return back.told();
  };
  EXPECT_EQ(told_to(positions[5]), Texts{"7"});
  EXPECT_EQ(told_to(positions[4]), gap_then(7, 7));
  EXPECT_EQ(told_to(positions[1]), (Texts{"3", "gap", "7"}));
}

TEST_F(RedisJournalOutage, AProcessThatStoodStillReadsOnWhereItStopped) {
  serve();
  const auto node = start();
  const auto other = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  node->call([&] {
    for (int n = 1; n <= 2000; ++n) other->publish(n);
  });
  ASSERT_TRUE(consumer.await(2000));
  EXPECT_EQ(consumer.told(), numbers(1, 2000));
}

TEST_F(RedisJournalOutage, AProcessThatStoodStillForTooLongIsToldOfTheGap) {
  serve();
  const auto node = start();
  const auto other = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  node->publish(1);
  ASSERT_TRUE(consumer.await(1));
  node->call([&] {
    server_->command({"CLIENT", "KILL", "TYPE", "normal"});  // the read that waits
    for (int n = 2; n <= 10; ++n) other->publish(n);
    server_->command({"XTRIM", kStream, "MAXLEN", "3"});
  });
  ASSERT_TRUE(consumer.await(10));
  EXPECT_EQ(consumer.told(), (Texts{"1", "gap", "8", "9", "10"}));
}

TEST_F(RedisJournalOutage, PagesWaitUntilRedisIsBack) {
  serve_durable();
  const auto node = start(0);
  const std::string first = node->publish(1);
  node->publish(2);
  server_->kill();
  Consumer consumer(*node, first);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(consumer.told(), Texts{});
  server_->start();
  ASSERT_TRUE(consumer.await(2));
  EXPECT_EQ(consumer.told(), Texts{"2"});
}

TEST_F(RedisJournalOutage, ASessionsOwnerIsNotKeptWaitingForEver) {
  session_limit_ = 300ms;
  serve();
  const auto node = start();
  for (const bool frozen : {true, false}) {
    if (frozen) {
      server_->sigstop();
    } else {
      server_->kill();
    }
    std::promise<Journal::SessionResult> taken;
    std::promise<Journal::SessionResult> saved;
    node->shard().post([&] {
      node->journal().take("p", [&](auto result, SessionRecord) { taken.set_value(result); });
      SessionRecord record;
      record.pid = "p";
      node->journal().save(record, false, [&](auto result) { saved.set_value(result); });
    });
    EXPECT_EQ(taken.get_future().get(), Journal::SessionResult::kUnavailable);
    EXPECT_EQ(saved.get_future().get(), Journal::SessionResult::kUnavailable);
  }
}

TEST_F(RedisJournalOutage, SavesThatWaitedForRedisAreWrittenInOrder) {
  serve_durable();
  const auto node = start();
  server_->kill();
  constexpr int kCount = 100;
  std::atomic<int> saved = 0;
  node->call([&] {
    for (int i = 1; i <= kCount; ++i) {
      SessionRecord record;
      record.pid = "p";
      record.sid = std::to_string(i);
      node->journal().save(record, false, [&](auto result) {
        if (result == Journal::SessionResult::kOk) ++saved;
      });
    }
  });
  server_->start();
  ASSERT_TRUE(eventually([&] { return saved == kCount; }));
  std::promise<std::string> sid;
  node->shard().post([&] {
    node->journal().take("p",
                         [&](auto, SessionRecord record) { sid.set_value(std::move(record.sid)); });
  });
  EXPECT_EQ(sid.get_future().get(), std::to_string(kCount));
}

}  // namespace
}  // namespace notifications::test
