#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/broker.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/redis/connection.h"
#include "core/redis/journal_epoch.h"
#include "core/redis/journal_keys.h"
#include "core/redis/journal_scripts.h"

namespace notifications::redis {

// JournalReader reads the live end of a channel's journal: it asks where that is, hands out the
// recent past once, and then everything that is appended, in order and without a hole.
//
// It reads from a second stream at the same time, in which the process writes to itself: what comes
// by there proves that this very way works. Each time it does, the reader also makes sure that the
// journal is still the one it knows.
//
// After a loss of the connection it goes on behind the last entry it handed out.
// Thread: the broker's. It sends blocking reads: the connection is its own.
class JournalReader {
 public:
  struct Options {
    JournalKeys keys;
    std::string canary;  // the stream of one entry
    std::size_t warm_bytes = 0;
  };
  struct Callbacks {
    std::function<void()> on_open;  // it is live now; after each connect
    std::function<void(std::string_view text)> on_canary;
  };

  // All outlive it.
  JournalReader(Connection& connection, Options options, EventSink& sink, Callbacks callbacks,
                Log& log, Metrics& metrics);

  // The connection is ready for commands.
  void on_up();
  // Calls `seen` with the text of each entry before it is handed out.
  void on_entry(std::function<void(std::string_view text)> seen) { seen_ = std::move(seen); }

  // The epoch of the last position known; "" before the first one.
  std::string_view epoch() const { return std::string_view(known_).substr(0, known_.find('.')); }

 private:
  struct Held {
    std::string position;
    std::string previous;
    std::string text;
  };

  // What the metrics show; they may ask after the reader is gone.
  struct Progress {
    std::atomic<std::int64_t> behind_ms = 0;
    std::atomic<std::chrono::steady_clock::time_point> read_at = std::chrono::steady_clock::now();
  };

  // What became of the entries of one answer.
  struct Taken {
    bool some = false;      // were handed to the sink, which awaits the end of the batch
    bool known_way = true;  // see take()
  };

  void open();
  void on_opened(const Reply& reply);
  void warm(const std::string& end);
  void on_warm_page(const Reply& page);
  void hand_out_warm();
  void go_live();
  void read();
  void on_read(const Reply& reply);
  Taken take(const Reply& entries);
  void hand_out(std::string_view position, std::string_view previous, std::string_view text);
  void reset_to(const std::string& base);
  bool refused(const Reply& reply, std::string_view what);
  void count_stranger(const Reply& element);
  void measure_lag(const std::string& head);
  std::size_t page_size() const;
  void learn_size(std::size_t entries, std::size_t bytes);

  // Constant after construction.
  Connection& connection_;
  ScriptCaller scripts_;
  const Options options_;
  EventSink& sink_;
  const Callbacks callbacks_;
  Log& log_;
  Counter& strangers_;
  const std::shared_ptr<Progress> progress_ = std::make_shared<Progress>();
  std::function<void(std::string_view)> seen_;

  EpochNames epochs_;
  std::string known_;        // the last position handed out, or the base; "" before the first one
  std::string from_;         // the stream id to go on behind
  std::string canary_from_;  // the same in the canary's stream
  bool live_ = false;        // since the last connect
  bool hole_found_ = false;  // the next entry does not follow, and the journal was asked about it
  std::size_t bytes_per_entry_ = 1024;
  LogLimit stranger_log_{std::chrono::seconds(10)};

  // While the recent past is read, newest first.
  std::vector<Held> warm_;
  std::size_t warm_size_ = 0;
  std::string expected_;  // the position of the next entry, if there is no hole
};

}  // namespace notifications::redis
