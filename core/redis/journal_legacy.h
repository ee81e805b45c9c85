#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/log.h"
#include "core/metrics.h"
#include "core/redis/connection.h"

namespace notifications::redis {

// An envelope on its way into the journal.
struct Appended {
  std::string_view id;
  std::string_view ts;
  std::string_view text;
  std::chrono::steady_clock::time_point since;  // nobody has appended it before
};

// JournalLegacy makes events resumable that their publisher only PUBLISHed: what is heard on the
// channel and does not come by in the stream shortly is appended by the gateways, through the same
// script, which appends each id once whoever tries.
//
// A lease says which process appends; it only saves the others the work. Every process holds what
// it heard and has not yet seen in the stream, and appends it itself a moment later than a holder
// would: so nothing is lost as long as one process heard it, whatever befalls the holder. One that
// was deaf gives the lease up to whoever was not, or what it missed would stand behind what came
// later.
//
// Envelopes of journaling publishers are heard, too. They are known by their text when they come by
// in the stream, before or after, and cost no parsing.
// Thread: the broker's. Owned by the broker's core; its connection has stopped when it dies.
class JournalLegacy {
 public:
  struct Options {
    std::string lease;     // the key
    std::string instance;  // the name under which this process holds it
    // How long it is waited for an envelope to come by in the stream.
    std::chrono::milliseconds wait{100};
    std::chrono::milliseconds lease_time{3000};
    // How much later than the holder others append.
    std::chrono::milliseconds patience{1000};
    std::chrono::milliseconds keep{30'000};  // while nothing can be appended
    // After this long a standstill of the process, ids may be forgotten that it heard long ago.
    std::chrono::milliseconds standstill{150'000};
    std::size_t max_bytes = 64 * 1024 * 1024;  // of envelopes held
  };
  struct Callbacks {
    std::function<bool()> may_append;  // on_up() is called when that becomes true
    // Appends without publishing.
    std::function<void(const Appended& event, Connection::ReplyHandler done)> append;
    // What was heard is no envelope: it is not appended, but counted.
    std::function<void(std::string_view text)> invalid;
    // What waits to be read on the subscribed connection is too old to be told from new.
    std::function<void()> drop_backlog;
  };

  // `commands`: the connection that append uses. All outlive it.
  JournalLegacy(boost::asio::io_context& io, Connection& commands, Options options,
                Callbacks callbacks, Log& log, Metrics& metrics);

  void start();
  void stop();
  // `commands` is ready, and it may append.
  void on_up();
  // The channel is heard from now on.
  void on_hearing();
  // The channel is not heard any more.
  void on_deaf();
  // An envelope came over the channel.
  void heard(std::string_view text);
  // An envelope came by in the stream.
  void seen(std::string_view text);

 private:
  using Clock = std::chrono::steady_clock;
  using Digest = std::uint64_t;
  enum class Where { kFresh, kReady, kSent };
  struct Held {
    Digest digest;
    std::string text;
    std::string id;  // once checked
    std::string ts;
    Clock::time_point heard_at;
    Where where = Where::kFresh;
  };
  using List = std::list<Held>;
  struct Seen {
    Digest digest;
    Clock::time_point until;
  };

  bool stood_still(Clock::time_point now);
  void tick();
  void renew();
  void arm();
  void work();
  void check_fresh(Clock::time_point now);
  void append_ready(Clock::time_point now);
  Clock::time_point due(const Held& held) const;
  void on_appended(Digest digest, const Reply& reply);
  void drop_old(Clock::time_point now);
  void erase(List::iterator held);
  static Digest digest_of(std::string_view text);

  // Constant after construction.
  Connection& commands_;
  const Options options_;
  const Callbacks callbacks_;
  Log& log_;
  Counter& appended_;
  Counter& known_;
  Counter& dropped_;
  Gauge& holder_;

  // The broker's thread only. What is held is in the order in which it was heard.
  List fresh_;  // may still come by in the stream
  List ready_;  // valid, to be appended by whoever holds the lease
  List sent_;   // being appended
  std::unordered_map<Digest, List::iterator> held_;
  std::size_t bytes_ = 0;
  // What came by in the stream and may be heard yet.
  std::unordered_map<Digest, int> seen_;
  std::deque<Seen> seen_by_age_;
  Clock::time_point lease_until_;
  Clock::time_point pause_until_;
  Clock::time_point rest_until_;  // others may take the lease first
  bool hearing_ = false;
  bool was_deaf_ = false;  // since it heard for the last time
  Clock::time_point last_tick_;
  boost::asio::steady_timer tick_timer_;
  boost::asio::steady_timer work_timer_;
  Clock::time_point armed_for_ = Clock::time_point::max();
  bool stopped_ = false;
  // Gone once it is stopped. A timer that has expired calls its handler though it is cancelled, and
  // then we may be gone, too.
  std::shared_ptr<const bool> life_ = std::make_shared<const bool>(true);
  LogLimit drop_log_{std::chrono::seconds(10)};
};

}  // namespace notifications::redis
