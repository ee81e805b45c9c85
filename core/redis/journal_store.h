#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/journal.h"
#include "core/journal_options.h"
#include "core/log.h"
#include "core/redis/connection.h"
#include "core/redis/journal_epoch.h"
#include "core/redis/journal_keys.h"
#include "core/redis/journal_scripts.h"

namespace notifications::redis {

// JournalStore reads pages of the journal and keeps the sessions' records, over a connection that
// others use, too.
//
// What finds the connection down, or loses its answer, waits for the next one: each of these
// commands may be repeated. A session's owner is not kept waiting for ever.
// Thread: the broker's.
class JournalStore final : public Journal, public std::enable_shared_from_this<JournalStore> {
 public:
  // `session_limit`: how long a session's owner is kept waiting for Redis.
  JournalStore(boost::asio::io_context& io, JournalKeys keys, JournalOptions options,
               std::chrono::milliseconds session_limit, Log& log);

  // The connection to use; outlives close(). Before on_up().
  void attach(Connection& connection, ScriptCaller& scripts);
  // The connection is ready for commands.
  void on_up();
  // Calls `head` with the journal's end whenever it was asked for.
  void on_head(std::function<void(const Position&)> head) { on_head_ = std::move(head); }
  // "taken <pid> <generation>" was heard on the control channel. Others are ignored.
  void on_control(std::string_view message);
  // Ends everything that is under way. Requires: the connection has stopped.
  void close();

  void read(std::optional<StreamId> after, std::size_t count,
            std::function<void(JournalPage)> done) override;
  void take(std::string pid, std::function<void(SessionResult, SessionRecord)> done) override;
  void save(SessionRecord record, bool refresh, std::function<void(SessionResult)> done) override;
  void forget(std::string pid, std::uint64_t generation) override;
  void on_taken(std::function<void(std::string_view, std::uint64_t)> taken) override {
    taken_ = std::move(taken);
  }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  // One command (or a few that go together), until its answer.
  struct Call {
    std::function<void(Connection::ReplyHandler)> send;
    std::function<void(const Reply&)> done;  // empty once called
    bool waits = true;                       // for the connection, rather than fail at once
  };
  using CallPtr = std::shared_ptr<Call>;

  void run(const CallPtr& call);
  void on_reply(const CallPtr& call, const Reply& reply);
  void end(const CallPtr& call, const Reply& reply);
  void limit(const CallPtr& call);
  void arm_limit();
  void read_page(std::optional<StreamId> after, std::size_t count,
                 std::function<void(JournalPage)> done);
  void on_page(const Reply& head, const Reply& entries, std::optional<StreamId> after,
               std::size_t count, std::function<void(JournalPage)> done);
  void retry_later(std::function<void()> work);

  // Constant after attach().
  const JournalKeys keys_;
  const JournalOptions options_;
  const std::chrono::milliseconds session_limit_;
  Log& log_;
  Connection* connection_ = nullptr;
  ScriptCaller* scripts_ = nullptr;
  std::function<void(std::string_view, std::uint64_t)> taken_;
  std::function<void(const Position&)> on_head_;

  // The broker's thread only.
  EpochNames epochs_;
  std::deque<CallPtr> waiting_;  // for the connection
  struct Limited {
    TimePoint until;
    std::weak_ptr<Call> call;
  };
  std::deque<Limited> limited_;  // by time: all wait equally long
  std::vector<std::function<void()>> retries_;
  boost::asio::steady_timer limit_timer_;
  boost::asio::steady_timer retry_timer_;
  LogLimit error_log_{std::chrono::seconds(10)};
  std::size_t bytes_per_entry_ = 1024;  // a running mean, so that pages do not grow beyond measure
  bool closed_ = false;
};

}  // namespace notifications::redis
