#include "publisher-client/redis_command.h"

#include <utility>

namespace notifications::publishing {

RedisCommand::RedisCommand(std::string channel, const std::optional<JournalOptions>& journal)
    : channel_(std::move(channel)) {
  if (!journal) return;
  journal_ = Journal{redis::JournalKeys(channel_), std::to_string(journal->max_length),
                     std::to_string(journal->retention.count()),
                     std::to_string(journal->idempotency_window.count())};
}

std::vector<std::string_view> RedisCommand::arguments(const QueuedEvent& event, std::string limit) {
  if (!journal_) return {"PUBLISH", channel_, event.text};
  id_key_ = journal_->keys.id_prefix + event.id;
  epoch_ = epochs_.next();
  limit_ = std::move(limit);
  return {journal_->keys.journal,
          journal_->keys.meta,
          id_key_,
          event.text,
          event.ts,
          channel_,
          journal_->max_length,
          journal_->retention,
          journal_->idempotency_window,
          epoch_,
          "1",
          limit_};
}

void RedisCommand::send(redis::Connection& connection, redis::ScriptCaller& scripts,
                        const QueuedEvent& event, std::string limit,
                        redis::Connection::ReplyHandler done) {
  const auto words = arguments(event, std::move(limit));
  if (!journal_) return connection.send(words, std::move(done));
  scripts.call(redis::kAppendScript, 3, words, std::move(done));
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
