#include "core/runtime/dispatcher.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace notifications {
namespace {

class Watcher : public Subscriber {
 public:
  explicit Watcher(Hub& hub) : hub_(hub) {}
  ~Watcher() override { hub_.leave_all(*this); }
  void deliver(const PublicationPtr& publication) override {
    got.push_back(publication->envelope().id);
    last = publication;
  }
  std::vector<std::string> got;  // ids
  PublicationPtr last;

 private:
  Hub& hub_;
};

// A dispatcher over three shards whose loops the test turns itself.
class DispatcherTest : public testing::Test {
 protected:
  DispatcherTest() {
    for (int i = 0; i < 3; ++i) shards_.push_back(std::make_unique<Shard>(i, interest_));
    dispatcher_ = make(nullptr);
  }
  std::unique_ptr<Dispatcher> make(Shard* local) {
    std::vector<Shard*> shards;
    for (const auto& shard : shards_) shards.push_back(shard.get());
    return std::make_unique<Dispatcher>(interest_, shards, local, log_, metrics_);
  }
  std::unique_ptr<Watcher> watcher(std::size_t shard, std::initializer_list<const char*> rooms) {
    auto out = std::make_unique<Watcher>(shards_[shard]->hub());
    for (const char* room : rooms) shards_[shard]->hub().join(*out, *parse_room_pattern(room));
    return out;
  }
  static std::string envelope(const std::string& id, const std::string& rooms,
                              const std::string& event = "node_state") {
    return R"({"id":")" + id + R"(","ts":"2026-02-19T12:00:00.000Z","source":"s","rooms":)" +
           rooms + R"(,"event":")" + event + R"(","payload":{"a":1}})";
  }
  void receive(const std::string& text) { dispatcher_->on_message({text}); }
  // Turns one shard's loop; returns how many pieces of work it had.
  std::size_t turn(std::size_t shard) {
    shards_[shard]->io().restart();
    return shards_[shard]->io().poll();
  }
  void turn_all() {
    for (std::size_t i = 0; i < shards_.size(); ++i) turn(i);
  }
  std::int64_t counted(std::string_view name) const { return metrics_.total(name); }
  std::int64_t counted(std::string_view name, std::string_view label) const {
    for (const auto& [text, value] : metrics_.by_label(name)) {
      if (text == label) return value;
    }
    return -1;
  }

