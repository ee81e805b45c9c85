#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "core/redis/connection.h"
#include "core/redis/journal_keys.h"

namespace notifications::publishing {

// JournalAgreement finds out whether the gateways of the channel keep a journal as this publisher
// does, with each connect and then from time to time, and says when that changes.
//
// They leave word of it in Redis. A server that does not let it be read (by its access rules)
// leaves it unknown, which is no disagreement.
//
// Thread: the connection's. The connection outlives it.
class JournalAgreement {
 public:
  // `disagreement` (which outlives this) holds the last finding; `log` may be empty.
  JournalAgreement(boost::asio::io_context& io, redis::Connection& connection,
                   const std::string& channel, bool journal, std::atomic<bool>& disagreement,
                   std::function<void(std::string_view line)> log);

  // The connection is ready for commands.
  void on_up();
  // No question is asked any more.
  void stop();

 private:
  void ask();
  void ask_later();
  void on_answer(const redis::Reply& reply);

  // Constant after construction.
  redis::Connection& connection_;
  const bool journal_;
  const std::string word_;  // the key of those who do otherwise
  std::atomic<bool>& disagreement_;
  const std::function<void(std::string_view)> log_;

  boost::asio::steady_timer timer_;
};

}  // namespace notifications::publishing
