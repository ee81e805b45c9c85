#include "server/stream_subscriber.h"

#include <algorithm>
#include <utility>

#include "server/stream_frame.h"

namespace notifications::server {
namespace {

// How often a quiet stream is told how far it has got.
constexpr std::chrono::seconds kCheckpointInterval{10};

}  // namespace

StreamSubscriber* StreamSubscriber::open(grpc::CallbackServerContext& context, StreamPlan plan,
                                         StreamShard& home, Shared& shared) {
  const auto stream = std::make_shared<StreamSubscriber>(context, std::move(plan), home, shared);
  {
    const std::lock_guard lock(stream->mutex_);
    stream->self_ = stream;
  }
  home.shard().post([stream] { stream->join(); });
  return stream.get();
}

StreamSubscriber::StreamSubscriber(grpc::CallbackServerContext& context, StreamPlan plan,
                                   StreamShard& home, Shared& shared)
    : context_(context),
      plan_(std::make_shared<const StreamPlan>(std::move(plan))),
      home_(home),
      shared_(shared),
      token_(shared.active),
      id_(shared.next_id.fetch_add(1)) {
  shared_.metrics.streams_opened.add();
  shared_.metrics.streams.add(1);
  if (shared_.log.enabled(LogLevel::kDebug)) {
    shared_.log.debug("stream opened", {{"stream", id_}, {"peer", context_.peer()}});
  }
}

StreamSubscriber::~StreamSubscriber() { shared_.metrics.streams.add(-1); }

// Shard ---------------------------------------------------------------------------------------

void StreamSubscriber::join() {
  home_.add(*this);
  if (home_.draining()) {
    const std::lock_guard lock(mutex_);
    end_after_queue(StreamEnd::kDraining);
    return;
  }
  // Register first: whatever is published once the client saw `opened` is delivered.
  for (const RoomPattern& room : plan_->rooms) home_.shard().hub().join(*this, room);
  if (shared_.replayer != nullptr) return read(plan_->resume_after);
  enqueue(make_frame(encode_opened_response("")));
  // Without a journal nothing is known of the past: a cursor cannot be honoured.
  if (!plan_->resume_after.empty()) {
    enqueue(make_frame(encode_gap_response(plan_->resume_after, "")));
  }
  opened_ = open_ = true;
}

void StreamSubscriber::read(std::string after) {
  ReplayRequest request;
  request.after = std::move(after);
  request.max_bytes =
      std::clamp<std::size_t>(shared_.limits.max_outbound_bytes / 4, 1, request.max_bytes);
  // The replayer may hold on to a request for as long as the journal is away: it must keep neither
  // the stream alive nor be the one that destroys it, on a thread that is not the shard's.
  request.matches = [plan = plan_](const Position&, const Envelope& envelope) {
    return plan->matches(envelope);
  };
  shared_.replayer->read(home_.shard(), std::move(request),
                         [weak = weak_from_this()](ReplayPage page) {
                           if (const auto self = weak.lock()) self->on_page(std::move(page));
                         });
}

void StreamSubscriber::on_page(ReplayPage page) {
  std::vector<StreamFramePtr> frames;
  if (!opened_) {
    // Everything behind this position arrives on this stream.
    const bool continues = !page.gap && !plan_->resume_after.empty();
    const std::string position = page.gap    ? page.gap->resumes_at.text()
                                 : continues ? plan_->resume_after
                                             : page.upto.text();
    frames.push_back(make_frame(encode_opened_response(position)));
    opened_ = true;
    checkpoint_at_ = home_.shard().now() + kCheckpointInterval;
    wake_at(checkpoint_at_);
  }
  if (page.gap) {
    frames.push_back(make_frame(encode_gap_response(page.gap->after, page.gap->resumes_at.text())));
  }
  for (const PublicationPtr& publication : page.events) {
    frames.push_back(make_frame(publication, plan_->format));
  }
  enqueue_page(frames);
  open_ = page.live;
  if (open_) return;
  next_after_ = page.upto.text();
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    pull_ = !queue_.empty();
    if (pull_) return;
  }
  pull();
}

