#include "edge/recovery.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/json/scanner.h"
#include "core/runtime/sessions.h"
#include "core/uuid.h"
#include "edge/edge_shard.h"

namespace notifications::edge {
namespace {

constexpr int kIdBytes = 15;  // 20 characters, as a stock server's
// The next page is asked for when no more than this waits to be written.
constexpr std::size_t kLowWater = 64 * 1024;

struct Auth {
  std::string pid;
  std::string offset;
};

// What the stock client puts into CONNECT; anything else in it is not ours.
Auth read_auth(std::string_view json) {
  Auth auth;
  json::Scanner in(json);
  std::string key;
  if (!in.enter_object()) return auth;
  while (in.next_key(key)) {
    std::string* field = key == "pid" ? &auth.pid : key == "offset" ? &auth.offset : nullptr;
    std::string_view skipped;
    if (field != nullptr && in.peek() == json::Kind::kString) {
      if (!in.read_string(*field)) return {};
    } else if (!in.skip_value(skipped)) {
      return {};
    }
  }
  return auth;
}

// A pid of ours is base64url; nothing else is looked up.
bool is_pid(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

bool behind(const Position& position, const Position& mark) {
  return position.epoch != mark.epoch || position.id > mark.id;
}

}  // namespace

std::optional<Position> replay_start(const SessionRecord& record,
                                     const std::optional<Position>& offset) {
  if (record.rooms.empty()) return std::nullopt;
  const auto first =
      std::min_element(record.rooms.begin(), record.rooms.end(),
                       [](const auto& a, const auto& b) { return a.since.id < b.since.id; });
  // An offset that is older than the session stems from an earlier one: clients never reset it.
  const bool of_this_session =
      offset && offset->epoch == first->since.epoch && offset->id > first->since.id;
  const Position& seen = of_this_session ? *offset : first->since;
  // As far as the record knows, everything that was sent has arrived (or nothing was sent): what
  // was looked at since then need not be looked at again, however long ago the last event was. But
  // the client may know more than a record that was not written for a while.
  const bool all_arrived = !record.sent || record.sent == offset;
  if (record.checked && all_arrived && behind(*record.checked, seen)) return record.checked;
  return seen;
}

bool concerns(const SessionRecord& record, const std::optional<Position>& offset,
              const Position& position, const Envelope& envelope) {
  if (offset && offset->epoch == position.epoch && position.id <= offset->id) return false;
  return std::any_of(record.rooms.begin(), record.rooms.end(), [&](const auto& room) {
    return behind(position, room.since) && std::find(envelope.rooms.begin(), envelope.rooms.end(),
                                                     room.name) != envelope.rooms.end();
  });
}

Recovery::Recovery(RecoveryPort& port, EdgeShard& shard) : port_(port), shard_(shard) {}

Recovery::~Recovery() { shard_.forget(*this); }

// A callback that does nothing once this session is over, be it that the connection has gone or
// that its client began anew on it.
template <class Work>
auto Recovery::in_this_life(Work work) {
  return [weak = weak_from_this(), life = life_, work = std::move(work)](auto&&... answer) mutable {
    const auto self = weak.lock();
    if (self != nullptr && self->life_ == life) {
      work(*self, std::forward<decltype(answer)>(answer)...);
    }
  };
}

void Recovery::connect(std::string_view auth_json) {
  begin_life();
  Auth auth = read_auth(auth_json);
  const auto offset = parse_position(auth.offset);
  // An offset that is no position of ours cannot be continued from.
  if (!is_pid(auth.pid) || (!auth.offset.empty() && !offset)) return start_fresh();
  state_ = State::kTaking;
  // Should its client end the session before it was found, no generation is too new to be
  // forgotten.
  record_ = {};
  record_.pid = auth.pid;
  record_.generation = std::numeric_limits<std::uint64_t>::max();
  shard_.context().sessions->take(
      shard_.shard(), std::move(auth.pid),
      in_this_life([offset](Recovery& self, Journal::SessionResult result, SessionRecord record) {
        self.on_taken(result, std::move(record), offset);
      }));
}

void Recovery::start_fresh() {
  port_.exit_all();
  record_ = {};
  record_.pid = new_random_id(kIdBytes);
  record_.sid = new_random_id(kIdBytes);
  record_.generation = 1;
  sent_.reset();
  offset_.reset();
  shard_.remember(*this);
  accepted_ = true;
  port_.accept(record_.sid, record_.pid);
  go_live();
}

void Recovery::on_taken(Journal::SessionResult result, SessionRecord record,
                        const std::optional<Position>& offset) {
  // The client keeps its pid and comes again: nothing is lost as long as nobody tells it so.
  if (result == Journal::SessionResult::kUnavailable) return port_.end(CloseReason::kStoreAway);
  if (result != Journal::SessionResult::kOk || record.rooms.empty()) return start_fresh();
  record_ = std::move(record);
  offset_ = offset;
  shard_.remember(*this);
  state_ = State::kReplaying;
  for (const auto& room : record_.rooms) port_.enter(room.name);
  read(replay_start(record_, offset_)->text());
}

void Recovery::read(std::string after) {
  reading_ = true;
  ReplayRequest request;
  request.after = std::move(after);
  request.max_bytes = std::min<std::size_t>(
      request.max_bytes,
      std::max<std::size_t>(shard_.context().settings.max_outbound_bytes / 4, 1));
  request.matches = [record = record_, offset = offset_](const Position& position,
                                                         const Envelope& envelope) {
    return concerns(record, offset, position, envelope);
  };
  shard_.context().replayer->read(
      shard_.shard(), std::move(request),
      in_this_life([](Recovery& self, ReplayPage page) { self.on_page(std::move(page)); }));
}

void Recovery::on_page(ReplayPage page) {
  reading_ = false;
  if (state_ != State::kReplaying) return;
  if (page.gap) {
    // A gap is told by a fresh session; once CONNECT was answered, by making the client come again.
    forget();
    if (!accepted_) return start_fresh();
    return port_.end(CloseReason::kGap);
  }
  if (!accepted_) {
    accepted_ = true;
    port_.accept(record_.sid, record_.pid);
  }
  std::size_t waiting = 0;
  for (const PublicationPtr& publication : page.events) {
    waiting = port_.replay(publication);
    sent_ = publication->stream_id();
  }
  if (page.live) return go_live();
  next_after_ = page.upto.text();
  if (waiting <= kLowWater) on_drained();
}

void Recovery::on_drained() {
  if (state_ != State::kReplaying || reading_ || next_after_.empty()) return;
  read(std::exchange(next_after_, {}));
}

void Recovery::go_live() {
  state_ = State::kLive;
  // Nothing was missed: whatever was sent before has arrived, or concerns it no more.
  if (!sent_) record_.sent = offset_;
  next_after_.clear();
  for (Pending& pending : std::exchange(pending_, {})) {
    if (pending.joins) {
      join(std::move(pending.command), std::move(pending.rooms));
    } else {
      leave(std::move(pending.command), std::move(pending.rooms));
    }
  }
}

// Rooms change only once the gate is open: the pages under way know the rooms of before.
bool Recovery::postpone(bool joins, socketio::RoomsCommand& command,
                        std::vector<std::string>& rooms) {
  if (state_ == State::kLive) return false;
  pending_.push_back({joins, std::move(command), std::move(rooms)});
  return true;
}

void Recovery::join(socketio::RoomsCommand command, std::vector<std::string> rooms) {
  constexpr bool kJoins = true;
  if (postpone(kJoins, command, rooms)) return;
  for (const std::string& room : rooms) port_.enter(room);
  // The rooms are live from the position up to which the broker's thread has dispatched once it
  // knows our interest; the record says so before the client does.
  shard_.context().replayer->read(
      shard_.shard(), ReplayRequest{},
      in_this_life([command = std::move(command), rooms = std::move(rooms)](
                       Recovery& self, const ReplayPage& page) mutable {
        if (self.state_ == State::kLive) self.on_joined(std::move(command), rooms, page.upto);
      }));
}

void Recovery::on_joined(socketio::RoomsCommand command, const std::vector<std::string>& rooms,
                         const Position& since) {
  // Looked up by name: a request may have a thousand rooms, and the record as many.
  absl::flat_hash_set<std::string> listed;
  for (const auto& known : record_.rooms) listed.insert(known.name);
  for (const std::string& room : rooms) {
    if (!listed.contains(room) && port_.is_in(room)) record_.rooms.push_back({room, since});
  }
  save(std::move(command));
}

void Recovery::leave(socketio::RoomsCommand command, std::vector<std::string> rooms) {
  constexpr bool kJoins = false;
  if (postpone(kJoins, command, rooms)) return;
  for (const std::string& room : rooms) port_.exit(room);
  const absl::flat_hash_set<std::string_view> gone(rooms.begin(), rooms.end());
  std::erase_if(record_.rooms, [&](const auto& room) { return gone.contains(room.name); });
  save(std::move(command));
}

SessionRecord Recovery::snapshot() const {
  SessionRecord record = record_;
  const auto& head = shard_.shard().head();
  if (state_ == State::kLive && head) {
    if (sent_) record.sent = Position{head->epoch, *sent_};
    record.checked = head;
  }
  return record;
}

// One write at a time: what changes meanwhile is in the next one, however many commands that were.
void Recovery::save(socketio::RoomsCommand command) {
  unsaved_.push_back(std::move(command));
  if (!saving_) save_all();
}

void Recovery::save_all() {
  saving_ = true;
  shard_.context().sessions->save(shard_.shard(), snapshot(),
                                  in_this_life([commands = std::exchange(unsaved_, {})](
                                                   Recovery& self, Journal::SessionResult result) {
                                    self.on_saved(result, commands);
                                  }));
}

void Recovery::on_saved(Journal::SessionResult result,
                        const std::vector<socketio::RoomsCommand>& commands) {
  saving_ = false;
  // Not answered when the store stayed away: the client's ack would be a promise that nobody keeps.
  if (result == Journal::SessionResult::kGone) return port_.end(CloseReason::kTakeover);
  if (result == Journal::SessionResult::kUnavailable) return port_.end(CloseReason::kStoreAway);
  for (const auto& command : commands) port_.confirm(command);
  if (!unsaved_.empty()) save_all();
}

// Answers that are under way are void from now on.
void Recovery::begin_life() {
  ++life_;
  saving_ = false;
  unsaved_.clear();
}

void Recovery::refresh() {
  if (state_ == State::kLive && !record_.rooms.empty()) {
    shard_.context().sessions->refresh(shard_.shard(), snapshot(), in_this_life([](Recovery& self) {
                                         self.port_.refresh_soon();
                                       }));
  }
}

void Recovery::forget() {
  if (!record_.pid.empty()) {
    shard_.context().sessions->forget(record_.pid, record_.generation);
    shard_.forget(*this);
  }
  // Nothing may write the record anew until the connection has ended.
  begin_life();
  state_ = State::kForgotten;
}

void Recovery::detach() {
  // Answers that are under way, a session that was looked up or a page, would enter rooms which
  // nobody leaves any more: the hub would be left with a pointer to a connection that has gone.
  begin_life();
  state_ = State::kDetached;
  pending_.clear();
}

void Recovery::disconnect() {
  forget();
  port_.exit_all();
  record_ = {};
  pending_.clear();
  state_ = State::kNew;
  accepted_ = false;
}

}  // namespace notifications::edge
