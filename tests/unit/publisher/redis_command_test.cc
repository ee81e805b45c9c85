#include "publisher-client/redis_command.h"

#include <gtest/gtest.h>

#include <string>

namespace notifications::publishing {
namespace {

using Kind = redis::Reply::Kind;
using Status = Publisher::DeliveryStatus;

QueuedEvent event() {
  QueuedEvent event;
  event.id = "id-1";
  event.ts = "2026-02-19T12:00:00.123Z";
  event.text = "{}";
  return event;
}

Publisher::Delivery answered(Kind kind, const std::string& text = "", std::int64_t integer = 0,
                             bool asked_before = false) {
  redis::Reply reply;
  reply.kind = kind;
  reply.text = text;
  reply.integer = integer;
  auto delivery = read_answer(event(), reply, asked_before);
  EXPECT_EQ(delivery.id, "id-1");
  return delivery;
}

TEST(RedisCommand, ReadsThePositionThatTheScriptAnswers) {
  redis::Reply reply;
  reply.kind = Kind::kArray;
  reply.elements = {
      {Kind::kString, "e.5-0", 0, {}}, {Kind::kString, "ts", 0, {}}, {Kind::kInteger, "", 1, {}}};
  const auto delivery = read_answer(event(), reply, false);
  EXPECT_EQ(delivery.status, Status::kDelivered);
  EXPECT_EQ(delivery.position, "e.5-0");
  reply.elements.pop_back();
  EXPECT_EQ(read_answer(event(), reply, false).status, Status::kUnknown);
}

// The event may have been appended by the attempt whose answer was lost.
TEST(RedisCommand, KnowsNothingOfAnEventThatWasRefusedAfterALostAnswer) {
  const auto refused = answered(Kind::kError, "OOM no", 0, true);
  EXPECT_EQ(refused.status, Status::kUnknown);
  EXPECT_EQ(refused.detail, "an answer was lost, and then: OOM no");
  EXPECT_EQ(answered(Kind::kNotSent, "", 0, true).status, Status::kUnknown);
}

TEST(RedisCommand, ReadsTheNumberOfReceivers) {
  const auto delivery = answered(Kind::kInteger, "", 3);
  EXPECT_EQ(delivery.status, Status::kDelivered);
  EXPECT_EQ(delivery.receivers, 3);
  EXPECT_EQ(delivery.detail, "");
}

TEST(RedisCommand, TellsWhatRedisSaidWhenItRefuses) {
  const auto delivery = answered(Kind::kError, "NOPERM no");
  EXPECT_EQ(delivery.status, Status::kRefused);
  EXPECT_EQ(delivery.detail, "NOPERM no");
}

TEST(RedisCommand, KnowsNothingOfAnEventWhoseAnswerIsLostOrStrange) {
  EXPECT_EQ(answered(Kind::kLost).status, Status::kUnknown);
  EXPECT_EQ(answered(Kind::kString, "OK").status, Status::kUnknown);
  EXPECT_EQ(answered(Kind::kNil).status, Status::kUnknown);
  EXPECT_EQ(answered(Kind::kNotSent).status, Status::kNotSent);
}

}  // namespace
}  // namespace notifications::publishing