void StreamSubscriber::pull() {
  if (!open_) read(std::exchange(next_after_, {}));
}

void StreamSubscriber::on_gap(const StreamFramePtr& gap) {
  if (open_) enqueue(gap);
}

void StreamSubscriber::send_checkpoint(Clock::time_point now) {
  if (now < checkpoint_at_) return;
  checkpoint_at_ = now + kCheckpointInterval;
  if (const auto& head = home_.shard().head(); open_ && head) {
    enqueue(make_frame(encode_checkpoint_response(head->text())));
  }
}

void StreamSubscriber::leave() {
  home_.shard().hub().leave_all(*this);
  home_.shard().timers().cancel(*this);
  home_.remove(*this);
}

void StreamSubscriber::deliver_run(std::span<const PublicationPtr> run) {
  if (!open_) return;
  const std::span<const StreamFramePtr> frames = home_.frames(run, plan_->format);
  const Clock::time_point now = home_.shard().now();
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    idle = queue_.empty();
    for (std::size_t i = 0; i < run.size(); ++i) {
      if (plan_->wants(run[i]->envelope().event) && !queue(frames[i], now)) break;
    }
    // No event that is wanted. A stream that ends is looked after, too: its status may get stuck.
    if (queue_.empty() && !ending_) return;
  }
  started_waiting(idle, now);
}

void StreamSubscriber::enqueue(const StreamFramePtr& frame) {
  const Clock::time_point now = home_.shard().now();
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    idle = queue_.empty();
    if (!queue(frame, now)) return;
  }
  started_waiting(idle, now);
}

void StreamSubscriber::started_waiting(bool idle, Clock::time_point now) {
  if (idle) home_.shard().mark_dirty(*this);
  wake_at(now + shared_.limits.write_timeout);
}

// False if the stream takes no more.
bool StreamSubscriber::queue(const StreamFramePtr& frame, Clock::time_point now) {
  if (ending_) return false;
  if (queue_.empty()) {
    progress_at_ = now;
  } else {
    // One may always wait, however large it is; else a single large event behind another would
    // end a stream that keeps reading.
    if (queue_.size() > 1 && waiting_bytes_ + frame->size > shared_.limits.max_outbound_bytes) {
      end_now(StreamEnd::kQueueFull);
      return false;
    }
    waiting_bytes_ += frame->size;
  }
  queue_.push_back(frame);
  return true;
}

// A page was pulled when nothing waited, and is bounded: the consumer's bound does not apply.
void StreamSubscriber::enqueue_page(const std::vector<StreamFramePtr>& frames) {
  if (frames.empty()) return;
  const Clock::time_point now = home_.shard().now();
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    if (queue_.empty()) progress_at_ = now;
    for (const StreamFramePtr& frame : frames) {
      if (!queue_.empty()) waiting_bytes_ += frame->size;
      queue_.push_back(frame);
    }
  }
  home_.shard().mark_dirty(*this);
  wake_at(now + shared_.limits.write_timeout);
}

void StreamSubscriber::flush() {
  const std::lock_guard lock(mutex_);
  if (!writing_ && !finished_at_ && !queue_.empty()) write_front();
}

std::size_t StreamSubscriber::queued_bytes() {
  const std::lock_guard lock(mutex_);
  return queue_.empty() ? 0 : queue_.front()->size + waiting_bytes_;
}

void StreamSubscriber::drain_at(Clock::time_point when) {
  {
    const std::lock_guard lock(mutex_);
    drain_at_ = when;
  }
  wake_at(when);
}

void StreamSubscriber::wake_at(Clock::time_point when) {
  if (wake_at_ && *wake_at_ <= when) return;
  wake_at_ = when;
  home_.shard().timers().schedule(*this, when);
}

void StreamSubscriber::on_timer(Clock::time_point now) {
  wake_at_.reset();
  std::optional<Clock::time_point> next;
  {
    const std::lock_guard lock(mutex_);
    next = check_deadlines(now);
  }
  if (next) wake_at(*next);
  send_checkpoint(now);
  if (checkpoint_at_ != Clock::time_point::max()) wake_at(checkpoint_at_);
}

