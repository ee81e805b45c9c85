#include "server/stream_subscriber.h"

#include <algorithm>
#include <utility>

namespace notifications::server {

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
      plan_(std::move(plan)),
      home_(home),
      shared_(shared),
      token_(shared.active) {
  shared_.metrics.streams_opened.add();
  shared_.metrics.streams.add(1);
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
  for (const RoomPattern& room : plan_.rooms) home_.shard().hub().join(*this, room);
  enqueue(shared_.opened);
}

void StreamSubscriber::leave() {
  home_.shard().hub().leave_all(*this);
  home_.shard().timers().cancel(*this);
  home_.remove(*this);
}

void StreamSubscriber::deliver(const PublicationPtr& publication) {
  if (!plan_.wants(publication->envelope().event)) return;
  enqueue(home_.frame(publication, plan_.format));
}

void StreamSubscriber::enqueue(const StreamFramePtr& frame) {
  const Clock::time_point now = home_.shard().now();
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    if (queue_.empty()) {
      idle = true;
      progress_at_ = now;
    } else {
      // One may always wait, however large it is; else a single large event behind another would
      // end a stream that keeps reading.
      if (queue_.size() > 1 && waiting_bytes_ + frame->size > shared_.limits.max_outbound_bytes)
        return end_now(StreamEnd::kQueueFull);
      waiting_bytes_ += frame->size;
    }
    queue_.push_back(frame);
  }
  if (idle) home_.shard().mark_dirty(*this);
  if (!wake_at_) wake_at(now + shared_.limits.write_timeout);
}

void StreamSubscriber::flush() {
  const std::lock_guard lock(mutex_);
  if (!writing_ && !finished_at_ && !queue_.empty()) write_front();
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
  // With more to come, gRPC may gather; the last write goes without the hint, or it would sit.
  if (queue_.size() > 1) options.set_buffer_hint();
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
  if (queue_.size() > 1) queue_.resize(1);
  waiting_bytes_ = 0;
  if (!writing_) queue_.clear();
  shared_.metrics.ended(end).add();
  if (is_slow(end)) {
    shared_.metrics.slow_evictions.add();
    shared_.log.info("stream ended", {{"reason", name(end)}, {"peer", context_.peer()}});
  } else if (shared_.log.enabled(LogLevel::kDebug)) {
    shared_.log.debug("stream ended", {{"reason", name(end)}, {"peer", context_.peer()}});
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
  if (ending_) end_now(*ending_);
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
