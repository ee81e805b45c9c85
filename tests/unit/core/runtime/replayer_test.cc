#include "core/runtime/replayer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace notifications {
namespace {

using Texts = std::vector<std::string>;

Position at(const std::string& text) { return *parse_position(text); }

std::string envelope(const std::string& id, const std::string& room = "graph",
                     const std::string& payload = "null") {
  return R"({"id":")" + id + R"(","ts":"2026-02-19T12:00:00Z","source":"s","rooms":[")" + room +
         R"("],"event":"e","payload":)" + payload + "}";
}

// A journal whose answers the test gives by hand or lets out of a list of entries.
class FakeJournal : public Journal {
 public:
  struct Ask {
    std::optional<StreamId> after;
    std::function<void(JournalPage)> done;
  };
  void read(std::optional<StreamId> after, std::size_t count,
            std::function<void(JournalPage)> done) override {
    asks.push_back({after, std::move(done)});
    most = std::max(most, asks.size());
    page_size = std::min(page_size, count);
  }
  // Answers the oldest question out of `entries`.
  void answer() {
    Ask ask = std::move(asks.front());
    asks.erase(asks.begin());
    JournalPage page;
    page.ok = true;
    page.head = head();
    for (const JournalEntry& entry : entries) {
      if (ask.after && entry.position.id <= *ask.after) continue;
      if (page.entries.size() < page_size) page.entries.push_back(entry);
    }
    ask.done(std::move(page));
  }
  Position head() const { return entries.empty() ? empty_head : entries.back().position; }
  void append(const std::string& position, const std::string& text) {
    entries.push_back({at(position), head(), text});
  }
  void trim(std::size_t count) {
    empty_head = head();
    entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(count));
  }

  void take(std::string, std::function<void(SessionResult, SessionRecord)>) override {}
  void save(SessionRecord, bool, std::function<void(SessionResult)>) override {}
  void forget(std::string, std::uint64_t) override {}
  void on_taken(std::function<void(std::string_view, std::uint64_t)>) override {}

  std::vector<JournalEntry> entries;
  Position empty_head{"e", {0, 0}};
  std::vector<Ask> asks;
  std::size_t most = 0;  // that waited at the same time
  std::size_t page_size = 1000;
};

// A consumer of graph that pulls page after page until it is live.
struct Consumer {
  Texts gaps;    // "after -> resumes_at"
  Texts events;  // ids
  Texts upto;    // of each page
  bool live = false;
};

// A replayer, the loops of whose shard and broker the test turns itself.
class ReplayerTest : public testing::Test {
 protected:
  void window_of(const std::string& base, std::vector<std::string> positions) {
    window_.reset(at(base));
    for (const std::string& position : positions) push(position);
  }
  void push(const std::string& position, const std::string& room = "graph",
            const std::string& payload = "null") {
    std::string text = envelope(position, room, payload);
    Envelope parsed{position, "", "s", {room}, "e", payload};
    window_.push(at(position),
                 std::make_shared<const Publication>(std::move(parsed), std::move(text), position,
                                                     std::chrono::steady_clock::now()));
  }
  void turn() {
    for (int i = 0; i < 3; ++i) {
      broker_.restart();
      broker_.poll();
      shard_.io().restart();
      shard_.io().poll();
    }
  }
  // One page.
  std::shared_ptr<std::optional<ReplayPage>> ask(std::string after,
                                                 std::size_t max_bytes = 256 * 1024) {
    const auto page = std::make_shared<std::optional<ReplayPage>>();
    replayer_.read(shard_, request(std::move(after), max_bytes),
                   [page](ReplayPage got) { *page = std::move(got); });
    turn();
    return page;
  }
  // Pages until it is live, or the journal is asked and nobody answers it.
  Consumer follow(const std::string& after, std::size_t max_bytes = 256 * 1024) {
    Consumer consumer;
    std::string cursor = after;
    for (int pages = 0; pages < 100 && !consumer.live; ++pages) {
      const auto page = ask(cursor, max_bytes);
      while (!*page && !journal_.asks.empty()) {
        journal_.answer();
        turn();
      }
      if (!*page) break;
      if (const auto& gap = (*page)->gap) {
        consumer.gaps.push_back(gap->after + " -> " + gap->resumes_at.text());
      }
      for (const auto& event : (*page)->events) consumer.events.push_back(event->position());
      cursor = (*page)->upto.text();
      consumer.upto.push_back(cursor);
      consumer.live = (*page)->live;
    }
    return consumer;
  }
  static ReplayRequest request(std::string after, std::size_t max_bytes) {
    ReplayRequest out;
    out.after = std::move(after);
    out.max_bytes = max_bytes;
    out.matches = [](const Position&, const Envelope& e) { return e.rooms.front() == "graph"; };
    return out;
  }