  std::vector<std::string> lines_;
  Log log_{LogLevel::kInfo, LogFormat::kText,
           [this](std::string_view line) { lines_.emplace_back(line); }};
  Metrics metrics_;
  RoomInterest interest_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<Dispatcher> dispatcher_;
};

using Ids = std::vector<std::string>;

TEST_F(DispatcherTest, WakesOnlyShardsWithInterest) {
  const auto first = watcher(0, {"graph"});
  const auto third = watcher(2, {"run:1"});
  receive(envelope("a", R"(["graph"])"));
  dispatcher_->on_batch_end();
  EXPECT_EQ(turn(0), 1u);
  EXPECT_EQ(turn(1), 0u);
  EXPECT_EQ(turn(2), 0u);
  EXPECT_EQ(first->got, Ids{"a"});
  EXPECT_TRUE(third->got.empty());
}

TEST_F(DispatcherTest, PostsABatchToAShardOnceAndInOrder) {
  const auto graph = watcher(0, {"graph"});
  const auto both = watcher(1, {"graph", "run:1"});
  receive(envelope("1", R"(["graph"])"));
  receive(envelope("2", R"(["run:1"])"));
  receive(envelope("3", R"(["run:1","graph"])"));
  EXPECT_EQ(turn(0), 0u);  // nothing leaves before the batch ends
  dispatcher_->on_batch_end();
  EXPECT_EQ(turn(0), 1u);
  EXPECT_EQ(turn(1), 1u);
  EXPECT_EQ(graph->got, (Ids{"1", "3"}));
  EXPECT_EQ(both->got, (Ids{"1", "2", "3"}));
}

TEST_F(DispatcherTest, KeepsTheOrderOverBatches) {
  const auto watching = watcher(0, {"*"});
  for (int i = 0; i < 10; ++i) {
    receive(envelope(std::to_string(i), R"(["graph"])"));
    dispatcher_->on_batch_end();
  }
  turn_all();
  EXPECT_EQ(watching->got, (Ids{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}));
}

TEST_F(DispatcherTest, CountsEachEventOfARunByItsName) {
  const auto first = watcher(0, {"graph"});
  const auto second = watcher(0, {"graph", "run:1"});
  receive(envelope("1", R"(["graph"])"));
  receive(envelope("2", R"(["graph"])", "node_status"));
  receive(envelope("3", R"(["run:1"])"));
  dispatcher_->on_batch_end();
  turn_all();
  EXPECT_EQ(first->got, (Ids{"1", "2"}));
  EXPECT_EQ(second->got, (Ids{"1", "2", "3"}));
  EXPECT_EQ(counted("notifications_deliveries_total"), 5);
  EXPECT_EQ(counted("notifications_events_delivered_total", "node_state"), 3);
  EXPECT_EQ(counted("notifications_events_delivered_total", "node_status"), 2);
}

TEST_F(DispatcherTest, SharesOnePublicationBetweenShards) {
  const auto first = watcher(0, {"graph"});
  const auto second = watcher(1, {"graph"});
  const std::string text = envelope("a", R"([ "graph" ])");
  receive(text);
  dispatcher_->on_batch_end();
  turn_all();
  ASSERT_NE(first->last, nullptr);
  EXPECT_EQ(first->last, second->last);
  EXPECT_EQ(first->last->text(), text);
  EXPECT_EQ(first->last->envelope().payload, R"({"a":1})");
}

TEST_F(DispatcherTest, DeliversToItsOwnShardWithoutAHop) {
  dispatcher_ = make(shards_[1].get());
  const auto local = watcher(1, {"graph"});
  const auto other = watcher(0, {"graph"});
  receive(envelope("a", R"(["graph"])"));
  EXPECT_TRUE(local->got.empty());
  dispatcher_->on_batch_end();
  EXPECT_EQ(local->got, Ids{"a"});
  EXPECT_TRUE(other->got.empty());
  EXPECT_EQ(turn(1), 0u);
  turn(0);
  EXPECT_EQ(other->got, Ids{"a"});
}

TEST_F(DispatcherTest, SeesARoomAsSoonAsItWasJoined) {
  receive(envelope("early", R"(["graph"])"));
  const auto late = watcher(0, {"graph"});
  receive(envelope("a", R"(["graph"])"));
  dispatcher_->on_batch_end();
  turn_all();
  EXPECT_EQ(late->got, Ids{"a"});
}

// Between the post and the shard's turn everybody may have left.
TEST_F(DispatcherTest, DeliversToNobodyWhoLeftMeanwhile) {
  auto leaves = watcher(0, {"graph"});
  receive(envelope("a", R"(["graph"])"));
  dispatcher_->on_batch_end();
  leaves.reset();
  EXPECT_EQ(turn(0), 1u);
  EXPECT_EQ(counted("notifications_deliveries_total"), 0);
}

TEST_F(DispatcherTest, CountsWhatComesAndGoes) {
  const auto first = watcher(0, {"graph"});
  const auto second = watcher(0, {"graph"});
  const std::string watched = envelope("a", R"(["graph"])");
  const std::string unwatched = envelope("b", R"(["run:1"])");
  const std::string other = envelope("c", R"(["graph"])", "mine");
  for (const auto& text : {watched, unwatched, other, std::string("x")}) receive(text);
  dispatcher_->on_batch_end();
  turn_all();
  EXPECT_EQ(counted("notifications_events_received_total"), 3);
  EXPECT_EQ(counted("notifications_events_received_bytes_total"),
            static_cast<std::int64_t>(watched.size() + unwatched.size() + other.size() + 1));
  EXPECT_EQ(counted("notifications_events_unwatched_total"), 1);
  EXPECT_EQ(counted("notifications_deliveries_total"), 4);
  EXPECT_EQ(counted("notifications_events_delivered_total", "node_state"), 2);
  EXPECT_EQ(counted("notifications_events_delivered_total", "other"), 2);
}

// A label is never what a peer wrote.
TEST_F(DispatcherTest, MakesNoLabelOfAnEventsName) {
  const auto watching = watcher(0, {"graph"});
  const std::size_t before = metrics_.by_label("notifications_events_delivered_total").size();
  for (int i = 0; i < 100; ++i) {
    receive(envelope("a", R"(["graph"])", "event" + std::to_string(i)));
  }
  dispatcher_->on_batch_end();
  turn_all();
  EXPECT_EQ(metrics_.by_label("notifications_events_delivered_total").size(), before);
}

TEST_F(DispatcherTest, DropsInvalidEnvelopesAndCountsThemByReason) {
  const auto watching = watcher(0, {"graph"});
  const std::vector<std::pair<std::string, std::string>> invalid = {
      {"too_large", std::string(kMaxEnvelopeBytes + 1, ' ')},
      {"not_json", "{"},
      {"not_an_object", "[]"},
      {"unknown_key", R"({"x":1})"},
      {"duplicate_key", R"({"id":"a","id":"b"})"},
      {"missing_key", "{}"},
      {"wrong_type", R"({"id":1})"},
      {"bad_id", envelope("", R"(["graph"])")},
      {"bad_rooms", envelope("a", "[]")},
      {"bad_event", envelope("a", R"(["graph"])", "connect")},
      {"too_deep", R"({"payload":)" + std::string(600, '[')}};
  for (const auto& [reason, text] : invalid) {
    receive(text);
    EXPECT_EQ(counted("notifications_events_invalid_total", reason), 1) << reason;
  }
  receive(envelope("next", R"(["graph"])"));
  dispatcher_->on_batch_end();
  turn_all();
  EXPECT_EQ(counted("notifications_events_invalid_total"),
            static_cast<std::int64_t>(invalid.size()));
  EXPECT_EQ(watching->got, Ids{"next"});
}

TEST_F(DispatcherTest, CountsEveryReasonFromTheStart) {
  EXPECT_EQ(metrics_.by_label("notifications_events_invalid_total").size(),
            static_cast<std::size_t>(kInvalidReasons));
}

TEST_F(DispatcherTest, LogsInvalidEnvelopesRarelyAndWithoutTheirPayload) {
  for (int i = 0; i < 1000; ++i) {
    receive(R"({"payload":"SECRET","event":"\n2026 forged","id":)" + std::to_string(i) + "}");
  }
  // One a second at most; a machine that stands still in between may let a second one through.
  ASSERT_GE(lines_.size(), 1u);
  EXPECT_LE(lines_.size(), 3u);
  EXPECT_NE(lines_[0].find(" warn invalid envelope dropped reason=wrong_type "), std::string::npos)
      << lines_[0];
  EXPECT_NE(lines_[0].find(" suppressed=0"), std::string::npos);
  EXPECT_EQ(lines_[0].find("SECRET"), std::string::npos);
  EXPECT_EQ(counted("notifications_events_invalid_total"), 1000);
}

TEST_F(DispatcherTest, AnEmptyBatchPostsNothing) {
  dispatcher_->on_batch_end();
  receive("{");
  receive(envelope("a", R"(["run:9"])"));
  dispatcher_->on_batch_end();
  for (std::size_t i = 0; i < shards_.size(); ++i) EXPECT_EQ(turn(i), 0u);
}

}  // namespace
}  // namespace notifications
