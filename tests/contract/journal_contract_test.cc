// What every journal promises (core/journal.h, and the broker that keeps it), held against memory
// and a real Redis alike; with a dispatcher and a replayer before it, as in the programs.

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/journal.h"
#include "core/memory/memory_broker.h"
#include "core/redis/redis_broker.h"
#include "tests/support/journal_node.h"
#include "tests/support/recorder.h"
#include "tests/support/redis_server.h"

namespace notifications::test {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;
using SessionResult = Journal::SessionResult;

// Where nodes come from, and what a test can do to what they have in common.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::unique_ptr<Broker> make(boost::asio::io_context& io, Log& log, Metrics& metrics,
                                       const JournalOptions& options) = 0;
  // Lets this much time pass for the journal.
  virtual void pass(std::chrono::milliseconds time) = 0;
};

class MemoryBackend : public Backend {
 public:
  std::unique_ptr<Broker> make(boost::asio::io_context& io, Log&, Metrics&,
                               const JournalOptions& options) override {
    return std::make_unique<MemoryBroker>(io, options, [this] {
      return std::chrono::system_clock::now() + std::chrono::milliseconds(ahead_);
    });
  }
  void pass(std::chrono::milliseconds time) override { ahead_ += time.count(); }

 private:
  std::atomic<std::int64_t> ahead_ = 0;
};

class RedisBackend : public Backend {
 public:
  std::unique_ptr<Broker> make(boost::asio::io_context& io, Log& log, Metrics& metrics,
                               const JournalOptions& options) override {
    redis::RedisBroker::Options redis;
    redis.url = redis::parse_url(server_.url()).value();
    redis.instance = "contract:" + std::to_string(++instances_);
    redis.probe_interval = 500ms;
    redis.journal = options;
    return std::make_unique<redis::RedisBroker>(io, redis, log, metrics);
  }
  // Redis has no clock to turn.
  void pass(std::chrono::milliseconds time) override { std::this_thread::sleep_for(time); }

 private:
  RedisServer server_;
  int instances_ = 0;
};

struct Kind {
  const char* name;
  std::unique_ptr<Backend> (*make)();
};

class JournalContract : public testing::TestWithParam<Kind> {
 protected:
  JournalContract() : backend_(GetParam().make()) {}

  // The only node, or the first of several.
  JournalNode& node() {
    if (node_ == nullptr) {
      node_ = std::make_unique<JournalNode>(
          [this](auto& io, Log& log, Metrics& metrics) {
            return backend_->make(io, log, metrics, options_);
          },
          window_bytes_);
      node_->start();
      EXPECT_TRUE(node_->becomes_ready());
    }
    return *node_;
  }
  void publish(int from, int to, const std::string& room = "graph") {
    for (int n = from; n <= to; ++n) positions_[n] = node().publish(n, room);
  }
  JournalPage read(std::optional<StreamId> after, std::size_t count) {
    std::promise<JournalPage> page;
    node().shard().post([&] {
      node().journal().read(after, count, [&](JournalPage got) { page.set_value(std::move(got)); });
    });
    return page.get_future().get();
  }
  std::pair<SessionResult, SessionRecord> take(const std::string& pid) {
    std::promise<std::pair<SessionResult, SessionRecord>> taken;
    node().shard().post([&] {
      node().journal().take(pid, [&](SessionResult result, SessionRecord record) {
        taken.set_value({result, std::move(record)});
      });
    });
    return taken.get_future().get();
  }
  SessionResult save(const SessionRecord& record, bool refresh = false) {
    std::promise<SessionResult> saved;
    node().shard().post([&] {
      node().journal().save(record, refresh,
                            [&](SessionResult result) { saved.set_value(result); });
    });
    return saved.get_future().get();
  }

  JournalOptions options_;
  std::size_t window_bytes_ = 64 << 20;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<JournalNode> node_;
  std::map<int, std::string> positions_;  // of what was published
};

SessionRecord session(const std::string& pid, std::uint64_t generation = 1) {
  SessionRecord record;
  record.pid = pid;
  record.sid = "sid-" + pid;
  record.generation = generation;
  record.rooms = {{"graph", *parse_position("e.5-0")}, {"thread:Ab-1", *parse_position("f.6-1")}};
  record.sent = parse_position("f.7-0");
  record.checked = parse_position("f.9-2");
  return record;
}

