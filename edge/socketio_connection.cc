#include "edge/socketio_connection.h"

#include <absl/container/flat_hash_set.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/uuid.h"
#include "edge/edge_shard.h"
#include "edge/jitter.h"
#include "edge/socketio/encode.h"
#include "edge/websocket/frame.h"

namespace notifications::edge {
namespace {

// How long a client may take to answer our close frame before the socket is closed.
constexpr std::chrono::seconds kCloseTimeout{3};
constexpr std::chrono::seconds kLingerTimeout{1};
constexpr int kSidBytes = 15;  // 20 characters, as a stock server's
// When a session's record that could not be written is tried again, at the latest.
constexpr std::chrono::milliseconds kRefreshAgain{4000};
// Whoever sends as much at once may make us work for a millisecond: it waits for its turn to go on.
constexpr std::size_t kMuch = 4096;
// Bytes of commands that may wait for the journal, if there are several.
constexpr std::size_t kMaxUnconfirmed = 1024 * 1024;
// Over what time those who must start afresh are sent away.
constexpr std::chrono::milliseconds kGapSpread{2000};

// How often a session's record is written anew, so that it lives on.
std::chrono::milliseconds refresh_interval(std::chrono::milliseconds session_ttl) {
  return std::max(session_ttl / 3, std::chrono::milliseconds(50));
}

// About what a command takes in memory.
std::size_t weight(const socketio::RoomsCommand& command) {
  std::size_t bytes = 256;
  for (const std::string& room : command.rooms) bytes += sizeof room + room.size();
  return bytes;
}

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
  gauge_of(counted_as_).add(1);
}

SocketIoConnection::~SocketIoConnection() {
  EdgeContext& context = shard_.context();
  context.metrics.websocket_connections.add(-1);
  gauge_of(counted_as_).add(-1);
  context.connections.fetch_sub(1, std::memory_order_relaxed);
}

void SocketIoConnection::start(std::string response, std::span<char> rest) {
  const auto now = shard_.shard().now();
  rate_.start(now);
  writer_.push_always(std::move(response));
  session_.open(new_random_id(kSidBytes), now);
  if (shard_.context().log.enabled(LogLevel::kDebug)) {
    shard_.context().log.debug("client connected", {{"connection", id_}, {"kind", "websocket"}});
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
  if (reads_much_) return shard_.read_later(*this);
  read();
}

void SocketIoConnection::read() {
  const std::span<char> buffer = shard_.read_buffer();
  const ssize_t n = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
  if (n == 0) {
    if (state_ == State::kOpen) {
      reason_ = CloseReason::kClientGone;
      end_session(reason_);
    }
    if (state_ == State::kLingering) return finish(reason_);
    // A client that only ended its half still gets what it is owed.
    state_ = State::kFlushing;
    count_state();
    return flush();
  }
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return wait_readable();
    return finish(state_ == State::kOpen ? CloseReason::kNetworkError : reason_);
  }
  const auto size = static_cast<std::size_t>(n);
  reads_much_ = size >= kMuch;
  if (!receive(buffer.first(size))) return;
  if (size == buffer.size()) return shard_.read_later(*this);
  wait_readable();
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
  if (!admit_message()) return true;
  const auto deadline = session_.next_deadline();
  session_.on_text(message, shard_.shard().now());
  count_state();
  // A pong may bring the next ping nearer than the timeout that was waited for.
  if (state_ == State::kOpen && session_.next_deadline() < deadline) schedule();
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
    end_session(reason_);
    writer_.push_always(websocket::close_frame(code, reason));
    state_ = State::kClosing;
    count_state();
    give_up_at_ = shard_.shard().now() + kCloseTimeout;
    schedule();
  }
  said_goodbye_ = true;
  shard_.shard().mark_dirty(*this);
}

void SocketIoConnection::on_error(websocket::FrameError error) {
  close(close_reason(error));
  // A client that cannot frame will not frame an answer: behind our close frame comes the end.
  said_goodbye_ = true;
  shard_.shard().mark_dirty(*this);
}

// --- Socket.IO ---

void SocketIoConnection::send(std::string packet) { push(websocket::text_frame(packet)); }

void SocketIoConnection::connect(std::string_view auth) {
  if (shard_.context().sessions == nullptr) return session_.accept(new_random_id(kSidBytes));
  if (recovery_ == nullptr)
    recovery_ = std::make_shared<Recovery>(static_cast<RecoveryPort&>(*this), shard_);
  recovery_->connect(auth);
}

void SocketIoConnection::disconnect() {
  unconfirmed_ = 0;
  if (recovery_ != nullptr) return recovery_->disconnect();
  shard_.shard().hub().leave_all(*this);
}

