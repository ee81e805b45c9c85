#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/journal.h"
#include "core/metrics.h"
#include "core/replay_window.h"
#include "core/runtime/shard.h"

namespace notifications {

// What a consumer wants of the past.
struct ReplayRequest {
  // The last position it saw, as it gave it; empty: nothing of the past, only where it is live
  // from.
  std::string after;
  // Whether an event concerns it. Called on the broker's thread, so it holds all it needs.
  std::function<bool(const Position&, const Envelope&)> matches;
  // A page ends with the event that reaches this many bytes of payload.
  std::size_t max_bytes = 256 * 1024;
};

// A part of the past.
struct ReplayPage {
  // Set if what follows `after` is not all there any more: it goes on behind `resumes_at`.
  struct Gap {
    std::string after;
    Position resumes_at;
  };
  std::optional<Gap> gap;              // stands before the events
  std::vector<PublicationPtr> events;  // that match, in order
  Position upto;                       // everything up to here was looked at
  // The consumer has caught up: what its hub delivers from now on lies behind `upto`, without a
  // hole. Otherwise it asks for the next page, after `upto`, when it is ready for it.
  bool live = false;
};

// Replayer serves the past to consumers who come back: from the window in memory, or, for older
// cursors, page by page from the journal.
//
// The replay gate: a consumer first joins its rooms and drops what the hub delivers, then reads
// until a page says `live`, then takes what the hub delivers. Pages are answered between batches
// and reach a shard in order with them, so nothing falls between the last page and the first live
// event, and nothing is in both. A consumer pulls: however long its backlog, it holds one page.
//
// Thread: the broker's, but read().
class Replayer {
 public:
  using Done = std::function<void(ReplayPage)>;

  // `local` is the shard on whose thread the broker runs, or null. All outlive the replayer.
  Replayer(boost::asio::io_context& broker_io, Journal& journal, const ReplayWindow& window,
           const Shard* local, Metrics& metrics);

  // Answers on the shard's thread, in order with the batches the dispatcher posts there. Waits
  // while the journal cannot be read. `done` must bear that its consumer has gone meanwhile.
  // Thread: any.
  void read(Shard& shard, ReplayRequest request, Done done);

  // The dispatcher has handed out all up to the window's head, or started anew.
  void on_advanced();

 private:
  struct Job {
    Shard* shard;
    ReplayRequest request;
    Done done;
    std::optional<Position> cursor;  // the request's, parsed
    bool ahead = false;  // the cursor is the journal's end, which the window has not reached yet
  };
  using JobPtr = std::shared_ptr<Job>;

  void serve(JobPtr job);
  void serve_from_window(const JobPtr& job, std::size_t index, std::optional<ReplayPage::Gap> gap);
  void read_journal(JobPtr job, bool from_start);
  void on_journal_page(const JobPtr& job, bool from_start, JournalPage page);
  void next_read();
  void answer(const JobPtr& job, ReplayPage page);

  // Constant after construction.
  boost::asio::io_context& io_;
  Journal& journal_;
  const ReplayWindow& window_;
  const Shard* const local_;
  const bool without_gate_;  // by a test
  Counter& from_window_;
  Counter& from_journal_;
  Counter& gaps_;
  Counter& replayed_;

  // The broker's thread only.
  std::vector<JobPtr> waiting_;  // for the window to start, or to reach their cursor
  struct Read {
    JobPtr job;
    bool from_start;
  };
  std::deque<Read> reads_;  // that wait for their turn at the journal
  std::size_t reads_under_way_ = 0;
};

}  // namespace notifications