std::optional<StreamSubscriber::Clock::time_point> StreamSubscriber::check_deadlines(
    Clock::time_point now) {
  const auto timeout = shared_.limits.write_timeout;
  if (done_) return std::nullopt;
  if (!finished_at_ && !queue_.empty() && now >= progress_at_ + timeout)
    end_now(StreamEnd::kWriteStalled);
  if (!ending_ && drain_at_ && now >= *drain_at_) end_after_queue(StreamEnd::kDraining);
  if (finished_at_) {
    if (now < *finished_at_ + timeout) return *finished_at_ + timeout;
    // The status waits behind data that nobody reads. The call is alive, as OnDone takes mutex_.
    context_.TryCancel();
    return std::nullopt;
  }
  std::optional<Clock::time_point> next;
  if (!queue_.empty()) next = progress_at_ + timeout;
  if (!ending_ && drain_at_ && (!next || *drain_at_ < *next)) next = drain_at_;
  return next;
}

// Either side, under mutex_ ---------------------------------------------------------------------

void StreamSubscriber::write_front() {
  grpc::WriteOptions options;
  // With more to come, gRPC may gather; the last write goes without the hint, or it would sit. The
  // first one, too: it brings the call's metadata along, and is not done before those have left.
  if (queue_.size() > 1 && metadata_sent_) options.set_buffer_hint();
  metadata_sent_ = true;
  writing_ = true;
  StartWrite(&queue_.front()->bytes, options);
}

void StreamSubscriber::end_after_queue(StreamEnd end) {
  if (ending_) return;
  if (queue_.empty()) return end_now(end);
  ending_ = end;
}

void StreamSubscriber::end_now(StreamEnd end) {
  if (finished_at_) return;
  ending_ = end;
  finished_at_ = Clock::now();
  // The front may be in gRPC's hands.
  if (is_slow(end) && !queue_.empty()) shared_.metrics.dropped.add(queue_.size() - 1);
  if (queue_.size() > 1) queue_.resize(1);
  waiting_bytes_ = 0;
  if (!writing_) queue_.clear();
  shared_.metrics.ended(end).add();
  if (is_slow(end)) {
    shared_.metrics.slow_evictions.add();
    // All of them if the level is debug, else one a second.
    const auto suppressed = shared_.log.enabled(LogLevel::kDebug) ? std::optional<std::uint64_t>(0)
                                                                  : shared_.slow_log.admit();
    if (suppressed) {
      shared_.log.info("stream ended", {{"stream", id_},
                                        {"reason", name(end)},
                                        {"peer", context_.peer()},
                                        {"suppressed", *suppressed}});
    }
  } else if (shared_.log.enabled(LogLevel::kDebug)) {
    shared_.log.debug("stream ended",
                      {{"stream", id_}, {"reason", name(end)}, {"peer", context_.peer()}});
  }
  Finish(status_of(end));
}

// gRPC ------------------------------------------------------------------------------------------

void StreamSubscriber::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  const std::size_t size = queue_.front()->size;
  queue_.pop_front();
  if (finished_at_) return;
  if (!queue_.empty()) waiting_bytes_ -= queue_.front()->size;
  if (!ok || cancelled_) return end_now(StreamEnd::kClientLeft);
  shared_.metrics.messages_written.add();
  shared_.metrics.bytes_written.add(size);
  progress_at_ = Clock::now();
  if (!queue_.empty()) return write_front();
  if (ending_) return end_now(*ending_);
  if (std::exchange(pull_, false)) {
    home_.shard().post([self = shared_from_this()] { self->pull(); });
  }
}

void StreamSubscriber::OnCancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  // A write in flight comes back first.
  if (!writing_) end_now(StreamEnd::kClientLeft);
}

void StreamSubscriber::OnDone() {
  std::shared_ptr<StreamSubscriber> self;
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
    self = std::move(self_);
  }
  home_.shard().post([self = std::move(self)] { self->leave(); });
}

}  // namespace notifications::server
