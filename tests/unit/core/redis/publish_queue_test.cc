#include "core/redis/publish_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace notifications::redis {
namespace {

using namespace std::chrono_literals;

class PublishQueueTest : public testing::Test {
 protected:
  PublishQueue::TimePoint at(std::chrono::milliseconds time) const { return start_ + time; }
  bool add(const std::string& text, std::chrono::milliseconds deadline = 10s) {
    PublishCommand command;
    command.text = text;
    command.deadline = at(deadline);
    return queue_.add(std::move(command), [this, text](const PublishOutcome& outcome) {
      static const char* const words[] = {"published", "unavailable", "timed out", "refused"};
      ended_.push_back(text + ": " + words[static_cast<int>(outcome.status)] +
                       (outcome.detail.empty() ? "" : ", " + outcome.detail));
    });
  }
  // Ends what was taken as published.
  void answer(const std::vector<PublishQueue::EntryPtr>& entries) {
    for (const auto& entry : entries) queue_.end(*entry, {PublishStatus::kPublished, "", "", ""});
  }

  const PublishQueue::TimePoint start_ = std::chrono::steady_clock::now();
  Metrics metrics_;
  PublishQueue queue_{4, 100, metrics_};
  std::vector<std::string> ended_;
};

TEST_F(PublishQueueTest, AsksForOneTurnForAllThatGathers) {
  EXPECT_TRUE(add("a"));
  EXPECT_FALSE(add("b"));
  EXPECT_EQ(queue_.take(at(0s)).size(), 2u);
  EXPECT_TRUE(add("c"));
}

TEST_F(PublishQueueTest, RefusesMoreThanItsBounds) {
  for (const char* text : {"a", "b", "c", "d", "e"}) add(text);
  answer(queue_.take(at(0s)));
  EXPECT_EQ(ended_, (std::vector<std::string>{
                        "e: unavailable, too many publishes are waiting for Redis", "a: published",
                        "b: published", "c: published", "d: published"}));
  ended_.clear();
  add(std::string(60, 'x'));
  add(std::string(41, 'y'));
  EXPECT_EQ(queue_.take(at(0s)).size(), 1u);
}

TEST_F(PublishQueueTest, AdmitsOneOfAnySize) {
  add(std::string(1000, 'x'));
  EXPECT_EQ(queue_.take(at(0s)).size(), 1u);
  add("y");
  EXPECT_TRUE(queue_.take(at(0s)).empty());
}

TEST_F(PublishQueueTest, EndsWhatIsDueAndNothingElse) {
  add("late", 2s);
  add("sent", 1s);
  add("held", 1s);
  const auto entries = queue_.take(at(0s));
  queue_.hold(entries[0]);
  queue_.hold(entries[2]);
  EXPECT_EQ(queue_.next_deadline(), at(1s));
  queue_.expire(at(999ms), "away");
  EXPECT_TRUE(ended_.empty());
  queue_.expire(at(1s), "connection refused");
  EXPECT_EQ(ended_, (std::vector<std::string>{
                        "sent: timed out, no answer from Redis before the deadline",
                        "held: unavailable, Redis is not reachable: connection refused"}));
  EXPECT_TRUE(entries[1]->ended());
  EXPECT_EQ(queue_.next_deadline(), at(2s));
  EXPECT_EQ(queue_.release().size(), 1u);
}

TEST_F(PublishQueueTest, DoesNotSendWhatComesTooLate) {
  add("late", 1s);
  EXPECT_TRUE(queue_.take(at(1s)).empty());
  EXPECT_EQ(ended_, std::vector<std::string>{
                        "late: timed out, the deadline had passed before it was sent"});
}

TEST_F(PublishQueueTest, ReleasesInOrder) {
  for (const char* text : {"a", "b", "c"}) add(text);
  for (const auto& entry : queue_.take(at(0s))) queue_.hold(entry);
  std::string order;
  for (const auto& entry : queue_.release()) order += entry->command.text;
  EXPECT_EQ(order, "abc");
  EXPECT_TRUE(queue_.release().empty());
}

TEST_F(PublishQueueTest, CloseEndsEverythingAndLaterOnesAtOnce) {
  add("sent");
  add("held");
  queue_.hold(queue_.take(at(0s))[1]);
  add("fresh");
  queue_.close();
  EXPECT_EQ(ended_.size(), 3u);
  EXPECT_FALSE(add("after"));
  EXPECT_EQ(ended_.back(), "after: unavailable, the broker has stopped");
  EXPECT_EQ(metrics_.total("notifications_redis_publishes_outstanding"), 0);
}

}  // namespace
}  // namespace notifications::redis
