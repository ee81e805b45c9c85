#include "publisher-client/redis_command.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace notifications::publishing {
namespace {

using Kind = redis::Reply::Kind;
using Status = Publisher::DeliveryStatus;

QueuedEvent event() {
  QueuedEvent event;
  event.id = "id-1";
  event.text = "{}";
  return event;
}

Publisher::Delivery answered(Kind kind, const std::string& text = "", std::int64_t integer = 0) {
  redis::Reply reply;
  reply.kind = kind;
  reply.text = text;
  reply.integer = integer;
  auto delivery = read_answer(event(), reply);
  EXPECT_EQ(delivery.id, "id-1");
  return delivery;
}

TEST(RedisCommand, PublishesTheEnvelopeToTheChannel) {
  const QueuedEvent one = event();
  EXPECT_EQ(redis_command("notifications.v1", one),
            (std::vector<std::string_view>{"PUBLISH", "notifications.v1", "{}"}));
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
