#include "edge/socketio_connection.h"

#include <absl/container/flat_hash_set.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "core/uuid.h"
#include "edge/edge_shard.h"
#include "edge/socketio/encode.h"
#include "edge/websocket/frame.h"

namespace notifications::edge {
namespace {

using std::chrono::steady_clock;

// How long a client may take to answer our close frame before the socket is closed.
constexpr std::chrono::seconds kCloseTimeout{3};
constexpr int kSidBytes = 15;  // 20 characters, as a stock server's
// Reads of one connection in one turn, so that a flood does not hold up the others.
constexpr int kReadsPerTurn = 4;
constexpr std::size_t kGather = 64;

// The whole WebSocket frame of an event, header and all: encoded once for all connections.
std::string encode_frame(const Publication& publication) {
  const Envelope& envelope = publication.envelope();
  return websocket::text_frame(
      socketio::encode_event(envelope.event, envelope.payload, publication.position()));
}

// The distinct rooms of a request, in its order; a hostile request repeats one a hundred thousand
// times.
std::vector<std::string_view> distinct(const std::vector<std::string>& rooms) {
  std::vector<std::string_view> out;
  absl::flat_hash_set<std::string_view, StringHash, StringEqual> seen;
  for (const std::string& room : rooms) {
    if (seen.insert(room).second) out.push_back(room);
  }
  return out;
}

}  // namespace

SocketIoConnection::SocketIoConnection(EdgeShard& shard, Socket socket, std::uint64_t id)
    : Connection(shard, std::move(socket), id),
      Subscriber(shard.context().settings.delivery),
      parser_(static_cast<std::uint32_t>(shard.context().settings.max_payload)),
      session_(*this, shard.context().session_options) {
  shard.context().metrics.connects.add();
  shard.context().metrics.websocket_connections.add(1);
}

SocketIoConnection::~SocketIoConnection() {
  EdgeContext& context = shard_.context();
  context.metrics.websocket_connections.add(-1);
  context.connections.fetch_sub(1, std::memory_order_relaxed);
}

void SocketIoConnection::start(std::string response, std::span<char> rest) {
  const auto now = shard_.shard().now();
  rate_.start(now);
  queue_.push(std::move(response));
  session_.open(new_random_id(kSidBytes), now);
  if (shard_.context().log.enabled(LogLevel::kDebug)) {
    shard_.context().log.debug("client connected", {{"connection", id_}});
  }
  schedule();
  if (!rest.empty() && !receive(rest)) return;
  wait_readable();
}

void SocketIoConnection::abort() {
  if (state_ != State::kClosed) finish(state_ == State::kOpen ? CloseReason::kDraining : reason_);
}

// --- reading ---

void SocketIoConnection::on_readable() {
  const std::span<char> buffer = shard_.read_buffer();
  for (int i = 0; i < kReadsPerTurn && state_ != State::kClosed; ++i) {
    const ssize_t n = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
    if (n == 0) {
      if (state_ == State::kOpen) reason_ = CloseReason::kClientGone;
      // A client that only ended its half still gets what it is owed.
      shard_.shard().hub().leave_all(*this);
      state_ = State::kFlushing;
      return flush();
    }
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      return finish(state_ == State::kOpen ? CloseReason::kNetworkError : reason_);
    }
    const auto size = static_cast<std::size_t>(n);
    if (!receive(buffer.first(size))) return;
    if (size < buffer.size()) break;
  }
  if (state_ != State::kClosed) wait_readable();
}

// False if the connection is closed, or reads no more.
bool SocketIoConnection::receive(std::span<char> bytes) {
  shard_.context().metrics.bytes_in.add(bytes.size());
  if (parser_.open()) parser_.feed(bytes, *this);
  return state_ != State::kClosed && state_ != State::kFlushing;
}

bool SocketIoConnection::admit_message() {
  shard_.context().metrics.messages_in.add();
  if (rate_.admit(shard_.shard().now())) return true;
  close(CloseReason::kRateLimit);
  return false;
}

