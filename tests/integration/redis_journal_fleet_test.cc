// Several processes, and strangers, on one journal in Redis.

#include <algorithm>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/redis/journal_scripts.h"
#include "tests/integration/redis_journal_fixture.h"

namespace notifications::test {
namespace {

class RedisJournalFleet : public RedisJournalTest {
 protected:
  void SetUp() override { serve(); }

  static std::int64_t pages_from(JournalNode& node, const std::string& source) {
    for (const auto& [label, value] : node.metrics().by_label("notifications_replay_pages_total")) {
      if (label == source) return value;
    }
    return -1;
  }
};

TEST_F(RedisJournalFleet, AnEventHasOnePositionInAllProcesses) {
  const auto first = start();
  const auto second = start();
  Consumer here(*first, "");
  Consumer there(*second, "");
  ASSERT_TRUE(here.becomes_live() && there.becomes_live());
  const std::string position = first->publish(1);
  ASSERT_TRUE(here.await(1) && there.await(1));
  EXPECT_EQ(here.position(), position);
  EXPECT_EQ(there.position(), position);
}

TEST_F(RedisJournalFleet, AConsumerThatMovesFromProcessToProcessMissesNothing) {
  const auto first = start();
  const auto second = start();
  std::string cursor = first->head();  // before anything is published
  LoadOf load(*first, 200us);
  Texts all;
  for (int round = 0; round < 20; ++round) {
    Consumer consumer(round % 2 == 0 ? *first : *second, cursor);
    ASSERT_TRUE(consumer.becomes_live());
    const std::size_t had = consumer.told().size();
    ASSERT_TRUE(eventually([&] { return consumer.told().size() > had + 20; }));
    const auto [told, position] = consumer.leave();
    all.insert(all.end(), told.begin(), told.end());
    cursor = position;
  }
  const int last = load.end();
  if (all.back() != std::to_string(last)) {
    Consumer consumer(*second, cursor);
    ASSERT_TRUE(consumer.await(last));
    const Texts rest = consumer.told();
    all.insert(all.end(), rest.begin(), rest.end());
  }
  EXPECT_EQ(all, numbers(1, last));
}

TEST_F(RedisJournalFleet, AProcessThatStartsServesTheRecentPastFromItsMemory) {
  const auto first = start();
  const std::string before = first->head();
  for (int n = 1; n <= 1000; ++n) first->publish(n);
  const auto second = start();
  Consumer back(*second, before);
  ASSERT_TRUE(back.becomes_live());
  EXPECT_EQ(back.told(), numbers(1, 1000));
  EXPECT_EQ(pages_from(*second, "journal"), 0);
}

TEST_F(RedisJournalFleet, TheRecentPastIsReadUpToItsBoundOnly) {
  journal_.warm_bytes = 100'000;
  const auto first = start();
  const std::string before = first->head();
  for (int n = 1; n <= 300; ++n) first->publish(n, "graph", 1000);
  const auto second = start();
  std::size_t held = 0;
  second->call([&] { held = second->dispatcher().window().size(); });
  EXPECT_GE(held, 30u);
  EXPECT_LE(held, 50u);
  Consumer back(*second, before);
  ASSERT_TRUE(back.await(300));
  EXPECT_EQ(back.told(), numbers(1, 300));
  EXPECT_GE(pages_from(*second, "journal"), 1);
}

TEST_F(RedisJournalFleet, AFreshConsumerIsNotToldThePastThatAStartingProcessReads) {
  const auto first = start();
  for (int n = 1; n <= 500; ++n) first->publish(n);
  const auto second = start_unready();
  Consumer fresh(*second, "");
  ASSERT_TRUE(fresh.becomes_live());
  first->publish(501);
  ASSERT_TRUE(fresh.await(501));
  EXPECT_EQ(fresh.told(), Texts{"501"});
}

TEST_F(RedisJournalFleet, AResumeInsideTheWindowAsksRedisForNothing) {
  const auto node = start();
  const std::string before = node->head();
  for (int n = 1; n <= 100; ++n) node->publish(n);
  const auto reads = [&] {
    const std::string stats = server_->command({"INFO", "commandstats"}).text;
    return stats.find("cmdstat_xrange:") != stats.npos;
  };
  for (int i = 0; i < 200; ++i) {
    Consumer back(*node, before);
    ASSERT_TRUE(back.becomes_live());
    EXPECT_EQ(back.told().size(), 100u);
  }
  EXPECT_FALSE(reads());
}

// ---- sessions

TEST_F(RedisJournalFleet, WhoeverHoldsASessionHearsOfItsTakeoverInAnotherProcess) {
  const auto first = start_unready();
  std::mutex mutex;
  std::vector<std::string> heard;
  const auto note = [&](std::string_view pid, std::uint64_t generation) {
    const std::lock_guard lock(mutex);
    heard.push_back(std::string(pid) + " " + std::to_string(generation));
  };
  first->call([&] { first->journal().on_taken(note); });
  ASSERT_TRUE(first->becomes_ready());
  const auto second = start();
  SessionRecord record;
  record.pid = "p";
  record.sid = "s";
  record.generation = 1;
  std::promise<void> saved;
  first->shard().post(
      [&] { first->journal().save(record, false, [&](auto) { saved.set_value(); }); });
  saved.get_future().get();
  std::promise<SessionRecord> taken;
  second->shard().post([&] {
    second->journal().take("p", [&](auto, SessionRecord got) { taken.set_value(std::move(got)); });
  });
  EXPECT_EQ(taken.get_future().get().generation, 2u);
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return heard == Texts{"p 2"};
  }));
}

