#include "core/replay_window.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace notifications {
namespace {

using Place = ReplayWindow::Place;

Position at(const std::string& text) { return *parse_position(text); }

PublicationPtr publication(std::size_t bytes = 10) {
  return std::make_shared<const Publication>(Envelope{}, std::string(bytes, 'x'), "",
                                             std::chrono::steady_clock::now());
}

// Base e.10-0, entries e.20-0, e.30-0, e.40-0.
class ReplayWindowTest : public testing::Test {
 protected:
  ReplayWindowTest() {
    window_.reset(at("e.10-0"));
    for (const char* position : {"e.20-0", "e.30-0", "e.40-0"}) {
      window_.push(at(position), publication());
    }
  }
  // The positions behind a cursor.
  std::vector<std::string> behind(const std::string& cursor) {
    EXPECT_EQ(window_.locate(at(cursor)), Place::kHeld) << cursor;
    std::vector<std::string> out;
    for (std::size_t i = window_.index_behind(at(cursor)); i < window_.size(); ++i) {
      out.push_back(window_[i].position.text());
    }
    return out;
  }
  using Texts = std::vector<std::string>;

  ReplayWindow window_{1 << 20};
};

TEST(ReplayWindow, IsNotStartedBeforeItKnowsItsBase) {
  ReplayWindow window(1000);
  EXPECT_FALSE(window.started());
  window.reset(at("e.0-0"));
  EXPECT_TRUE(window.started());
  EXPECT_EQ(window.head(), at("e.0-0"));
  EXPECT_EQ(window.base(), at("e.0-0"));
  EXPECT_EQ(window.locate(at("e.0-0")), Place::kHeld);
  EXPECT_EQ(window.index_behind(at("e.0-0")), 0u);
}

TEST_F(ReplayWindowTest, HoldsWhatIsBehindTheBaseAndEachEntry) {
  EXPECT_EQ(behind("e.10-0"), (Texts{"e.20-0", "e.30-0", "e.40-0"}));
  EXPECT_EQ(behind("e.20-0"), (Texts{"e.30-0", "e.40-0"}));
  EXPECT_EQ(behind("e.40-0"), Texts{});
  EXPECT_EQ(window_.head(), at("e.40-0"));
}

TEST_F(ReplayWindowTest, DoesNotKnowACursorBetweenNeighbours) {
  EXPECT_EQ(window_.locate(at("e.15-0")), Place::kUnknown);
  EXPECT_EQ(window_.locate(at("e.20-1")), Place::kUnknown);
  EXPECT_EQ(window_.locate(at("e.39-9")), Place::kUnknown);
}

TEST_F(ReplayWindowTest, LeavesOlderAndNewerCursorsToOthers) {
  EXPECT_EQ(window_.locate(at("e.9-9")), Place::kOlder);
  EXPECT_EQ(window_.locate(at("e.0-0")), Place::kOlder);
  EXPECT_EQ(window_.locate(at("e.40-1")), Place::kNewer);
  EXPECT_EQ(window_.locate(at("e.50-0")), Place::kNewer);
}

TEST_F(ReplayWindowTest, ComparesNothingOfAnotherEpoch) {
  for (const char* cursor : {"f.10-0", "f.20-0", "f.15-0", "f.40-0", "f.50-0", "f.1-0"}) {
    EXPECT_EQ(window_.locate(at(cursor)), Place::kOlder) << cursor;
  }
}

TEST_F(ReplayWindowTest, GoesOnOverAnEpochThatWasRenewedOnTheSameStream) {
  window_.push(at("f.50-0"), publication());
  EXPECT_EQ(behind("e.40-0"), Texts{"f.50-0"});
  EXPECT_EQ(behind("f.50-0"), Texts{});
  EXPECT_EQ(window_.locate(at("f.60-0")), Place::kNewer);
  // Nobody was ever given these.
  EXPECT_NE(window_.locate(at("e.50-0")), Place::kHeld);
  EXPECT_NE(window_.locate(at("f.40-0")), Place::kHeld);
}

TEST_F(ReplayWindowTest, StartsAnewBehindAnotherBase) {
  window_.reset(at("f.5-0"));
  EXPECT_EQ(window_.size(), 0u);
  EXPECT_EQ(window_.bytes(), 0u);
  EXPECT_EQ(window_.head(), at("f.5-0"));
  EXPECT_EQ(window_.locate(at("e.20-0")), Place::kOlder);
}

TEST(ReplayWindow, DropsTheOldestOverItsBoundAndKeepsTheChain) {
  ReplayWindow window(5000);
  window.reset(at("e.0-0"));
  for (int i = 1; i <= 100; ++i) {
    window.push({"e", {static_cast<std::uint64_t>(i), 0}}, publication(200));
    EXPECT_LE(window.bytes(), 5000u);
  }
  ASSERT_GT(window.size(), 1u);
  ASSERT_LT(window.size(), 100u);
  // The base is the predecessor of the first entry held.
  EXPECT_EQ(window.base().id.ms + 1, window[0].position.id.ms);
  EXPECT_EQ(window.locate(window.base()), Place::kHeld);
  const Position dropped{"e", {window.base().id.ms - 1, 0}};
  EXPECT_EQ(window.locate(dropped), Place::kOlder);
}

TEST(ReplayWindow, KnowsItsHeadThoughAnEntryIsTooLargeToHold) {
  ReplayWindow window(2000);
  window.reset(at("e.0-0"));
  window.push(at("e.1-0"), publication(10));
  window.push(at("e.2-0"), publication(100'000));
  EXPECT_EQ(window.size(), 0u);
  EXPECT_EQ(window.bytes(), 0u);
  EXPECT_EQ(window.head(), at("e.2-0"));
  EXPECT_EQ(window.locate(at("e.1-0")), Place::kOlder);
  EXPECT_EQ(window.locate(at("e.2-0")), Place::kHeld);
}

TEST(ReplayWindow, CountsEntriesThatAreNoEnvelopeToo) {
  ReplayWindow window(10'000);
  window.reset(at("e.0-0"));
  for (int i = 1; i <= 1000; ++i) {
    window.push({"e", {static_cast<std::uint64_t>(i), 0}}, nullptr);
  }
  EXPECT_LT(window.size(), 100u);
  EXPECT_EQ(window.head(), (Position{"e", {1000, 0}}));
}

}  // namespace
}  // namespace notifications