std::string describe(const SessionRecord& record) {
  const auto text = [](const std::optional<Position>& p) { return p ? p->text() : "none"; };
  std::string out = record.pid + " " + record.sid + " " + std::to_string(record.generation) +
                    " sent " + text(record.sent) + " checked " + text(record.checked);
  for (const auto& room : record.rooms) out += " " + room.name + "@" + room.since.text();
  return out;
}

// ---- publishing

TEST_P(JournalContract, PositionsIncreaseWithinOneEpoch) {
  publish(1, 50);
  std::optional<Position> last;
  for (const auto& [n, text] : positions_) {
    const auto position = parse_position(text);
    ASSERT_TRUE(position) << text;
    if (last) {
      EXPECT_EQ(position->epoch, last->epoch);
      EXPECT_GT(position->id, last->id);
    }
    last = position;
  }
}

TEST_P(JournalContract, EachEntryNamesItsPredecessor) {
  publish(1, 20);
  const JournalPage page = read(std::nullopt, 100);
  ASSERT_TRUE(page.ok);
  ASSERT_EQ(page.entries.size(), 20u);
  EXPECT_EQ(page.entries.front().previous.id, StreamId{});
  for (std::size_t i = 1; i < page.entries.size(); ++i) {
    EXPECT_EQ(page.entries[i].previous, page.entries[i - 1].position);
  }
  EXPECT_EQ(page.head, page.entries.back().position);
  EXPECT_EQ(page.entries.back().text, envelope_of(20));
}

TEST_P(JournalContract, ThePositionOfAPublishIsThatOfTheEvent) {
  Consumer consumer(node(), "");
  ASSERT_TRUE(consumer.becomes_live());
  publish(1, 1);
  ASSERT_TRUE(consumer.await(1));
  EXPECT_EQ(consumer.position(), positions_[1]);
}

TEST_P(JournalContract, AnIdPublishedAgainIsOneEventWithTheFirstAnswer) {
  Consumer consumer(node(), "");
  ASSERT_TRUE(consumer.becomes_live());
  publish(1, 1);
  PublishCommand again;
  again.id = "id-graph-1";
  again.ts = "2027-01-01T00:00:00Z";
  again.text = envelope_of(100);
  again.deadline = std::chrono::steady_clock::now() + kPatience;
  std::promise<PublishOutcome> answer;
  node().broker().publish(again,
                          [&](PublishOutcome outcome) { answer.set_value(std::move(outcome)); });
  const PublishOutcome outcome = answer.get_future().get();
  EXPECT_EQ(outcome.status, PublishStatus::kPublished);
  EXPECT_EQ(outcome.position, positions_[1]);
  EXPECT_EQ(outcome.ts, "2026-02-19T12:00:00.000Z");
  publish(2, 2);
  ASSERT_TRUE(consumer.await(2));
  EXPECT_EQ(consumer.told(), numbers(1, 2));
}

TEST_P(JournalContract, AnIdIsForgottenAfterTheWindow) {
  options_.idempotency_window = 30ms;
  Consumer consumer(node(), "");
  ASSERT_TRUE(consumer.becomes_live());
  publish(1, 1);
  backend_->pass(60ms);
  EXPECT_NE(node().publish(1), positions_[1]);
  publish(2, 2);
  ASSERT_TRUE(consumer.await(2));
  EXPECT_EQ(consumer.told(), (Texts{"1", "1", "2"}));
}

TEST_P(JournalContract, TakesIdsOfAnyLengthAndContent) {
  const std::string odd = "\x01 {\xc3\xa9}\"\r\n" + std::string(500, 'i');
  const auto first = await(node().publish_later(odd, envelope_of(1)));
  const auto second = await(node().publish_later(odd, envelope_of(1)));
  const auto other = await(node().publish_later(odd + "!", envelope_of(2)));
  EXPECT_EQ(first.status, PublishStatus::kPublished) << first.detail;
  EXPECT_EQ(first.position, second.position);
  EXPECT_NE(first.position, other.position);
}

TEST_P(JournalContract, KeepsTheOrderOfManyPublishes) {
  Consumer consumer(node(), "");
  ASSERT_TRUE(consumer.becomes_live());
  constexpr int kCount = 3000;
  std::vector<std::future<PublishOutcome>> outcomes;
  for (int n = 1; n <= kCount; ++n) outcomes.push_back(node().publish_later(n));
  for (auto& outcome : outcomes) {
    ASSERT_EQ(await(std::move(outcome)).status, PublishStatus::kPublished);
  }
  ASSERT_TRUE(consumer.await(kCount));
  EXPECT_EQ(consumer.told(), numbers(1, kCount));
}