TEST_F(RedisJournalFleet, AHolderThatDidNotHearOfATakeoverFindsOutWhenItRefreshes) {
  const auto node = start_unready();
  std::promise<std::string> heard;
  node->call([&] {
    node->journal().on_taken([&](std::string_view pid, std::uint64_t generation) {
      heard.set_value(std::string(pid) + " " + std::to_string(generation));
    });
  });
  ASSERT_TRUE(node->becomes_ready());
  server_->command({"HSET", "notifications.v1:session:p", "g", "4", "r", "s\n-\n-\n"});
  SessionRecord record;
  record.pid = "p";
  record.generation = 3;
  node->call([&] { node->journal().save(record, true, [](auto) {}); });
  EXPECT_EQ(heard.get_future().get(), "p 4");
}

TEST_F(RedisJournalFleet, ARecordThatIsNoneIsGone) {
  const auto node = start();
  server_->command({"HSET", "notifications.v1:session:p", "g", "1", "r", "nonsense"});
  std::promise<Journal::SessionResult> taken;
  node->shard().post([&] {
    node->journal().take("p", [&](auto result, SessionRecord) { taken.set_value(result); });
  });
  EXPECT_EQ(taken.get_future().get(), Journal::SessionResult::kGone);
}

// ---- strangers

TEST_F(RedisJournalFleet, EntriesThatSomebodyElseWroteAreSkippedAndCounted) {
  const auto node = start();
  const auto windowless = start(0);
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  const std::string first = node->publish(1);
  for (int i = 0; i < 700; ++i) server_->command({"XADD", kStream, "*", "hello", "world"});
  server_->command({"XADD", kStream, "*", "x", "bad epoch", "p", "nothing", "e", "{}"});
  node->publish(2);
  ASSERT_TRUE(consumer.await(2));
  EXPECT_EQ(consumer.told(), numbers(1, 2));
  EXPECT_GE(node->metrics().total("notifications_journal_strangers_total"), 700);
  // A process that starts now, and one that has to read it all in pages.
  const auto late = start();
  for (JournalNode* other : {late.get(), windowless.get()}) {
    Consumer back(*other, first);
    ASSERT_TRUE(back.await(2));
    EXPECT_EQ(back.told(), Texts{"2"});
  }
}

TEST_F(RedisJournalFleet, TheAppendScriptServesAnyLanguage) {
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  const auto append = [&](const std::string& id, int n) {
    return server_->command({"EVAL", redis::kAppendScript.text, "3", kStream, kMeta,
                             "notifications.v1:id:" + id, envelope_of(n), "2026-02-19T12:00:00Z",
                             kChannel, "1000000", "900000", "300000", "epoch", "1"});
  };
  const redis::Reply first = append("a", 1);
  ASSERT_EQ(first.elements.size(), 3u) << first.text;
  EXPECT_EQ(first.elements[1].text, "2026-02-19T12:00:00Z");
  EXPECT_EQ(first.elements[2].integer, 0);
  const redis::Reply again = append("a", 2);
  EXPECT_EQ(again.elements[0].text, first.elements[0].text);
  EXPECT_EQ(again.elements[2].integer, 1);
  append("b", 3);
  ASSERT_TRUE(consumer.await(3));
  EXPECT_EQ(consumer.told(), (Texts{"1", "3"}));
}

