#include "core/runtime/replayer.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "core/envelope_codec.h"

namespace notifications {
namespace {

constexpr std::size_t kEntriesPerRead = 256;
// Reads of the journal at the same time: a crowd with old cursors takes turns.
constexpr std::size_t kReadsAtOnce = 8;

// The test that loses nothing must be able to fail: with this, answers do not reach a shard in
// order with its batches any more, and what was dispatched meanwhile is in neither.
bool gate_is_removed() {
  const char* fault = std::getenv("NOTIFICATIONS_TEST_FAULT");
  return fault != nullptr && std::string_view(fault) == "no_gate";
}

}  // namespace

Replayer::Replayer(boost::asio::io_context& broker_io, Journal& journal, const ReplayWindow& window,
                   const Shard* local, Metrics& metrics)
    : io_(broker_io),
      journal_(journal),
      window_(window),
      local_(local),
      without_gate_(gate_is_removed()),
      from_window_(metrics.counter("notifications_replay_pages_total",
                                   "Pages of the past served, by where they came from.",
                                   {{"from", "window"}})),
      from_journal_(metrics.counter("notifications_replay_pages_total",
                                    "Pages of the past served, by where they came from.",
                                    {{"from", "journal"}})),
      gaps_(metrics.counter("notifications_replay_gaps_total",
                            "Cursors behind which the journal was not complete any more.")),
      replayed_(
          metrics.counter("notifications_replayed_events_total", "Events served from the past.")) {}

void Replayer::read(Shard& shard, ReplayRequest request, Done done) {
  auto job = std::make_shared<Job>(Job{&shard, std::move(request), std::move(done), {}});
  job->cursor = parse_position(job->request.after);
  boost::asio::post(io_, [this, job = std::move(job)]() mutable { serve(std::move(job)); });
}

void Replayer::on_advanced() {
  if (waiting_.empty()) return;
  for (JobPtr& job : std::exchange(waiting_, {})) {
    const bool still_ahead =
        job->ahead && window_.locate(*job->cursor) == ReplayWindow::Place::kNewer;
    if (still_ahead) {
      waiting_.push_back(std::move(job));
    } else {
      serve(std::move(job));
    }
  }
}

void Replayer::serve(JobPtr job) {
  if (!window_.started()) return waiting_.push_back(std::move(job));
  if (job->request.after.empty()) {
    ReplayPage page;
    page.upto = window_.head();
    page.live = true;
    return answer(job, std::move(page));
  }
  if (!job->cursor) return read_journal(std::move(job), true);
  const Position& cursor = *job->cursor;
  switch (window_.locate(cursor)) {
    case ReplayWindow::Place::kHeld:
      return serve_from_window(job, window_.index_behind(cursor), std::nullopt);
    case ReplayWindow::Place::kUnknown: {
      // No entry of this name between two that follow each other: the stream was restored to an
      // older state and went on from there. What the consumer saw last is lost; all ids behind it
      // are news to it.
      const std::size_t index = window_.index_behind(cursor) - 1;
      const Position& resumes_at = index == 0 ? window_.base() : window_[index - 1].position;
      return serve_from_window(job, index, ReplayPage::Gap{job->request.after, resumes_at});
    }
    default:
      return read_journal(std::move(job), false);
  }
}

void Replayer::serve_from_window(const JobPtr& job, std::size_t index,
                                 std::optional<ReplayPage::Gap> gap) {
  from_window_.add();
  ReplayPage page;
  page.gap = std::move(gap);
  std::size_t bytes = 0;
  for (; index < window_.size() && bytes < job->request.max_bytes; ++index) {
    const ReplayWindow::Entry& entry = window_[index];
    if (entry.publication == nullptr) continue;
    const Envelope& envelope = entry.publication->envelope();
    if (!job->request.matches(entry.position, envelope)) continue;
    bytes += envelope.payload.size() + 1;
    page.events.push_back(entry.publication);
  }
  page.live = index == window_.size();
  page.upto = index == 0 ? window_.base() : window_[index - 1].position;
  answer(job, std::move(page));
}

void Replayer::read_journal(JobPtr job, bool from_start) {
  reads_.push_back({std::move(job), from_start});
  next_read();
}

void Replayer::next_read() {
  if (reads_under_way_ == kReadsAtOnce || reads_.empty()) return;
  Read read = std::move(reads_.front());
  reads_.pop_front();
  ++reads_under_way_;
  const std::optional<StreamId> after =
      read.from_start ? std::nullopt : std::optional(read.job->cursor->id);
  journal_.read(after, kEntriesPerRead, [this, read](JournalPage page) {
    --reads_under_way_;
    on_journal_page(read.job, read.from_start, std::move(page));
    next_read();
  });
}

void Replayer::on_journal_page(const JobPtr& job, bool from_start, JournalPage page) {
  // The port waits while the store is away; this is its end.
  if (!page.ok) return;
  const std::optional<Position>& cursor = job->cursor;
  const bool complete =
      !from_start &&
      (page.entries.empty() ? page.head == *cursor : page.entries.front().previous == *cursor);
  if (!from_start && !complete) {
    // A stream that was restored to an older state and went on in a new epoch: the consumer saw
    // what stands before the first of its entries.
    const bool forked = !page.entries.empty() &&
                        page.entries.front().previous.epoch == cursor->epoch &&
                        page.entries.front().previous.id < cursor->id;
    // Else ids of another epoch say nothing about this one, and an id beyond the head was never
    // handed out here: such a consumer gets everything that is held.
    const bool comparable =
        forked || (cursor->epoch == page.head.epoch && cursor->id <= page.head.id);
    if (!comparable) return read_journal(job, true);
  }
  if (complete && page.entries.empty()) {
    // The cursor is the journal's end, and ahead of this process: it waits until we are there.
    // Any move of the window is reason to look again, but not before it moved: the journal may be
    // another one, which this process has yet to learn.
    job->ahead = true;
    if (window_.locate(*cursor) == ReplayWindow::Place::kHeld) return serve(job);
    waiting_.push_back(job);
    return;
  }
  from_journal_.add();
  ReplayPage out;
  if (!complete) {
    out.gap = ReplayPage::Gap{job->request.after,
                              page.entries.empty() ? page.head : page.entries.front().previous};
  }
  out.upto = page.entries.empty() ? page.head : page.entries.front().previous;
  std::size_t bytes = 0;
  for (JournalEntry& entry : page.entries) {
    if (bytes >= job->request.max_bytes || entry.previous != out.upto) break;
    out.upto = entry.position;
    auto envelope = decode_envelope(entry.text);
    if (!envelope || !job->request.matches(entry.position, *envelope)) continue;
    bytes += envelope->payload.size() + 1;
    out.events.push_back(std::make_shared<const Publication>(
        std::move(envelope).value(), std::move(entry.text), entry.position.text(),
        std::chrono::steady_clock::now()));
  }
  answer(job, std::move(out));
}

void Replayer::answer(const JobPtr& job, ReplayPage page) {
  replayed_.add(page.events.size());
  if (page.gap) gaps_.add();
  if (without_gate_) {
    const auto late =
        std::make_shared<boost::asio::steady_timer>(io_, std::chrono::milliseconds(50));
    late->async_wait([late, job, page = std::move(page)](const boost::system::error_code&) mutable {
      job->shard->post([job, page = std::move(page)]() mutable { job->done(std::move(page)); });
    });
    return;
  }
  if (job->shard == local_) return job->done(std::move(page));
  job->shard->post([job, page = std::move(page)]() mutable { job->done(std::move(page)); });
}

}  // namespace notifications
