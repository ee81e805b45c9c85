#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "core/runtime/replayer.h"
#include "core/runtime/shard.h"
#include "core/subscriber.h"
#include "edge/close_reason.h"
#include "edge/connection.h"
#include "edge/socket_writer.h"
#include "edge/sse/request.h"

namespace notifications::edge {

// SseConnection is a client of /events: an endless HTTP answer of event blocks, resumed from the
// client's cursor with the journal on.
//
// The answer ends with the connection (Connection: close), so its bytes are the blocks themselves,
// encoded once for all.
// Thread: shard. See: CONTRACT section 7.
class SseConnection final : public Connection, private Subscriber, private Flushable {
 public:
  SseConnection(EdgeShard& shard, Socket socket, std::uint64_t id, sse::StreamRequest request);
  ~SseConnection() override;

  // Sends the head of the answer; the first block follows when the rooms are live.
  void start(std::string head);

  void drain() override { close(CloseReason::kDraining); }
  void abort() override;
  std::size_t queued_bytes() const override { return writer_.bytes(); }
  void on_gap(const Position& after, const Position& resumes_at) override;

 private:
  using steady_clock = std::chrono::steady_clock;

  void on_readable() override;
  void on_writable() override;
  void on_timer(steady_clock::time_point now) override;
  void deliver(const PublicationPtr& publication) override { deliver_run({&publication, 1}); }
  void deliver_run(std::span<const PublicationPtr> run) override;
  void flush() override;

  void read(std::string after);
  void on_page(ReplayPage page);
  void connected();
  void push(std::string block);
  const SharedBytes& block_of(const Publication& publication) const;
  void flush_soon();
  void await_writable();
  void close(CloseReason reason);
  void finish();
  void schedule();

  // Constant after start().
  const sse::StreamRequest request_;

  // This shard only.
  SocketWriter writer_;
  std::string next_after_;  // where the next page of the past begins, if one is to be asked for
  steady_clock::time_point keepalive_at_{};
  steady_clock::time_point give_up_at_ = steady_clock::time_point::max();
  CloseReason reason_ = CloseReason::kClientGone;
  bool connected_ = false;  // the first block was sent
  bool open_ = false;       // live events pass; if not, they are part of what is being replayed
  bool reading_ = false;    // a page of the past is on its way
  bool waits_writable_ = false;
  bool overflow_ = false;
  bool ending_ = false;  // the last block is queued
};

}  // namespace notifications::edge
