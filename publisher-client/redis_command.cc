#include "publisher-client/redis_command.h"

namespace notifications::publishing {

std::vector<std::string_view> redis_command(std::string_view channel, const QueuedEvent& event) {
  return {"PUBLISH", channel, event.text};
}

Publisher::Delivery read_answer(const QueuedEvent& event, const redis::Reply& reply) {
  using Kind = redis::Reply::Kind;
  using Status = Publisher::DeliveryStatus;
  switch (reply.kind) {
    case Kind::kInteger:
      return {Status::kDelivered, event.id, "", reply.integer};
    case Kind::kError:
      return {Status::kRefused, event.id, reply.text, 0};
    case Kind::kNotSent:
      return {Status::kNotSent, event.id, "the publisher was closed before it was sent", 0};
    case Kind::kLost:
      return {Status::kUnknown, event.id, "the connection was lost before the answer came", 0};
    default:
      return {Status::kUnknown, event.id, "the answer makes no sense", 0};
  }
}

}  // namespace notifications::publishing