bool SocketIoConnection::on_text(std::string_view message) {
  if (state_ != State::kOpen) return true;
  if (admit_message()) session_.on_text(message, shard_.shard().now());
  return true;
}

bool SocketIoConnection::on_binary(std::string_view) {
  if (state_ != State::kOpen) return true;
  if (admit_message()) session_.on_binary();
  return true;
}

bool SocketIoConnection::on_ping(std::string_view payload) {
  if (state_ != State::kOpen) return true;
  if (admit_message()) push(websocket::pong_frame(payload));
  return true;
}

bool SocketIoConnection::on_pong(std::string_view) {
  if (state_ == State::kOpen) admit_message();
  return true;
}

void SocketIoConnection::on_close(std::optional<std::uint16_t> code, std::string_view reason) {
  if (state_ == State::kOpen) {
    reason_ = CloseReason::kClientClosed;
    shard_.shard().hub().leave_all(*this);
    queue_.push(websocket::close_frame(code, reason));
  }
  // Both sides have said goodbye, or will have once the queue is written.
  state_ = State::kFlushing;
  shard_.shard().mark_dirty(*this);
}

void SocketIoConnection::on_error(websocket::FrameError error) { close(close_reason(error)); }

// --- Socket.IO ---

void SocketIoConnection::send(std::string packet) { push(websocket::text_frame(packet)); }

void SocketIoConnection::connect(std::string_view) { session_.accept(new_random_id(kSidBytes)); }

void SocketIoConnection::disconnect() { shard_.shard().hub().leave_all(*this); }

void SocketIoConnection::join(socketio::RoomsCommand command) {
  EdgeContext& context = shard_.context();
  Hub& hub = shard_.shard().hub();
  const std::vector<std::string_view> rooms = distinct(command.rooms);
  const std::size_t limit = context.settings.max_rooms_per_connection;
  bool fits = rooms.size() <= limit;
  if (fits && hub.rooms_of(*this) + rooms.size() > limit) {
    const auto added = std::count_if(rooms.begin(), rooms.end(), [&](std::string_view room) {
      return !hub.is_member(*this, room);
    });
    fits = hub.rooms_of(*this) + static_cast<std::size_t>(added) <= limit;
  }
  if (!fits) {
    context.metrics.subscribe_rejects.add();
    if (command.ack_id) send(command.refusal("too_many_rooms"));
    return;
  }
  for (const std::string_view room : rooms) hub.join(*this, room);
  context.metrics.subscribes.add();
  if (command.ack_id) send(command.confirmation());
}

void SocketIoConnection::leave(socketio::RoomsCommand command) {
  for (const std::string_view room : distinct(command.rooms)) {
    shard_.shard().hub().leave(*this, room);
  }
  shard_.context().metrics.unsubscribes.add();
  if (command.ack_id) send(command.confirmation());
}

void SocketIoConnection::close(socketio::Violation violation) { close(close_reason(violation)); }

// --- writing ---

bool SocketIoConnection::has_room_for(std::size_t bytes) {
  const std::size_t limit = shard_.context().settings.max_outbound_bytes;
  if (queue_.empty() || queue_.bytes_behind_front() + bytes <= limit) return true;
  // Only what the socket refuses to take counts: a burst within one turn is not slowness.
  if (!blocked_) write_queued();
  return queue_.empty() || queue_.bytes_behind_front() + bytes <= limit;
}

void SocketIoConnection::deliver(const PublicationPtr& publication) {
  if (state_ != State::kOpen || overflow_) return;
  const std::string_view frame = publication->frame(WireFormat::kSocketIo, &encode_frame);
  if (has_room_for(frame.size())) {
    queue_.push(publication, frame);
  } else {
    overflow_ = true;
  }
  if (!blocked_ || overflow_) shard_.shard().mark_dirty(*this);
}

void SocketIoConnection::push(std::string frame) {
  if (state_ != State::kOpen || overflow_) return;
  if (has_room_for(frame.size())) {
    queue_.push(std::move(frame));
  } else {
    overflow_ = true;
  }
  if (!blocked_ || overflow_) shard_.shard().mark_dirty(*this);
}