// The words of a call with several envelopes, whose ids are `ids`; the number of the first is `n`.
std::vector<std::string> append_call(const std::vector<std::string>& ids, int n,
                                     const std::string& limit = "") {
  const std::string ts = "2026-02-19T12:00:00Z";
  std::vector<std::string> words = {"EVAL", std::string(redis::kAppendScript.text),
                                    std::to_string(2 + ids.size()), kStream, kMeta};
  for (const std::string& id : ids) words.push_back("notifications.v1:id:" + id);
  for (const std::string& word :
       {envelope_of(n), ts, std::string(kChannel), std::string("1000000"), std::string("900000"),
        std::string("300000"), std::string("epoch"), std::string("1"), limit}) {
    words.push_back(word);
  }
  for (std::size_t i = 1; i < ids.size(); ++i) {
    words.push_back(envelope_of(n + static_cast<int>(i)));
    words.push_back(ts);
  }
  return words;
}

redis::Reply run(const RedisServer& server, const std::vector<std::string>& words) {
  return server.command(std::vector<std::string_view>(words.begin(), words.end()));
}

TEST_F(RedisJournalFleet, TheAppendScriptTakesSeveralEnvelopesInTheirOrder) {
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  const redis::Reply first = run(*server_, append_call({"a", "b", "a", "c"}, 1));
  ASSERT_EQ(first.elements.size(), 12u) << first.text;
  std::vector<std::string> positions;
  for (std::size_t i = 0; i < 4; ++i) positions.push_back(first.elements[3 * i].text);
  // The third has the id of the first: it is known.
  EXPECT_EQ(positions[2], positions[0]);
  EXPECT_EQ(first.elements[2].integer, 0);
  EXPECT_EQ(first.elements[8].integer, 1);
  EXPECT_EQ(server_->command({"HGET", kMeta, "head"}).text, positions[3]);
  const redis::Reply second = run(*server_, append_call({"c", "d"}, 6));
  EXPECT_EQ(second.elements[0].text, positions[3]);
  EXPECT_EQ(second.elements[2].integer, 1);
  ASSERT_TRUE(consumer.await(7));
  EXPECT_EQ(consumer.told(), (Texts{"1", "2", "4", "7"}));
}

TEST_F(RedisJournalFleet, AnEnvelopeThatFailsHarmsNoneOfItsCall) {
  const auto node = start();
  Consumer consumer(*node, "");
  ASSERT_TRUE(consumer.becomes_live());
  server_->command({"RPUSH", "notifications.v1:id:b", "no answer"});
  const redis::Reply reply = run(*server_, append_call({"a", "b", "c"}, 1));
  ASSERT_EQ(reply.elements.size(), 9u) << reply.text;
  EXPECT_EQ(reply.elements[3].kind, redis::Reply::Kind::kError);
  EXPECT_EQ(reply.elements[3].text.substr(0, 9), "WRONGTYPE");
  ASSERT_TRUE(consumer.await(3));
  EXPECT_EQ(consumer.told(), (Texts{"1", "3"}));
  // Too late is too late for all but those that are known.
  const redis::Reply late = run(*server_, append_call({"d", "a", "e"}, 4, "1000"));
  ASSERT_EQ(late.elements.size(), 9u) << late.text;
  EXPECT_EQ(late.elements[0].text.substr(0, 7), "TOOLATE");
  EXPECT_EQ(late.elements[3].text, reply.elements[0].text);
  EXPECT_EQ(late.elements[6].text.substr(0, 7), "TOOLATE");
  EXPECT_EQ(stream_length(), 2);
}

