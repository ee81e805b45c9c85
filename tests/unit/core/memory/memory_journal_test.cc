#include "core/memory/memory_journal.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <string>

namespace notifications {
namespace {

using namespace std::chrono_literals;

class MemoryJournalTest : public testing::Test {
 protected:
  Position append(const std::string& id) {
    PublishCommand command;
    command.id = id;
    command.ts = "2026-02-19T12:00:00Z";
    command.text = "{}";
    return *parse_position(journal_.append(command).position);
  }
  JournalPage read(std::optional<StreamId> after = std::nullopt, std::size_t count = 1000) {
    JournalPage page;
    journal_.read(after, count, [&](JournalPage got) { page = std::move(got); });
    EXPECT_FALSE(page.ok) << "called back from within the call";
    turn();
    return page;
  }
  void turn() {
    io_.restart();
    io_.poll();
  }

  static JournalOptions options() {
    JournalOptions options;
    options.max_length = 5;
    options.retention = 60s;
    options.idempotency_window = 10s;
    return options;
  }

  std::chrono::system_clock::time_point now_{1'700'000'000s};
  boost::asio::io_context io_;
  MemoryJournal journal_{io_, options(), [this] { return now_; }};
};

TEST_F(MemoryJournalTest, IdsAreTheTimeAndGrowWhateverTheClockDoes) {
  EXPECT_EQ(append("a").id, (StreamId{1'700'000'000'000, 0}));
  EXPECT_EQ(append("b").id, (StreamId{1'700'000'000'000, 1}));
  now_ -= 1h;
  EXPECT_EQ(append("c").id, (StreamId{1'700'000'000'000, 2}));
  now_ += 2h;
  EXPECT_EQ(append("d").id, (StreamId{1'700'003'600'000, 0}));
}

TEST_F(MemoryJournalTest, HoldsNoMoreThanItsLength) {
  const Position second = (append("a"), append("b"));
  for (const char* id : {"c", "d", "e", "f", "g"}) append(id);
  const JournalPage page = read();
  ASSERT_EQ(page.entries.size(), 5u);
  EXPECT_EQ(page.entries.front().previous, second);
}

TEST_F(MemoryJournalTest, HoldsNothingOlderThanItsRetention) {
  append("a");
  now_ += 60s;
  append("b");
  EXPECT_EQ(read().entries.size(), 2u);
  now_ += 1ms;
  append("c");
  EXPECT_EQ(read().entries.size(), 2u);
}

TEST_F(MemoryJournalTest, KnowsAnIdForItsWindow) {
  const Position first = append("a");
  now_ += 9'999ms;
  EXPECT_EQ(append("a"), first);
  now_ += 1ms;
  EXPECT_NE(append("a"), first);
  EXPECT_EQ(read().entries.size(), 2u);
}

TEST_F(MemoryJournalTest, EachHasAnEpochOfItsOwn) {
  MemoryJournal other(io_, options(), {});
  EXPECT_NE(other.head().epoch, journal_.head().epoch);
}

TEST_F(MemoryJournalTest, DeadSessionsDoNotPileUp) {
  SessionRecord record;
  for (int i = 0; i < 5000; ++i) {
    record.pid = std::to_string(i);
    journal_.save(record, false, [](auto) {});
    now_ += 1s;
  }
  EXPECT_LE(journal_.sessions(), 2048u);
}

}  // namespace
}  // namespace notifications