void SocketIoConnection::accept(std::string_view sid, std::string_view pid) {
  session_.accept(sid, pid);
  count_state();
  const auto ttl = shard_.context().settings.session_ttl;
  refresh_at_ = shard_.shard().now() + jittered(refresh_interval(ttl));
  schedule();
}

void SocketIoConnection::enter(std::string_view room) { shard_.shard().hub().join(*this, room); }

void SocketIoConnection::exit(std::string_view room) { shard_.shard().hub().leave(*this, room); }

bool SocketIoConnection::is_in(std::string_view room) const {
  return shard_.shard().hub().is_member(*this, room);
}

void SocketIoConnection::exit_all() { shard_.shard().hub().leave_all(*this); }

void SocketIoConnection::refresh_soon() {
  if (state_ != State::kOpen) return;
  refresh_at_ = std::min(refresh_at_, shard_.shard().now() + jittered(kRefreshAgain));
  schedule();
}

std::size_t SocketIoConnection::replay(const PublicationPtr& publication) {
  // A page is pulled when little waits, and is bounded: the consumer's bound does not apply to it.
  writer_.push_always(publication->frame(WireFormat::kSocketIo, &encode_frame, &shard_.frames()));
  replayed_ = true;
  shard_.shard().mark_dirty(*this);
  return writer_.bytes();
}

// While the journal is away, or a past is replayed, commands wait: not more than are worth keeping.
bool SocketIoConnection::admit_command(const socketio::RoomsCommand& command) {
  const std::size_t bytes = weight(command);
  if (unconfirmed_ > 0 && unconfirmed_ + bytes > kMaxUnconfirmed) {
    close(CloseReason::kRateLimit);
    return false;
  }
  unconfirmed_ += bytes;
  return true;
}

void SocketIoConnection::confirm(const socketio::RoomsCommand& command) {
  unconfirmed_ -= std::min(unconfirmed_, weight(command));
  if (command.ack_id) send(command.confirmation());
}

void SocketIoConnection::on_gap(const Position&, const Position&) {
  // Whoever still reads the past finds the gap there, if it is one for them.
  if (recovery_ == nullptr || !recovery_->open() || state_ != State::kOpen) return;
  recovery_->forget();
  gap_at_ = shard_.shard().now() + jittered(kGapSpread);
  schedule();
}

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
  context.metrics.subscribes.add();
  if (recovery_ != nullptr) {
    if (!admit_command(command)) return;
    return recovery_->join(std::move(command), {rooms.begin(), rooms.end()});
  }
  for (const std::string_view room : rooms) hub.join(*this, room);
  if (command.ack_id) send(command.confirmation());
}

void SocketIoConnection::leave(socketio::RoomsCommand command) {
  shard_.context().metrics.unsubscribes.add();
  const std::vector<std::string_view> rooms = distinct(command.rooms);
  if (recovery_ != nullptr) {
    if (!admit_command(command)) return;
    std::vector<std::string> names(rooms.begin(), rooms.end());
    return recovery_->leave(std::move(command), std::move(names));
  }
  for (const std::string_view room : rooms) shard_.shard().hub().leave(*this, room);
  if (command.ack_id) send(command.confirmation());
}

void SocketIoConnection::on_invalid_subscribe() {
  shard_.context().metrics.subscribe_invalids.add();
}

void SocketIoConnection::close(socketio::Violation violation) { close(close_reason(violation)); }

// --- writing ---

void SocketIoConnection::deliver_run(std::span<const PublicationPtr> run) {
  if (state_ != State::kOpen || overflow_) return;
  if (recovery_ != nullptr) {
    if (!recovery_->open()) return;  // part of what is being replayed
    recovery_->sent(run.back()->stream_id());
  }
  const std::size_t limit = shard_.context().settings.max_outbound_bytes;
  for (const PublicationPtr& publication : run) {
    const SharedBytes& frame =
        publication->frame(WireFormat::kSocketIo, &encode_frame, &shard_.frames());
    overflow_ = !writer_.push(frame, limit, socket_.native_handle());
    if (overflow_) break;
  }
  flush_soon();
}

void SocketIoConnection::push(std::string frame) {
  if (state_ != State::kOpen || overflow_) return;
  overflow_ = !writer_.push(std::move(frame), shard_.context().settings.max_outbound_bytes,
                            socket_.native_handle());
  flush_soon();
}

// A blocked writer needs no turn: on_writable() comes.
void SocketIoConnection::flush_soon() {
  if (!waits_writable_ || overflow_) shard_.shard().mark_dirty(*this);
}