  boost::asio::io_context broker_;
  RoomInterest interest_;
  Shard shard_{0, interest_};
  FakeJournal journal_;
  ReplayWindow window_{1 << 20};
  Metrics metrics_;
  Replayer replayer_{broker_, journal_, window_, nullptr, metrics_};
};

TEST_F(ReplayerTest, SaysWhereAConsumerIsLiveFromIfItBringsNoCursor) {
  window_of("e.1-0", {"e.2-0", "e.3-0"});
  const auto page = ask("");
  ASSERT_TRUE(*page);
  EXPECT_TRUE((*page)->live);
  EXPECT_FALSE((*page)->gap);
  EXPECT_TRUE((*page)->events.empty());
  EXPECT_EQ((*page)->upto, at("e.3-0"));
}

TEST_F(ReplayerTest, WaitsUntilTheWindowHasStarted) {
  const auto fresh = ask("");
  const auto resumed = ask("e.2-0");
  EXPECT_FALSE(*fresh);
  EXPECT_FALSE(*resumed);
  window_of("e.1-0", {"e.2-0", "e.3-0"});
  replayer_.on_advanced();
  turn();
  ASSERT_TRUE(*fresh && *resumed);
  EXPECT_EQ((*resumed)->events.size(), 1u);
}

TEST_F(ReplayerTest, ServesTheWindowWithoutAskingTheJournal) {
  window_of("e.1-0", {"e.2-0"});
  push("e.3-0", "threads");
  push("e.4-0");
  const Consumer consumer = follow("e.1-0");
  EXPECT_EQ(consumer.events, (Texts{"e.2-0", "e.4-0"}));
  EXPECT_EQ(consumer.gaps, Texts{});
  EXPECT_TRUE(consumer.live);
  EXPECT_TRUE(journal_.asks.empty());
  EXPECT_EQ(follow("e.4-0").events, Texts{});
}

TEST_F(ReplayerTest, EndsAPageWithTheEventThatReachesItsBytes) {
  window_of("e.1-0", {});
  for (const char* position : {"e.2-0", "e.3-0", "e.4-0"}) {
    push(position, "graph", '"' + std::string(100, 'x') + '"');
  }
  const auto first = ask("e.1-0", 150);
  ASSERT_TRUE(*first);
  EXPECT_EQ((*first)->events.size(), 2u);
  EXPECT_EQ((*first)->upto, at("e.3-0"));
  EXPECT_FALSE((*first)->live);
  EXPECT_EQ(follow("e.1-0", 1).events, (Texts{"e.2-0", "e.3-0", "e.4-0"}));
}

TEST_F(ReplayerTest, SkipsEntriesThatAreNoEnvelope) {
  window_of("e.1-0", {"e.2-0"});
  window_.push(at("e.3-0"), nullptr);
  push("e.4-0");
  EXPECT_EQ(follow("e.1-0").events, (Texts{"e.2-0", "e.4-0"}));
}

TEST_F(ReplayerTest, TellsOfAGapBeforeACursorThatNamesNoEntry) {
  window_of("e.10-0", {"e.20-0", "e.30-0"});
  const Consumer consumer = follow("e.25-0");
  EXPECT_EQ(consumer.gaps, Texts{"e.25-0 -> e.20-0"});
  EXPECT_EQ(consumer.events, Texts{"e.30-0"});
  const Consumer first = follow("e.15-0");
  EXPECT_EQ(first.gaps, Texts{"e.15-0 -> e.10-0"});
  EXPECT_EQ(first.events, (Texts{"e.20-0", "e.30-0"}));
}