// ---- reading

TEST_P(JournalContract, ReadsInPages) {
  publish(1, 10);
  JournalPage page = read(std::nullopt, 4);
  ASSERT_EQ(page.entries.size(), 4u);
  EXPECT_EQ(page.head.text(), positions_[10]);
  page = read(page.entries.back().position.id, 4);
  ASSERT_EQ(page.entries.size(), 4u);
  EXPECT_EQ(page.entries.front().position.text(), positions_[5]);
  page = read(page.entries.back().position.id, 4);
  EXPECT_EQ(page.entries.size(), 2u);
  page = read(page.entries.back().position.id, 4);
  EXPECT_TRUE(page.ok);
  EXPECT_TRUE(page.entries.empty());
  EXPECT_EQ(page.head.text(), positions_[10]);
}

TEST_P(JournalContract, AnEmptyJournalHasAHeadBeforeItsFirstEntry) {
  const JournalPage page = read(std::nullopt, 4);
  ASSERT_TRUE(page.ok);
  EXPECT_TRUE(page.entries.empty());
  EXPECT_FALSE(page.head.epoch.empty());
  EXPECT_EQ(page.head.id, StreamId{});
  EXPECT_EQ(page.head.text(), node().head());
}

TEST_P(JournalContract, RetentionTrimsWhatIsTooOldWithTheNextAppend) {
  options_.retention = 200ms;
  publish(1, 3);
  backend_->pass(300ms);
  publish(4, 4);
  const JournalPage page = read(std::nullopt, 10);
  ASSERT_EQ(page.entries.size(), 1u);
  EXPECT_EQ(page.entries.front().position.text(), positions_[4]);
  EXPECT_EQ(page.entries.front().previous.text(), positions_[3]);
}

// ---- coming back with a cursor

// Nothing is in the window: every cursor but the head's has to be read from the journal.
class JournalCursors : public JournalContract {
 protected:
  JournalCursors() { window_bytes_ = 0; }
};

TEST_P(JournalContract, ACursorInTheWindowGetsExactlyWhatWasMissed) {
  publish(1, 10);
  Consumer consumer(node(), positions_[4]);
  ASSERT_TRUE(consumer.becomes_live());
  EXPECT_EQ(consumer.told(), numbers(5, 10));
  publish(11, 12);
  ASSERT_TRUE(consumer.await(12));
  EXPECT_EQ(consumer.told(), numbers(5, 12));
  EXPECT_EQ(node().metrics().by_label("notifications_replay_pages_total"),
            (std::vector<std::pair<std::string, std::int64_t>>{{"window", 1}, {"journal", 0}}));
}

TEST_P(JournalContract, ACursorAtTheHeadGetsNothingButWhatFollows) {
  publish(1, 3);
  Consumer consumer(node(), positions_[3]);
  ASSERT_TRUE(consumer.becomes_live());
  publish(4, 4);
  ASSERT_TRUE(consumer.await(4));
  EXPECT_EQ(consumer.told(), Texts{"4"});
}

TEST_P(JournalContract, AMalformedCursorIsAGapThenAllThatIsHeld) {
  publish(1, 3);
  for (const char* cursor : {"x", "e.", "e.1", "e.1-", "-", ".1-0", "e.01-0", "e.1-0 "}) {
    Consumer consumer(node(), cursor);
    ASSERT_TRUE(consumer.becomes_live());
    EXPECT_EQ(consumer.told(), gap_then(1, 3)) << cursor;
  }
}

TEST_P(JournalCursors, OfAnotherEpochIsAGapThenAllThatIsHeld) {
  publish(1, 3);
  for (const char* cursor :
       {"other.1-0", "other.1-18446744073709551615", "other.0-0", "other.18446744073709551615-0"}) {
    Consumer consumer(node(), cursor);
    ASSERT_TRUE(consumer.becomes_live());
    EXPECT_EQ(consumer.told(), gap_then(1, 3)) << cursor;
  }
}

TEST_P(JournalCursors, BeyondTheHeadIsAGapThenAllThatIsHeld) {
  publish(1, 3);
  Position beyond = *parse_position(positions_[3]);
  beyond.id.ms += 1'000'000;
  Consumer consumer(node(), beyond.text());
  ASSERT_TRUE(consumer.becomes_live());
  EXPECT_EQ(consumer.told(), gap_then(1, 3));
}