TEST_F(RedisJournalFleet, ACallWithoutAllItsArgumentsAppendsNothing) {
  auto words = append_call({"a", "b"}, 1);
  words.pop_back();
  const redis::Reply reply = run(*server_, words);
  ASSERT_EQ(reply.elements.size(), 6u) << reply.text;
  EXPECT_EQ(reply.elements[0].kind, redis::Reply::Kind::kString);
  EXPECT_EQ(reply.elements[3].kind, redis::Reply::Kind::kError);
  EXPECT_EQ(stream_length(), 1);
}

TEST_F(RedisJournalFleet, TheAppendScriptRefusesABadNameForAnEpoch) {
  for (const char* name : {"", "a.b", "a b", "\xc3\xa9"}) {
    const redis::Reply reply = server_->command(
        {"EVAL", redis::kAppendScript.text, "3", kStream, kMeta, "notifications.v1:id:a", "{}",
         "2026-02-19T12:00:00Z", kChannel, "1000000", "900000", "300000", name, "1"});
    EXPECT_EQ(reply.kind, redis::Reply::Kind::kError) << name;
  }
  EXPECT_EQ(stream_length(), 0);
}

TEST_F(RedisJournalFleet, LostMetaDataRenewTheEpochAndLoseNobodysPlace) {
  const auto node = start(0);
  node->publish(1);
  const std::string second = node->publish(2);
  server_->command({"DEL", kMeta});
  const std::string third = node->publish(3);
  EXPECT_NE(parse_position(third)->epoch, parse_position(second)->epoch);
  Consumer back(*node, second);
  ASSERT_TRUE(back.await(3));
  EXPECT_EQ(back.told(), Texts{"3"});
}

TEST_F(RedisJournalFleet, EveryKeyAndChannelStandsUnderTheChannelsName) {
  RedisServer::Options options;
  options.config = {"user default off", "user admin on nopass ~* &* +@all",
                    "user gateway on >secret ~notifications.v1:* &notifications.v1* +@all "
                    "-@dangerous -@admin"};
  serve(options);
  url_ = "redis://gateway:secret@127.0.0.1:" + std::to_string(server_->port()) + "/0";
  const auto first = start();
  const auto second = start(0);
  Consumer consumer(*second, first->head());
  for (int n = 1; n <= 10; ++n) EXPECT_TRUE(parse_position(first->publish(n)));
  ASSERT_TRUE(consumer.await(10));
  EXPECT_EQ(consumer.told(), numbers(1, 10));
  SessionRecord record;
  record.pid = "p";
  record.sid = "s";
  record.generation = 1;
  std::promise<Journal::SessionResult> result;
  first->shard().post([&] {
    first->journal().save(record, false, [&](auto saved) {
      if (saved != Journal::SessionResult::kOk) return result.set_value(saved);
      first->journal().take("p", [&](auto taken, SessionRecord) { result.set_value(taken); });
    });
  });
  EXPECT_EQ(result.get_future().get(), Journal::SessionResult::kOk);
}

// ---- disagreement

TEST_F(RedisJournalFleet, ProcessesThatDisagreeAboutTheJournalSaySoOnce) {
  std::mutex mutex;
  std::vector<std::string> said;
  Log log(LogLevel::kWarn, LogFormat::kText, [&](std::string_view line) {
    const std::lock_guard lock(mutex);
    const std::size_t at = line.find("another process");
    if (at != line.npos) said.emplace_back(line.substr(at));
  });
  IoThread thread;
  Metrics metrics;
  EventRecorder sink;
  std::vector<std::unique_ptr<redis::RedisBroker>> brokers;
  for (const char* name : {"with", "without"}) {
    redis::RedisBroker::Options options;
    options.url = redis::parse_url(server_->url()).value();
    options.instance = name;
    options.probe_interval = 50ms;
    if (brokers.empty()) options.journal.emplace();
    brokers.push_back(std::make_unique<redis::RedisBroker>(thread.io, options, log, metrics));
    brokers.back()->start(sink);
  }
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return said.size();
  };
  ASSERT_TRUE(eventually([&] { return count() >= 2; }));
  for (const auto& broker : brokers) broker->stop();
  std::sort(said.begin(), said.end());
  EXPECT_EQ(said, (Texts{"another process keeps a journal on this channel, this one does not "
                         "process=with channel=notifications.v1\n",
                         "another process keeps no journal on this channel process=without "
                         "channel=notifications.v1\n"}));
}

}  // namespace
}  // namespace notifications::test