TEST_F(ReplayerTest, PagesThroughTheJournalAndThenTheWindow) {
  for (int i = 1; i <= 9; ++i) {
    const std::string position = "e." + std::to_string(i) + "-0";
    journal_.append(position, envelope(position));
  }
  journal_.page_size = 2;
  window_of("e.7-0", {"e.8-0", "e.9-0"});
  const Consumer consumer = follow("e.2-0");
  EXPECT_EQ(consumer.events,
            (Texts{"e.3-0", "e.4-0", "e.5-0", "e.6-0", "e.7-0", "e.8-0", "e.9-0"}));
  EXPECT_EQ(consumer.gaps, Texts{});
  EXPECT_TRUE(consumer.live);
}

// The journal's entries e.6-0 … e.9-0 are left, the window holds the last two.
class TrimmedJournal : public ReplayerTest {
 protected:
  TrimmedJournal() {
    for (int i = 1; i <= 9; ++i) {
      const std::string position = "e." + std::to_string(i) + "-0";
      journal_.append(position, envelope(position));
    }
    journal_.trim(5);
    window_of("e.7-0", {"e.8-0", "e.9-0"});
  }
  const Texts held_{"e.6-0", "e.7-0", "e.8-0", "e.9-0"};
};

TEST_F(TrimmedJournal, IsCompleteExactlyAtTheTrimPoint) {
  const Consumer consumer = follow("e.5-0");
  EXPECT_EQ(consumer.gaps, Texts{});
  EXPECT_EQ(consumer.events, held_);
}

TEST_F(TrimmedJournal, HasAGapBehindAnOlderCursor) {
  const Consumer consumer = follow("e.4-0");
  EXPECT_EQ(consumer.gaps, Texts{"e.4-0 -> e.5-0"});
  EXPECT_EQ(consumer.events, held_);
}

TEST_F(TrimmedJournal, GivesAllItHoldsForAMalformedCursor) {
  const Consumer consumer = follow("what?");
  EXPECT_EQ(consumer.gaps, Texts{"what? -> e.5-0"});
  EXPECT_EQ(consumer.events, held_);
  EXPECT_TRUE(consumer.live);
}

TEST_F(TrimmedJournal, GivesAllItHoldsForACursorOfAnotherEpoch) {
  for (const char* cursor : {"f.7-0", "f.99-0", "f.1-0"}) {
    const Consumer consumer = follow(cursor);
    EXPECT_EQ(consumer.gaps, Texts{std::string(cursor) + " -> e.5-0"});
    EXPECT_EQ(consumer.events, held_) << cursor;
  }
}

TEST_F(TrimmedJournal, GivesAllItHoldsForACursorThatIsNewerThanTheHead) {
  const Consumer consumer = follow("e.99-0");
  EXPECT_EQ(consumer.gaps, Texts{"e.99-0 -> e.5-0"});
  EXPECT_EQ(consumer.events, held_);
}

TEST_F(TrimmedJournal, TellsOfTheGapOnceHoweverManyPagesFollow) {
  journal_.page_size = 1;
  const Consumer consumer = follow("e.1-0", 1);
  EXPECT_EQ(consumer.gaps.size(), 1u);
  EXPECT_EQ(consumer.events, held_);
}

TEST_F(ReplayerTest, HasAGapToTheHeadOfAJournalThatHoldsNothingAnyMore) {
  journal_.append("e.1-0", envelope("1"));
  journal_.append("e.2-0", envelope("2"));
  journal_.trim(2);
  window_of("e.2-0", {});
  const Consumer late = follow("e.1-0");
  EXPECT_EQ(late.gaps, Texts{"e.1-0 -> e.2-0"});
  EXPECT_TRUE(late.live);
  EXPECT_EQ(follow("e.2-0").gaps, Texts{});
}