// Writes until the queue is empty or the socket takes no more. Never closes: it runs within
// deliver(), too; an error shows again, and is handled, when the socket is next read or flushed.
void SocketIoConnection::write_queued() {
  std::array<iovec, kGather> parts;
  while (!queue_.empty()) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = queue_.gather(parts);
    std::size_t size = 0;
    for (std::size_t i = 0; i < message.msg_iovlen; ++i) size += parts[i].iov_len;
    const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    const std::size_t written = n < 0 ? 0 : static_cast<std::size_t>(n);
    queue_.consume(written);
    shard_.context().metrics.bytes_out.add(written);
    if (written == size) continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      queue_.clear();
      reason_ = state_ == State::kOpen ? CloseReason::kNetworkError : reason_;
      state_ = State::kFlushing;
      return;
    }
    blocked_ = true;
    give_up_at_ =
        std::min(give_up_at_, shard_.shard().now() + shard_.context().settings.write_timeout);
    schedule();
    return wait_writable();
  }
}

void SocketIoConnection::flush() {
  if (state_ == State::kClosed) return;
  if (overflow_ && state_ == State::kOpen) close(CloseReason::kSlowConsumer);
  if (!blocked_) write_queued();
  if (state_ == State::kFlushing && queue_.empty()) finish(reason_);
}

void SocketIoConnection::on_writable() {
  if (state_ == State::kClosed) return;
  blocked_ = false;
  // Progress: the clock of a slow reader starts anew; that of a close goes on.
  if (state_ == State::kOpen) give_up_at_ = steady_clock::time_point::max();
  flush();
}

// --- ending ---

void SocketIoConnection::close(CloseReason reason) {
  if (state_ != State::kOpen) return;
  reason_ = reason;
  shard_.shard().hub().leave_all(*this);
  const bool slow = reason == CloseReason::kSlowConsumer || reason == CloseReason::kWriteTimeout;
  // A slow consumer gets no more of what it did not take, but it is told why.
  if (slow) {
    shard_.context().metrics.slow_evictions.add();
    queue_.drop_unwritten();
  }
  const CloseFrame frame = close_frame(reason);
  if (frame.send) queue_.push(websocket::close_frame(frame.code, frame.text));
  state_ = State::kClosing;
  give_up_at_ = shard_.shard().now() + kCloseTimeout;
  schedule();
  shard_.shard().mark_dirty(*this);
}

void SocketIoConnection::finish(CloseReason reason) {
  state_ = State::kClosed;
  reason_ = reason;
  shard_.shard().hub().leave_all(*this);
  EdgeContext& context = shard_.context();
  context.metrics.disconnects[static_cast<std::size_t>(index(reason))]->add();
  const bool ordinary = static_cast<int>(reason) < static_cast<int>(CloseReason::kPingTimeout);
  const LogLevel level = ordinary ? LogLevel::kDebug : LogLevel::kInfo;
  if (context.log.enabled(level)) {
    const auto log = ordinary ? &Log::debug : &Log::info;
    (context.log.*log)(
        "client closed",
        {{"connection", id_}, {"reason", name(reason)}, {"code", static_cast<int>(reason)}});
  }
  queue_.clear();
  close_socket();
}

void SocketIoConnection::schedule() {
  const auto next =
      state_ == State::kOpen ? std::min(give_up_at_, session_.next_deadline()) : give_up_at_;
  if (next != steady_clock::time_point::max()) shard_.shard().timers().schedule(*this, next);
}

void SocketIoConnection::on_timer(steady_clock::time_point now) {
  if (now >= give_up_at_) {
    if (state_ == State::kOpen) {
      close(CloseReason::kWriteTimeout);
      return;
    }
    return finish(reason_);
  }
  if (state_ == State::kOpen) {
    if (const auto expired = session_.on_tick(now)) {
      close(*expired == socketio::Session::Expired::kPing ? CloseReason::kPingTimeout
                                                          : CloseReason::kConnectTimeout);
      return;
    }
  }
  schedule();
}

}  // namespace notifications::edge