TEST_P(JournalCursors, BeforeTheFirstEntryOfTheEpochMissesNothing) {
  const std::string start = node().head();
  publish(1, 3);
  Consumer consumer(node(), start);
  ASSERT_TRUE(consumer.becomes_live());
  EXPECT_EQ(consumer.told(), numbers(1, 3));
}

TEST_P(JournalCursors, ExactlyAtTheTrimPointMissesNothingAndOlderIsAGap) {
  options_.retention = 300ms;
  publish(1, 3);
  backend_->pass(400ms);
  publish(4, 6);
  Consumer complete(node(), positions_[3]);
  ASSERT_TRUE(complete.becomes_live());
  EXPECT_EQ(complete.told(), numbers(4, 6));
  Consumer late(node(), positions_[2]);
  ASSERT_TRUE(late.becomes_live());
  EXPECT_EQ(late.told(), gap_then(4, 6));
}

TEST_P(JournalCursors, AQuietRoomCostsNobodyItsPlace) {
  options_.retention = 200ms;
  Consumer quiet(node(), "", "threads");
  ASSERT_TRUE(quiet.becomes_live());
  std::string cursor = quiet.position();
  int n = 0;
  for (int round = 0; round < 6; ++round) {
    backend_->pass(100ms);
    publish(n + 1, n + 3);
    n += 3;
    // What the fronts tell a quiet consumer: how far the journal was looked through for it.
    ASSERT_TRUE(eventually([&] { return node().head() == positions_[n]; }));
    cursor = node().head();
  }
  node().publish(1, "threads");
  Consumer back(node(), cursor, "threads");
  ASSERT_TRUE(back.becomes_live());
  EXPECT_EQ(back.told(), Texts{"1"});
}

TEST_P(JournalCursors, PagesWhileAPublisherRunsAreExact) {
  constexpr int kOld = 600;
  constexpr int kNew = 600;
  std::vector<std::future<PublishOutcome>> outcomes;
  for (int n = 1; n <= kOld; ++n) outcomes.push_back(node().publish_later(n));
  const std::string first = await(std::move(outcomes.front())).position;
  for (std::size_t i = 1; i < outcomes.size(); ++i) await(std::move(outcomes[i]));
  std::thread publisher([&] {
    for (int n = kOld + 1; n <= kOld + kNew; ++n) node().publish(n);
  });
  std::vector<std::unique_ptr<Consumer>> consumers;
  for (const std::size_t page : {1u, 200u, 5000u, 256u * 1024}) {
    consumers.push_back(std::make_unique<Consumer>(node(), first, "graph", page));
  }
  publisher.join();
  for (const auto& consumer : consumers) {
    ASSERT_TRUE(consumer->await(kOld + kNew));
    EXPECT_EQ(consumer->told(), numbers(2, kOld + kNew));
  }
}