TEST_F(ReplayerTest, WaitsForTheWindowIfTheCursorIsTheJournalsEnd) {
  for (const char* position : {"e.1-0", "e.2-0", "e.3-0"}) {
    journal_.append(position, envelope(position));
  }
  window_of("e.1-0", {"e.2-0"});  // this process lags behind
  const auto page = ask("e.3-0");
  ASSERT_EQ(journal_.asks.size(), 1u);
  journal_.answer();
  turn();
  EXPECT_FALSE(*page);
  replayer_.on_advanced();  // something else moved
  turn();
  EXPECT_FALSE(*page);
  push("e.3-0");
  push("e.4-0");
  replayer_.on_advanced();
  turn();
  ASSERT_TRUE(*page);
  EXPECT_FALSE((*page)->gap);
  EXPECT_EQ((*page)->events.size(), 1u);
  EXPECT_TRUE((*page)->live);
}

TEST_F(ReplayerTest, FindsAHoleWithinTheJournal) {
  for (const char* position : {"e.1-0", "e.2-0", "e.3-0", "e.4-0"}) {
    journal_.append(position, envelope(position));
  }
  journal_.entries.erase(journal_.entries.begin() + 2);  // somebody deleted e.3-0
  window_of("e.4-0", {});
  const Consumer consumer = follow("e.1-0");
  EXPECT_EQ(consumer.events, (Texts{"e.2-0", "e.4-0"}));
  EXPECT_EQ(consumer.gaps, Texts{"e.2-0 -> e.3-0"});
}

// The stream was restored to an older state, e.9-0 was lost, and it went on in a new epoch.
TEST_F(ReplayerTest, GivesNothingTwiceAfterTheEpochWasRenewedOnTheSameStream) {
  for (const char* position : {"e.1-0", "e.2-0", "f.10-0", "f.11-0"}) {
    journal_.append(position, envelope(position));
  }
  journal_.page_size = 1;
  window_of("f.11-0", {});
  const Consumer complete = follow("e.2-0");
  EXPECT_EQ(complete.gaps, Texts{});
  EXPECT_EQ(complete.events, (Texts{"f.10-0", "f.11-0"}));
  const Consumer lost = follow("e.9-0");
  EXPECT_EQ(lost.gaps, Texts{"e.9-0 -> e.2-0"});
  EXPECT_EQ(lost.events, (Texts{"f.10-0", "f.11-0"}));
}

TEST_F(ReplayerTest, ReadsTheJournalForAFewAtATime) {
  for (int i = 1; i <= 9; ++i) {
    const std::string position = "e." + std::to_string(i) + "-0";
    journal_.append(position, envelope(position));
  }
  window_of("e.9-0", {});
  std::vector<std::shared_ptr<std::optional<ReplayPage>>> pages;
  for (int i = 0; i < 50; ++i) pages.push_back(ask("e.1-0"));
  EXPECT_LE(journal_.most, 8u);
  while (!journal_.asks.empty()) journal_.answer();
  turn();
  EXPECT_LE(journal_.most, 8u);
  for (const auto& page : pages) {
    ASSERT_TRUE(*page);
    EXPECT_EQ((*page)->events.size(), 8u);
  }
}

// What is posted to the shard before a page is in the page; what comes behind it is not.
TEST_F(ReplayerTest, AnswersInOrderWithWhatIsPostedToTheShard) {
  window_of("e.1-0", {"e.2-0"});
  Texts order;
  replayer_.read(shard_, request("e.1-0", 1000),
                 [&](const ReplayPage& page) { order.push_back("page upto " + page.upto.text()); });
  shard_.post([&] { order.push_back("before"); });
  broker_.poll();
  shard_.post([&] { order.push_back("behind"); });
  shard_.io().poll();
  EXPECT_EQ(order, (Texts{"before", "page upto e.2-0", "behind"}));
}

TEST_F(ReplayerTest, CountsWhatItServed) {
  window_of("e.10-0", {"e.20-0", "e.30-0"});
  follow("e.10-0");
  follow("e.15-0");
  EXPECT_EQ(metrics_.total("notifications_replayed_events_total"), 4);
  EXPECT_EQ(metrics_.total("notifications_replay_gaps_total"), 1);
}

}  // namespace
}  // namespace notifications
