#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>

#include "core/journal_options.h"
#include "core/redis/appender.h"
#include "core/redis/connection.h"
#include "core/redis/journal_scripts.h"
#include "publisher-client/queued_event.h"

namespace notifications::publishing {

// RedisCommand hands envelopes to Redis and reads Redis' answers: the only place that knows which
// command publishes. That is PUBLISH, or with the journal on core/redis/scripts/append.lua, which
// appends and publishes in one step. See: CONTRACT sections 3 and 6.
//
// Thread: the connection's.
class RedisCommand {
 public:
  // `journal`: nothing, if it is off. `scripts` calls over `connection`; both outlive it.
  RedisCommand(boost::asio::io_context& io, redis::Connection& connection,
               redis::ScriptCaller& scripts, std::string channel,
               const std::optional<JournalOptions>& journal);

  // Sends it. `limit`: until when it may be appended, as the script takes it. `done`: as
  // Connection::send's.
  void send(const QueuedEvent& event, std::string limit, redis::Connection::ReplyHandler done);

  // To be called in the connection's on_down. See: redis::Appender.
  void on_down();
  // Ends what was not handed to the connection yet, as not sent, before it returns.
  void stop();

 private:
  // Constant after construction.
  redis::Connection& connection_;
  const std::string channel_;

  std::optional<redis::Appender> appender_;  // with the journal on
};

// The report on `event`. Requires: the answer to its command, or the reason there is none.
// `asked_before`: an earlier answer was lost. What happened then is still not known, if there is no
// other answer now than that it did not work.
Publisher::Delivery read_answer(const QueuedEvent& event, const redis::Reply& reply,
                                bool asked_before);

}  // namespace notifications::publishing
