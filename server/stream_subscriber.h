#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/log.h"
#include "core/publication.h"
#include "core/runtime/replayer.h"
#include "core/runtime/shard.h"
#include "core/subscriber.h"
#include "server/active_calls.h"
#include "server/gateway_metrics.h"
#include "server/request.h"
#include "server/stream_end.h"
#include "server/stream_shard.h"

namespace notifications::server {

// How much a stream may hold back, and for how long.
struct StreamLimits {
  std::size_t max_outbound_bytes = 1048576;  // behind the publication being written
  std::chrono::milliseconds write_timeout{10000};
};

// StreamSubscriber is one open gRPC stream.
//
// It lives on a shard like every subscriber: the hub hands it publications there, and it only
// queues a pointer to the shared frame. Writes are started at the end of the shard's turn, and then
// by gRPC's own threads, each as the one before is done, until the queue is empty: so what is
// behind the first write of a turn leaves in few system calls (the buffer hint).
//
// Too slow a reader is ended at once: what it has in flight is all that it still gets, and the
// status after it; if that cannot be written either, the call is cancelled.
//
// Thread: shard for Subscriber, Flushable and TimerNode; gRPC's for the reactions (On...). The
// queue and the state of the call are guarded by `mutex_`, for which either waits very shortly.
// Kept alive by gRPC until OnDone, and by what is posted to the shard.
class StreamSubscriber final : public Subscriber,
                               public Flushable,
                               public TimerNode,
                               public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                               public std::enable_shared_from_this<StreamSubscriber> {
 public:
  // What all streams of a server share. Outlives them.
  struct Shared {
    StreamLimits limits;
    Replayer* replayer;  // null with the journal off
    GatewayMetrics& metrics;
    Log& log;
    ActiveCalls& active;
    std::atomic<std::uint64_t> next_id = 1;
    LogLimit slow_log{std::chrono::seconds(1)};  // of streams that ended as slow
  };

  // Opens a stream for an accepted request: joins its rooms on the shard, then sends `opened`.
  // Thread: gRPC's. gRPC takes the pointer; `context` lives until OnDone.
  static StreamSubscriber* open(grpc::CallbackServerContext& context, StreamPlan plan,
                                StreamShard& home, Shared& shared);

  StreamSubscriber(grpc::CallbackServerContext& context, StreamPlan plan, StreamShard& home,
                   Shared& shared);
  ~StreamSubscriber() override;

  // Ends the stream at `when`, after all that is queued by then. Thread: shard.
  void drain_at(std::chrono::steady_clock::time_point when);
  // What waits for the client to read it.
  std::size_t queued_bytes();

  // Events were missed, by everybody. Thread: shard.
  void on_gap(const StreamFramePtr& gap);

  void deliver(const PublicationPtr& publication) override { deliver_run({&publication, 1}); }
  void deliver_run(std::span<const PublicationPtr> run) override;
  void flush() override;
  void on_timer(std::chrono::steady_clock::time_point now) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  using Clock = std::chrono::steady_clock;

  // Shard.
  void join();
  void leave();
  void read(std::string after);
  void on_page(ReplayPage page);
  void pull();
  void send_checkpoint(Clock::time_point now);
  void enqueue(const StreamFramePtr& frame);
  void enqueue_page(const std::vector<StreamFramePtr>& frames);
  void started_waiting(bool idle, Clock::time_point now);
  void wake_at(Clock::time_point when);

  // Require: mutex_ is held.
  bool queue(const StreamFramePtr& frame, Clock::time_point now);
  void write_front();
  void end_after_queue(StreamEnd end);
  void end_now(StreamEnd end);
  std::optional<Clock::time_point> check_deadlines(Clock::time_point now);

  // Constant after construction.
  grpc::CallbackServerContext& context_;          // until OnDone
  const std::shared_ptr<const StreamPlan> plan_;  // shared with what reads the past
  StreamShard& home_;
  Shared& shared_;
  const ActiveCalls::Token token_;
  const std::uint64_t id_;  // unique in the process; in every log line about the stream

  // This shard only.
  std::optional<Clock::time_point> wake_at_;
  bool opened_ = false;     // the first message was queued
  bool open_ = false;       // live events pass; if not, they are part of what is being replayed
  std::string next_after_;  // where the next page of the past begins
  Clock::time_point checkpoint_at_ = Clock::time_point::max();

  std::mutex mutex_;
  // Guarded by mutex_.
  std::shared_ptr<StreamSubscriber> self_;  // what gRPC holds; dropped in OnDone
  std::deque<StreamFramePtr> queue_;        // the front is being written, or is next
  std::size_t waiting_bytes_ = 0;           // of all in the queue but the front
  bool metadata_sent_ = false;              // a first write was begun
  bool writing_ = false;
  bool pull_ = false;  // when the queue has run empty, the next page of the past is due
  bool cancelled_ = false;
  Clock::time_point progress_at_;  // when the queue began to wait, or last moved
  std::optional<Clock::time_point> drain_at_;
  std::optional<StreamEnd> ending_;               // decided: nothing more is queued
  std::optional<Clock::time_point> finished_at_;  // Finish was called
  bool done_ = false;  // OnDone was called: the call and context_ are gone
};

}  // namespace notifications::server
