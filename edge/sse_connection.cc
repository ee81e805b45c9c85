#include "edge/sse_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "edge/edge_shard.h"
#include "edge/jitter.h"
#include "edge/sse/event_stream.h"

namespace notifications::edge {
namespace {

constexpr std::chrono::seconds kKeepalive{15};
// How long a client waits before it comes back: from, and at most so much longer.
constexpr std::chrono::milliseconds kRetry{1000};
constexpr std::chrono::milliseconds kRetrySpread{2000};
// How long the last block may take to leave.
constexpr std::chrono::seconds kEndTimeout{3};

}  // namespace

SseConnection::SseConnection(EdgeShard& shard, Socket socket, std::uint64_t id,
                             sse::StreamRequest request)
    : Connection(shard, std::move(socket), id), request_(std::move(request)) {
  shard.context().metrics.sse_connects.add();
  shard.context().metrics.sse_connections.add(1);
}

SseConnection::~SseConnection() {
  shard_.context().metrics.sse_connections.add(-1);
  shard_.context().connections.fetch_sub(1, std::memory_order_relaxed);
}

void SseConnection::start(std::string head) {
  if (shard_.context().log.enabled(LogLevel::kDebug)) {
    shard_.context().log.debug("client connected", {{"connection", id_}, {"kind", "sse"}});
  }
  writer_.push_always(std::move(head));
  for (const std::string& room : request_.rooms) shard_.shard().hub().join(*this, room);
  keepalive_at_ = shard_.shard().now() + kKeepalive;
  schedule();
  flush_soon();
  wait_readable();
  if (shard_.context().replayer != nullptr) return read(request_.after);
  connected();
  // Without a journal nothing is known of the past: a cursor cannot be honoured.
  if (!request_.after.empty()) push(sse::gap_block(request_.after, ""));
  open_ = true;
}

void SseConnection::connected() {
  connected_ = true;
  push(sse::connected_block(kRetry + jittered(kRetrySpread)));
}

// --- the past ---

void SseConnection::read(std::string after) {
  reading_ = true;
  ReplayRequest request;
  request.after = std::move(after);
  request.max_bytes = std::clamp<std::size_t>(shard_.context().settings.max_outbound_bytes / 4, 1,
                                              request.max_bytes);
  request.matches = [rooms = request_.rooms](const Position&, const Envelope& envelope) {
    return std::any_of(envelope.rooms.begin(), envelope.rooms.end(), [&](const std::string& room) {
      return std::find(rooms.begin(), rooms.end(), room) != rooms.end();
    });
  };
  shard_.context().replayer->read(shard_.shard(), std::move(request),
                                  [weak = weak_from_this()](ReplayPage page) {
                                    // Only this class hands its weak pointer to this callback.
                                    if (const auto self = weak.lock()) {
                                      static_cast<SseConnection&>(*self).on_page(std::move(page));
                                    }
                                  });
}

void SseConnection::on_page(ReplayPage page) {
  reading_ = false;
  if (ending_ || !socket_.is_open()) return;
  if (!connected_) {
    connected();
    if (!page.gap) push(sse::id_block(request_.after.empty() ? page.upto.text() : request_.after));
  }
  if (page.gap) push(sse::gap_block(page.gap->after, page.gap->resumes_at.text()));
  for (const PublicationPtr& publication : page.events) {
    writer_.push_always(block_of(*publication));
  }
  open_ = page.live;
  if (!open_) next_after_ = page.upto.text();
  // Flushing asks for the next page when everything has left.
  flush_soon();
}

void SseConnection::on_gap(const Position& after, const Position& resumes_at) {
  if (open_ && !ending_) push(sse::gap_block(after.text(), resumes_at.text()));
}

// --- writing ---

const SharedBytes& SseConnection::block_of(const Publication& publication) const {
  FrameArena* const arena = &shard_.frames();
  return request_.whole_envelopes
             ? publication.frame(WireFormat::kSseEnvelope, &sse::encode_envelope, arena)
             : publication.frame(WireFormat::kSse, &sse::encode_event, arena);
}

void SseConnection::deliver_run(std::span<const PublicationPtr> run) {
  if (!open_ || ending_ || overflow_) return;
  const std::size_t limit = shard_.context().settings.max_outbound_bytes;
  for (const PublicationPtr& publication : run) {
    overflow_ = !writer_.push(block_of(*publication), limit, socket_.native_handle());
    if (overflow_) break;
  }
  flush_soon();
}

void SseConnection::push(std::string block) {
  if (ending_ || overflow_) return;
  overflow_ = !writer_.push(std::move(block), shard_.context().settings.max_outbound_bytes,
                            socket_.native_handle());
  flush_soon();
}

void SseConnection::flush_soon() {
  if (!waits_writable_ || overflow_) shard_.shard().mark_dirty(*this);
}

void SseConnection::flush() {
  if (!socket_.is_open()) return;
  if (overflow_) close(CloseReason::kSlowConsumer);
  if (!writer_.blocked() && !writer_.broken()) writer_.write(socket_.native_handle());
  shard_.context().metrics.sse_bytes_out.add(writer_.take_written());
  if (writer_.broken()) {
    if (!ending_) reason_ = CloseReason::kNetworkError;
    return finish();
  }
  if (writer_.blocked()) return await_writable();
  if (!writer_.empty()) return;
  if (ending_) return finish();
  if (!reading_ && !next_after_.empty()) read(std::exchange(next_after_, {}));
}

void SseConnection::await_writable() {
  if (waits_writable_) return;
  waits_writable_ = true;
  give_up_at_ =
      std::min(give_up_at_, shard_.shard().now() + shard_.context().settings.write_timeout);
  schedule();
  wait_writable();
}

void SseConnection::on_writable() {
  waits_writable_ = false;
  writer_.unblock();
  if (!ending_) give_up_at_ = steady_clock::time_point::max();
  flush();
}

// --- reading ---

// A client has nothing to say once it asked; only its end matters.
void SseConnection::on_readable() {
  const std::span<char> buffer = shard_.read_buffer();
  const ssize_t n = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
  const bool again = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  if (n > 0 || again) return wait_readable();
  if (!ending_) reason_ = n == 0 ? CloseReason::kClientGone : CloseReason::kNetworkError;
  finish();
}

// --- ending ---

void SseConnection::close(CloseReason reason) {
  if (ending_) return;
  shard_.shard().hub().leave_all(*this);
  reason_ = reason;
  const bool slow = reason == CloseReason::kSlowConsumer || reason == CloseReason::kWriteTimeout;
  if (slow) {
    shard_.context().metrics.sse_slow_evictions.add();
    shard_.context().metrics.sse_dropped.add(writer_.drop_unwritten());
  }
  writer_.push_always(sse::closing_block(name(reason)) +
                      sse::retry_block(kRetry + jittered(kRetrySpread)));
  ending_ = true;
  give_up_at_ = shard_.shard().now() + kEndTimeout;
  schedule();
  flush_soon();
}

void SseConnection::abort() {
  if (!ending_) reason_ = CloseReason::kDraining;
  finish();
}

void SseConnection::finish() {
  shard_.shard().hub().leave_all(*this);
  EdgeContext& context = shard_.context();
  context.metrics.disconnects[static_cast<std::size_t>(index(reason_))]->add();
  context.log_closed(id_, reason_);
  ending_ = true;
  writer_.clear();
  close_socket();
}

void SseConnection::schedule() {
  shard_.shard().timers().schedule(*this, std::min(give_up_at_, keepalive_at_));
}

void SseConnection::on_timer(steady_clock::time_point now) {
  if (now >= give_up_at_) {
    if (ending_) return finish();
    close(CloseReason::kWriteTimeout);
    return;
  }
  if (now >= keepalive_at_) {
    keepalive_at_ = now + kKeepalive;
    // Whoever still has something to read needs no sign of life.
    if (writer_.empty() && !ending_) {
      std::string block(sse::kKeepalive);
      if (const auto& head = shard_.shard().head(); open_ && head) {
        block += sse::id_block(head->text());
      }
      push(std::move(block));
    }
  }
  schedule();
}

}  // namespace notifications::edge