void SocketIoConnection::flush() {
  if (state_ == State::kClosed) return;
  if (overflow_ && state_ == State::kOpen) close(CloseReason::kSlowConsumer);
  if (!writer_.blocked() && !writer_.broken()) writer_.write(socket_.native_handle());
  shard_.context().metrics.bytes_out.add(writer_.take_written());
  if (writer_.broken()) {
    return finish(state_ == State::kOpen ? CloseReason::kNetworkError : reason_);
  }
  if (counted_ || writer_.blocked()) count_queued();
  if (writer_.blocked()) return await_writable();
  if (!writer_.empty()) return;
  if (state_ == State::kFlushing) return finish(reason_);
  if (said_goodbye_ && state_ == State::kClosing) linger();
  if (std::exchange(replayed_, false) && state_ == State::kOpen) recovery_->on_drained();
}

void SocketIoConnection::await_writable() {
  if (waits_writable_) return;
  waits_writable_ = true;
  give_up_at_ =
      std::min(give_up_at_, shard_.shard().now() + shard_.context().settings.write_timeout);
  schedule();
  wait_writable();
}

void SocketIoConnection::on_writable() {
  if (state_ == State::kClosed) return;
  waits_writable_ = false;
  writer_.unblock();
  // Progress: the clock of a slow reader starts anew; that of a close goes on.
  if (state_ == State::kOpen) give_up_at_ = steady_clock::time_point::max();
  flush();
}

// --- ending ---

void SocketIoConnection::close(CloseReason reason) {
  if (state_ != State::kOpen) return;
  reason_ = reason;
  end_session(reason);
  const bool slow = reason == CloseReason::kSlowConsumer || reason == CloseReason::kWriteTimeout;
  // A slow consumer gets no more of what it did not take, but it is told why.
  if (slow) {
    shard_.context().metrics.slow_evictions.add();
    shard_.context().metrics.dropped.add(writer_.drop_unwritten());
  }
  const CloseFrame frame = close_frame(reason);
  if (frame.send) writer_.push_always(websocket::close_frame(frame.code, frame.text));
  state_ = State::kClosing;
  count_state();
  give_up_at_ = shard_.shard().now() + kCloseTimeout;
  schedule();
  shard_.shard().mark_dirty(*this);
}

// The session may come back elsewhere at once: its record gets the last word of this connection.
void SocketIoConnection::end_session(CloseReason reason) {
  shard_.shard().hub().leave_all(*this);
  if (recovery_ == nullptr) return;
  const bool continues = reason != CloseReason::kTakeover && reason != CloseReason::kGap;
  if (continues) recovery_->refresh();
  recovery_->detach();
}

// What the client still sends is read away for a moment: closing at once could reset the connection
// before the close frame is read.
void SocketIoConnection::linger() {
  state_ = State::kLingering;
  ::shutdown(socket_.native_handle(), SHUT_WR);
  give_up_at_ = shard_.shard().now() + kLingerTimeout;
  schedule();
}

void SocketIoConnection::count_queued() {
  const std::size_t waits = writer_.bytes();
  shard_.context().metrics.queued_bytes.add(static_cast<std::int64_t>(waits) -
                                            static_cast<std::int64_t>(queued_));
  queued_ = waits;
  counted_ = waits > 0;
}

void SocketIoConnection::finish(CloseReason reason) {
  if (state_ == State::kOpen) end_session(reason);
  state_ = State::kClosed;
  reason_ = reason;
  EdgeContext& context = shard_.context();
  context.metrics.disconnects[static_cast<std::size_t>(index(reason))]->add();
  context.log_closed(id_, reason);
  writer_.clear();
  if (counted_) count_queued();
  recovery_.reset();
  close_socket();
}

Gauge& SocketIoConnection::gauge_of(WebSocketState state) const {
  return *shard_.context().metrics.websocket_states[static_cast<std::size_t>(state)];
}

void SocketIoConnection::count_state() {
  const WebSocketState now = state_ != State::kOpen ? WebSocketState::kClosing
                             : session_.connected() ? WebSocketState::kConnected
                                                    : WebSocketState::kConnecting;
  if (now == counted_as_) return;
  gauge_of(counted_as_).add(-1);
  gauge_of(now).add(1);
  counted_as_ = now;
}

void SocketIoConnection::schedule() {
  auto next = give_up_at_;
  if (state_ == State::kOpen) {
    next = std::min({next, session_.next_deadline(), refresh_at_, gap_at_});
  }
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
  if (state_ == State::kOpen && now >= gap_at_) return close(CloseReason::kGap);
  if (state_ == State::kOpen && now >= refresh_at_) {
    if (recovery_ != nullptr) recovery_->refresh();
    refresh_at_ = now + refresh_interval(shard_.context().settings.session_ttl);
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
