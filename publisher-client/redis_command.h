#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/journal_options.h"
#include "core/redis/connection.h"
#include "core/redis/journal_epoch.h"
#include "core/redis/journal_keys.h"
#include "core/redis/journal_scripts.h"
#include "publisher-client/queued_event.h"

namespace notifications::publishing {

// RedisCommand hands envelopes to Redis and reads Redis' answers: the only place that knows which
// command publishes. That is PUBLISH, or with the journal on core/redis/scripts/append.lua, which
// appends and publishes in one step. See: CONTRACT sections 3 and 6.
//
// Thread: one.
class RedisCommand {
 public:
  // `journal`: nothing, if it is off.
  RedisCommand(std::string channel, const std::optional<JournalOptions>& journal);

  // The command's arguments; for the script its keys and arguments. Views into this and `event`,
  // valid until the next call. `limit`: until when it may be appended, as the script takes it.
  std::vector<std::string_view> arguments(const QueuedEvent& event, std::string limit);

  // Sends it, over a connection whose scripts `scripts` calls. `done`: as Connection::send's.
  void send(redis::Connection& connection, redis::ScriptCaller& scripts, const QueuedEvent& event,
            std::string limit, redis::Connection::ReplyHandler done);

 private:
  struct Journal {
    redis::JournalKeys keys;
    std::string max_length;
    std::string retention;
    std::string idempotency_window;
  };

  // Constant after construction.
  const std::string channel_;
  std::optional<Journal> journal_;

  redis::EpochNames epochs_;
  std::string id_key_;
  std::string epoch_;
  std::string limit_;
};

// The report on `event`. Requires: the answer to its command, or the reason there is none.
// `asked_before`: an earlier answer was lost. What happened then is still not known, if there is no
// other answer now than that it did not work.
Publisher::Delivery read_answer(const QueuedEvent& event, const redis::Reply& reply,
                                bool asked_before);

}  // namespace notifications::publishing
