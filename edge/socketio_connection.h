#pragma once

#include <chrono>
#include <span>
#include <string>

#include "core/runtime/shard.h"
#include "core/subscriber.h"
#include "edge/close_reason.h"
#include "edge/connection.h"
#include "edge/edge_context.h"
#include "edge/rate_limit.h"
#include "edge/recovery.h"
#include "edge/socket_writer.h"
#include "edge/socketio/session.h"
#include "edge/websocket/frame_parser.h"

namespace notifications::edge {

// SocketIoConnection is a browser on a WebSocket: it moves bytes between the socket, the frame
// parser, the Socket.IO session and the hub.
//
// Writes are gathered: whatever is queued in one turn of the loop leaves in one system call at its
// end. Writability is waited for only after a short write.
//
// Thread: shard.
class SocketIoConnection final : public Connection,
                                 private Subscriber,
                                 private Flushable,
                                 private websocket::FrameVisitor,
                                 private socketio::SessionPort,
                                 private RecoveryPort {
 public:
  SocketIoConnection(EdgeShard& shard, Socket socket, std::uint64_t id);
  ~SocketIoConnection() override;

  // Sends the response to the upgrade and the open packet, and takes `rest`, what the client sent
  // behind its request.
  void start(std::string response, std::span<char> rest);

  void drain() override { close(CloseReason::kDraining); }
  void abort() override;
  std::size_t queued_bytes() const override { return writer_.bytes(); }
  // The client comes back for a fresh session, after a random moment, so that not all come at once.
  void on_gap(const Position& after, const Position& resumes_at) override;

 private:
  using steady_clock = std::chrono::steady_clock;
  // A connection goes down this list, never up.
  enum class State : std::uint8_t {
    kOpen,
    kClosing,    // our close frame is queued or sent; the client's is awaited
    kFlushing,   // the client has ended; what is queued is written, then the socket closed
    kLingering,  // our half is ended; what the client still sends is read away
    kClosed,
  };

  // Connection
  void on_readable() override;
  void on_writable() override;
  void on_turn() override { read(); }
  void on_timer(std::chrono::steady_clock::time_point now) override;
  // Subscriber
  void deliver(const PublicationPtr& publication) override { deliver_run({&publication, 1}); }
  void deliver_run(std::span<const PublicationPtr> run) override;
  // Flushable
  void flush() override;
  // FrameVisitor
  bool on_text(std::string_view message) override;
  bool on_binary(std::string_view message) override;
  bool on_ping(std::string_view payload) override;
  bool on_pong(std::string_view payload) override;
  void on_close(std::optional<std::uint16_t> code, std::string_view reason) override;
  void on_error(websocket::FrameError error) override;
  // SessionPort
  void send(std::string packet) override;
  void connect(std::string_view auth) override;
  void disconnect() override;
  void join(socketio::RoomsCommand command) override;
  void leave(socketio::RoomsCommand command) override;
  void on_invalid_subscribe() override;
  void close(socketio::Violation violation) override;
  // RecoveryPort
  void accept(std::string_view sid, std::string_view pid) override;
  void enter(std::string_view room) override;
  void exit(std::string_view room) override;
  bool is_in(std::string_view room) const override;
  void exit_all() override;
  std::size_t replay(const PublicationPtr& publication) override;
  void confirm(const socketio::RoomsCommand& command) override;
  void refresh_soon() override;
  void end(CloseReason reason) override { close(reason); }

  void close(CloseReason reason);
  void end_session(CloseReason reason);
  void linger();
  void finish(CloseReason reason);
  void count_state();
  Gauge& gauge_of(WebSocketState state) const;
  void count_queued();
  void read();
  bool admit_message();
  bool admit_command(const socketio::RoomsCommand& command);
  void push(std::string frame);
  void flush_soon();
  void await_writable();
  void schedule();
  bool receive(std::span<char> bytes);

  // This shard only. What every delivery touches stands first, in few cache lines.
  std::shared_ptr<Recovery> recovery_;  // with the journal on, else null
  State state_ = State::kOpen;
  CloseReason reason_ = CloseReason::kClientGone;
  bool waits_writable_ = false;  // the socket takes no more; on_writable() will come
  bool said_goodbye_ = false;    // no close frame is awaited: linger once the queue is written
  bool overflow_ = false;        // the queue is over its bound: flush() closes as slow
  bool counted_ = false;         // queued_ is not 0
  bool replayed_ = false;        // the past was queued: recovery_ waits until the queue is empty
  bool reads_much_ = false;      // the last read was a large one: the next waits for its turn
  WebSocketState counted_as_ = WebSocketState::kConnecting;
  SocketWriter writer_;

  websocket::FrameParser parser_;
  socketio::Session session_;
  RateLimit rate_;
  steady_clock::time_point refresh_at_ = steady_clock::time_point::max();
  // When a session that cannot be continued is closed.
  steady_clock::time_point gap_at_ = steady_clock::time_point::max();
  // When the connection is given up: no write progress, or no answer to our close frame.
  steady_clock::time_point give_up_at_ = steady_clock::time_point::max();
  std::size_t unconfirmed_ = 0;  // bytes of commands that wait for the journal
  std::size_t queued_ = 0;       // our part of the gauge of queued bytes
};

}  // namespace notifications::edge
