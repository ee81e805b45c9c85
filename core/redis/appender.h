#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/journal_options.h"
#include "core/redis/connection.h"
#include "core/redis/journal_epoch.h"
#include "core/redis/journal_keys.h"
#include "core/redis/journal_scripts.h"

namespace notifications::redis {

// Appender hands envelopes to core/redis/scripts/append.lua. What comes in one turn of the loop
// goes to Redis in few calls, in its order: there it costs half as much, and readers get it at
// once.
//
// Thread: the connection's. The connection outlives it.
class Appender {
 public:
  enum class Publish {
    kYes,  // on the channel, too
    kNo,   // it was heard there
  };
  struct Event {
    std::string_view id;  // the envelope's, as its ts
    std::string_view ts;
    std::string_view text;  // the envelope's JSON text
    Publish publish = Publish::kYes;
    std::string limit;  // when it is too late, in the server's time (ServerClock); "" for never
  };

  Appender(boost::asio::io_context& io, ScriptCaller& scripts, std::string channel,
           const JournalOptions& journal);
  ~Appender();
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  // Appends an envelope; copies what it needs of it. `done` is called with {position, ts,
  // duplicate}, or with why not: as Connection::send's, each for its own envelope alone. Never from
  // within.
  void append(const Event& event, Connection::ReplyHandler done);

  // To be called in the connection's on_down: what was not handed to it yet is answered with
  // kNotSent before this returns, behind all that was, and ahead of whatever comes now.
  void on_down();

  // The same, and nobody is called after that: not even for what was sent. To be called when the
  // connection has stopped, or by an answer's handler.
  void stop();

 private:
  struct Pending {
    std::string id_key;
    std::string ts;
    std::string text;
    Publish publish;
    std::string limit;
    Connection::ReplyHandler done;
  };

  void send_all();
  void send(std::span<Pending> events);

  // Constant after construction.
  boost::asio::io_context& io_;
  ScriptCaller& scripts_;
  const std::string channel_;
  const JournalKeys keys_;
  const std::string max_length_;
  const std::string retention_;
  const std::string idempotency_window_;

  // The connection's thread only.
  EpochNames epochs_;
  std::vector<Pending> pending_;  // of this turn
  // Gone once it is stopped: an answer's handlers may stop it before all of them were called.
  std::shared_ptr<const bool> life_ = std::make_shared<const bool>(true);
};

// The answer to one of several envelopes of a call, out of the script's answer to all of them.
// Requires: index < count.
Reply answer_of(const Reply& answer, std::size_t index, std::size_t count);

}  // namespace notifications::redis
