#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/journal.h"
#include "core/publication.h"
#include "core/runtime/replayer.h"
#include "edge/close_reason.h"
#include "edge/socketio/session.h"

namespace notifications::edge {

class EdgeShard;

// What a recoverable session asks of the connection that holds it. Called from within Recovery's
// functions and its callbacks; must not destroy it.
class RecoveryPort {
 public:
  // Answers CONNECT.
  virtual void accept(std::string_view sid, std::string_view pid) = 0;
  // Joins and leaves the hub, without any answer.
  virtual void enter(std::string_view room) = 0;
  virtual void exit(std::string_view room) = 0;
  virtual bool is_in(std::string_view room) const = 0;
  virtual void exit_all() = 0;
  // Queues an event of the past. Bytes that wait to be written, afterwards.
  virtual std::size_t replay(const PublicationPtr& publication) = 0;
  virtual void confirm(const socketio::RoomsCommand& command) = 0;
  // The record could not be written anew: refresh() is wanted soon, not only when it is due.
  virtual void refresh_soon() = 0;
  virtual void end(CloseReason reason) = 0;

 protected:
  ~RecoveryPort() = default;
};

// Recovery makes a Socket.IO session resumable: it keeps the session's record in the journal ahead
// of every ack, takes a record over when a client comes back with its pid, and replays what was
// missed before live events pass.
//
// The protocol is the stock client's connection state recovery. CONNECT is answered before the
// missed events: a stock client keeps what arrives earlier in a buffer that survives a drop, and
// would double it.
// Thread: shard. Owned by its connection, which lets go of it when it ends; answers that come later
// find nobody.
// See: CONTRACT section 6.
class Recovery : public std::enable_shared_from_this<Recovery> {
 public:
  // Port and shard outlive it.
  Recovery(RecoveryPort& port, EdgeShard& shard);
  ~Recovery();
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  // The client's CONNECT, with the JSON object it brought ("" if none).
  void connect(std::string_view auth);
  // Joins or leaves; the ack is sent when the record holds it.
  void join(socketio::RoomsCommand command, std::vector<std::string> rooms);
  void leave(socketio::RoomsCommand command, std::vector<std::string> rooms);
  // The client left on its own will: the session is over for good.
  void disconnect();
  // The connection is ending: it is asked for nothing any more. The session may go on elsewhere.
  void detach();

  // Whether live events pass; if not, they are part of what is being replayed.
  bool open() const { return state_ == State::kLive; }
  // A live event was queued.
  void sent(const StreamId& id) { sent_ = id; }
  // Little waits to be written any more.
  void on_drained();
  // Writes the record anew, so that it lives on.
  void refresh();
  // Another connection holds the session now.
  void let_go() { port_.end(CloseReason::kTakeover); }
  // Events were missed for good: the session cannot be continued.
  void forget();

  const std::string& pid() const { return record_.pid; }
  std::uint64_t generation() const { return record_.generation; }

 private:
  enum class State : std::uint8_t { kNew, kTaking, kReplaying, kLive, kForgotten, kDetached };
  struct Pending {
    bool joins;
    socketio::RoomsCommand command;
    std::vector<std::string> rooms;
  };

  void start_fresh();
  void on_taken(Journal::SessionResult result, SessionRecord record,
                const std::optional<Position>& offset);
  template <class Work>
  auto in_this_life(Work work);
  void read(std::string after);
  void on_page(ReplayPage page);
  void go_live();
  bool postpone(bool joins, socketio::RoomsCommand& command, std::vector<std::string>& rooms);
  void on_joined(socketio::RoomsCommand command, const std::vector<std::string>& rooms,
                 const Position& since);
  void save(socketio::RoomsCommand command);
  void save_all();
  void on_saved(Journal::SessionResult result, const std::vector<socketio::RoomsCommand>& commands);
  void begin_life();
  SessionRecord snapshot() const;

  // Constant after construction.
  RecoveryPort& port_;
  EdgeShard& shard_;

  // This shard only.
  SessionRecord record_;
  std::optional<StreamId> sent_;    // of the last event queued, in the epoch of the shard's head
  std::optional<Position> offset_;  // what the client saw last, while replaying
  std::string next_after_;          // where the next page begins, if one is to be asked for
  std::vector<Pending> pending_;    // commands that came before the gate opened
  std::vector<socketio::RoomsCommand> unsaved_;  // wait for the write that is under way
  // Raised when the session begins and ends: an answer to an earlier one is void.
  std::uint64_t life_ = 0;
  State state_ = State::kNew;
  bool accepted_ = false;
  bool reading_ = false;
  bool saving_ = false;
};

// The cursor from which a session's replay starts, or nothing if nothing lies before "now".
// `offset`: what the client says it saw last. See: CONTRACT section 6.
std::optional<Position> replay_start(const SessionRecord& record,
                                     const std::optional<Position>& offset);

// Whether an event has to be replayed to a session: it went to one of its rooms, behind both the
// offset and the position from which that room was live.
bool concerns(const SessionRecord& record, const std::optional<Position>& offset,
              const Position& position, const Envelope& envelope);

}  // namespace notifications::edge
