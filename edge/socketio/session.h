#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "edge/engineio/heartbeat.h"
#include "edge/engineio/packet.h"
#include "edge/socketio/packet.h"
#include "edge/socketio/room_request.h"
#include "edge/socketio/violation.h"

namespace notifications::socketio {

// A subscribe or unsubscribe that is valid.
struct RoomsCommand {
  std::vector<std::string> rooms;     // as asked for: repetitions and order kept; may be empty
  std::optional<std::string> ack_id;  // nothing: no answer is wanted

  // The packet that confirms it: 43<id>[{"ok":true,"rooms":[...]}]. Requires: ack_id.
  std::string confirmation() const;
  // The packet that refuses it: 43<id>[{"ok":false,"error":"<error>"}]. Requires: ack_id.
  std::string refusal(std::string_view error) const;
};

// What a session asks of the transport that holds it. Called from within the session's functions;
// must not destroy the session.
class SessionPort {
 public:
  // Sends one text message.
  virtual void send(std::string packet) = 0;
  // The client wants to join the default namespace; answered by Session::accept, at once or later.
  // `auth` is the JSON object it brought, "" if none; valid during the call.
  virtual void connect(std::string_view auth) = 0;
  // The client left the default namespace: it is in no room any more; the transport stays.
  virtual void disconnect() = 0;
  // Joins or leaves, then sends the confirmation (once the rooms are live) or a refusal if an ack
  // was asked for.
  virtual void join(RoomsCommand command) = 0;
  virtual void leave(RoomsCommand command) = 0;
  // A subscribe was refused because of its payload; for counting.
  virtual void on_invalid_subscribe() {}
  // The client broke the protocol: closes the transport, with a close frame without a code. The
  // session takes no further input and asks for nothing more.
  virtual void close(Violation violation) = 0;

 protected:
  ~SessionPort() = default;
};

// Session is the Engine.IO and Socket.IO side of one connection: it takes the messages of a client
// and says what to do; the transport below it owns sockets, rooms and ids.
//
// A packet takes effect at once, so it does not matter how packets fall into TCP segments.
//
// Thread: shard. Owns nothing on the heap; the port and the options outlive it.
class Session {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    engineio::OpenOptions open;
    std::chrono::milliseconds connect_timeout{45'000};
  };

  // Why on_tick() ends a session.
  enum class Expired : std::uint8_t {
    kPing,     // no pong in time
    kConnect,  // no namespace was joined in time
  };

  Session(SessionPort& port, const Options& options) : port_(port), options_(options) {}

  // Sends the open packet and starts the clocks. Call once, first.
  // Requires: `sid` unguessable, in base64url.
  void open(std::string_view sid, Clock::time_point now);

  // One complete message of the client. Nothing happens after close() was asked for.
  // Requires: valid UTF-8.
  void on_text(std::string_view message, Clock::time_point now);
  void on_binary();

  // Answers SessionPort::connect: the client is in the default namespace under `sid`, which differs
  // from the one of open(); a `pid` lets it recover the session. Ignored if the session
  // was closed meanwhile. Requires: base64url ids.
  void accept(std::string_view sid, std::string_view pid = {});

  // Sends a ping if one is due; tells why the session is over, if it is (the transport closes it).
  // Call at next_deadline() or a little later; calling it earlier does nothing.
  std::optional<Expired> on_tick(Clock::time_point now);
  Clock::time_point next_deadline() const;

  // The client is in the default namespace: events may be sent.
  bool connected() const { return state_ == State::kConnected; }
  // The session is over: a violation was reported, or it expired.
  bool closed() const { return state_ == State::kClosed; }

 private:
  enum class State : std::uint8_t { kIdle, kConnecting, kConnected, kClosed };

  void on_message(std::string_view data);
  void on_packet(const Packet& packet);
  void on_connect(const Packet& packet);
  void on_event(const Packet& packet);
  void on_attachment();
  void violate(Violation violation);

  // Constant after construction.
  SessionPort& port_;
  const Options& options_;
  // This shard only.
  engineio::Heartbeat heartbeat_;
  Clock::time_point connect_deadline_{};  // max() once a namespace was joined
  State state_ = State::kIdle;
  // Of a binary packet whose attachments are awaited; their bytes are not kept, as no binary event
  // is known.
  std::uint8_t attachments_left_ = 0;
  bool placeholders_valid_ = true;
  bool default_namespace_ = true;
};

}  // namespace notifications::socketio