TEST_P(JournalContract, ALargeBacklogReachesAConsumerThatKeepsReading) {
  options_.warm_bytes = 1 << 20;
  window_bytes_ = 1 << 20;
  publish(1, 1);
  constexpr int kCount = 200;
  std::vector<std::future<PublishOutcome>> outcomes;
  for (int n = 2; n <= kCount; ++n) outcomes.push_back(node().publish_later(n, "graph", 250'000));
  for (auto& outcome : outcomes) await(std::move(outcome));
  Consumer consumer(node(), positions_[1]);
  publish(kCount + 1, kCount + 20);
  ASSERT_TRUE(consumer.await(kCount + 20));
  EXPECT_EQ(consumer.told(), numbers(2, kCount + 20));
}

// ---- sessions

TEST_P(JournalContract, ASessionComesBackAsItWasSavedWithTheNextGeneration) {
  EXPECT_EQ(save(session("p")), SessionResult::kOk);
  const auto [result, record] = take("p");
  EXPECT_EQ(result, SessionResult::kOk);
  EXPECT_EQ(describe(record), describe(session("p", 2)));
  EXPECT_EQ(take("p").second.generation, 3u);
}

TEST_P(JournalContract, ASessionMayHaveNoRoomsAndNoPositions) {
  SessionRecord bare;
  bare.pid = "p";
  bare.sid = "s";
  bare.generation = 1;
  EXPECT_EQ(save(bare), SessionResult::kOk);
  bare.generation = 2;
  EXPECT_EQ(describe(take("p").second), describe(bare));
}

TEST_P(JournalContract, ASessionNobodyKnowsIsGone) {
  EXPECT_EQ(take("unknown").first, SessionResult::kGone);
}

TEST_P(JournalContract, AnOlderGenerationMayNotWrite) {
  save(session("p"));
  take("p");
  EXPECT_EQ(save(session("p", 1)), SessionResult::kGone);
  EXPECT_EQ(save(session("p", 1), true), SessionResult::kGone);
  SessionRecord newer = session("p", 2);
  newer.rooms.clear();
  EXPECT_EQ(save(newer), SessionResult::kOk);
  newer.generation = 3;
  EXPECT_EQ(describe(take("p").second), describe(newer));
}

TEST_P(JournalContract, AForgottenSessionIsGoneUnlessANewerGenerationHoldsIt) {
  save(session("p"));
  take("p");
  node().call([&] { node().journal().forget("p", 1); });
  EXPECT_EQ(take("p").first, SessionResult::kOk);
  node().call([&] { node().journal().forget("p", 3); });
  EXPECT_EQ(take("p").first, SessionResult::kGone);
}

TEST_P(JournalContract, ASessionLivesForItsTimeFromTheLastWrite) {
  // Kept for 4/3 of it and two seconds.
  options_.session_ttl = 300ms;
  save(session("p"));
  save(session("q"));
  backend_->pass(1500ms);
  EXPECT_EQ(save(session("q"), true), SessionResult::kOk);
  backend_->pass(1500ms);
  EXPECT_EQ(take("p").first, SessionResult::kGone);
  EXPECT_EQ(take("q").first, SessionResult::kOk);
}

TEST_P(JournalContract, WhoeverHeldASessionHearsThatItWasTaken) {
  std::mutex mutex;
  std::vector<std::string> heard;
  node_ = std::make_unique<JournalNode>([this](auto& io, Log& log, Metrics& metrics) {
    return backend_->make(io, log, metrics, options_);
  });
  node_->journal().on_taken([&](std::string_view pid, std::uint64_t generation) {
    const std::lock_guard lock(mutex);
    heard.push_back(std::string(pid) + " " + std::to_string(generation));
  });
  node_->start();
  ASSERT_TRUE(node_->becomes_ready());
  save(session("p", 5));
  take("p");
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return heard == Texts{"p 6"};
  }));
}

TEST_P(JournalContract, ManySessionsAreTakenAtOnce) {
  constexpr int kCount = 2000;
  node();
  std::atomic<int> saved = 0;
  std::atomic<int> taken = 0;
  node().call([&] {
    for (int i = 0; i < kCount; ++i) {
      node().journal().save(session("p" + std::to_string(i)), false, [&](SessionResult result) {
        if (result == SessionResult::kOk) ++saved;
      });
    }
  });
  ASSERT_TRUE(eventually([&] { return saved == kCount; }));
  node().call([&] {
    for (int i = 0; i < kCount; ++i) {
      node().journal().take("p" + std::to_string(i), [&](SessionResult result, SessionRecord) {
        if (result == SessionResult::kOk) ++taken;
      });
    }
  });
  EXPECT_TRUE(eventually([&] { return taken == kCount; }));
}

// ---- ends

TEST_P(JournalContract, NothingIsCalledAfterStop) {
  node();
  auto alive = std::make_shared<std::atomic<bool>>(true);
  auto late = std::make_shared<std::atomic<int>>(0);
  node().call([&] {
    for (int i = 0; i < 100; ++i) {
      node().journal().read(std::nullopt, 10, [=](JournalPage) { *late += *alive ? 0 : 1; });
      node().journal().take("p", [=](SessionResult, SessionRecord) { *late += *alive ? 0 : 1; });
    }
  });
  node().broker().stop();
  *alive = false;
  node().call([] {});
  EXPECT_EQ(*late, 0);
}

const auto kKinds = testing::Values(
    Kind{"Memory", []() -> std::unique_ptr<Backend> { return std::make_unique<MemoryBackend>(); }},
    Kind{"Redis", []() -> std::unique_ptr<Backend> { return std::make_unique<RedisBackend>(); }});
const auto name_of = [](const testing::TestParamInfo<Kind>& kind) {
  return std::string(kind.param.name);
};
INSTANTIATE_TEST_SUITE_P(Journals, JournalContract, kKinds, name_of);
INSTANTIATE_TEST_SUITE_P(Journals, JournalCursors, kKinds, name_of);

}  // namespace
}  // namespace notifications::test
