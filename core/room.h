#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace notifications {

// The kinds of rooms with an id; `graph` and `threads` stand alone. See: CONTRACT section 2.
enum class RoomKind { kThread, kRun, kNode };
inline constexpr int kRoomKinds = 3;

// True for `graph`, `threads`, and `thread:<id>`, `run:<id>`, `node:<id>` with 1 to 64 id
// characters of 0-9 a-z A-Z -; the prefix is matched without regard to (ASCII) case.
bool is_valid_room(std::string_view room);

// The kind of a valid room with an id; nothing for `graph` and `threads`.
std::optional<RoomKind> room_kind(std::string_view valid_room);

// RoomPattern is what a gRPC stream may ask for: one exact room, all rooms, or all of one kind.
struct RoomPattern {
  enum class Scope { kExact, kKind, kAll };
  Scope scope = Scope::kExact;
  std::string room;                   // for kExact
  RoomKind kind = RoomKind::kThread;  // for kKind
};

// Reads "graph", "thread:42", "*", "thread:*"; nothing if it is none of these.
std::optional<RoomPattern> parse_room_pattern(std::string_view text);

// Whether a valid room is one of those the pattern names.
bool matches(const RoomPattern& pattern, std::string_view valid_room);

// Explains in one English sentence what rooms look like, for error messages.
inline constexpr std::string_view kRoomRule =
    "a room is graph, threads, thread:<id>, run:<id> or node:<id> with 1 to 64 characters of "
    "0-9 a-z A-Z - as id";

}  // namespace notifications
