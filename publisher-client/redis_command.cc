#include "publisher-client/redis_command.h"

#include <utility>

namespace notifications::publishing {

RedisCommand::RedisCommand(boost::asio::io_context& io, redis::Connection& connection,
                           redis::ScriptCaller& scripts, std::string channel,
                           const std::optional<JournalOptions>& journal)
    : connection_(connection), channel_(std::move(channel)) {
  if (journal) appender_.emplace(io, scripts, channel_, *journal);
}

void RedisCommand::send(const QueuedEvent& event, std::string limit,
                        redis::Connection::ReplyHandler done) {
  using Publish = redis::Appender::Publish;
  if (!appender_) return connection_.send({"PUBLISH", channel_, event.text}, std::move(done));
  appender_->append({event.id, event.ts, event.text, Publish::kYes, std::move(limit)},
                    std::move(done));
}

void RedisCommand::on_down() {
  if (appender_) appender_->on_down();
}

void RedisCommand::stop() {
  if (appender_) appender_->stop();
}

Publisher::Delivery read_answer(const QueuedEvent& event, const redis::Reply& reply,
                                bool asked_before) {
  using Kind = redis::Reply::Kind;
  using Status = Publisher::DeliveryStatus;
  switch (reply.kind) {
    case Kind::kInteger:
      return {Status::kDelivered, event.id, "", reply.integer, ""};
    case Kind::kArray:  // {position, ts, duplicate}
      if (reply.elements.size() != 3) break;
      return {Status::kDelivered, event.id, "", 0, reply.elements[0].text};
    case Kind::kError:
      if (asked_before) {
        return {Status::kUnknown, event.id, "an answer was lost, and then: " + reply.text, 0, ""};
      }
      return {Status::kRefused, event.id, reply.text, 0, ""};
    case Kind::kNotSent:
      if (asked_before) break;
      return {Status::kNotSent, event.id, "the publisher was closed before it was sent", 0, ""};
    case Kind::kLost:
      break;
    default:
      return {Status::kUnknown, event.id, "the answer makes no sense", 0, ""};
  }
  return {Status::kUnknown, event.id, "the connection was lost before the answer came", 0, ""};
}

}  // namespace notifications::publishing
