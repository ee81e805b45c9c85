#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/position.h"

namespace notifications {

// One entry of the journal: an envelope, where it stands, and what stood before it. A reader that
// finds another predecessor than the last entry it read has missed something.
struct JournalEntry {
  Position position;
  Position previous;
  std::string text;  // the envelope's JSON text
};

// A run of neighbouring entries.
struct JournalPage {
  bool ok = false;  // false: the journal could not be read (now); nothing else is set
  std::vector<JournalEntry> entries;
  Position head;  // the journal's last entry when it was read
};

// What is kept of a Socket.IO session so that it can come back anywhere. See: CONTRACT section 6.
struct SessionRecord {
  struct Room {
    std::string name;
    Position since;  // the position from which it was live
  };
  std::string pid;               // the client's secret handle
  std::string sid;               // its public id, which it keeps when it comes back
  std::uint64_t generation = 0;  // raised by every takeover; writes of an older one are refused
  std::vector<Room> rooms;
  std::optional<Position> sent;     // of the last event sent to it
  std::optional<Position> checked;  // nothing that concerns it lies between `sent` and here
};

// Journal is what a broker keeps of the past, and the sessions that resume from it.
//
// A port, implemented by Redis and by memory; one contract suite runs on both
// (tests/contract/journal_contract_test.cc). Functions may be called on the broker's thread only,
// and call back on it, never from within the call.
class Journal {
 public:
  virtual ~Journal() = default;

  // Reads up to `count` entries behind `after`, or from the oldest one held if it is nothing. Waits
  // while the store is away.
  virtual void read(std::optional<StreamId> after, std::size_t count,
                    std::function<void(JournalPage)> done) = 0;

  // What became of a session's record.
  enum class SessionResult {
    kOk,
    kGone,         // there is none of this pid, or a newer generation holds it
    kUnavailable,  // the store is away and did not come back in time
  };

  // Takes a session over: raises its generation and returns it; whoever held it is told through
  // on_taken(). `kGone` if there is none.
  virtual void take(std::string pid, std::function<void(SessionResult, SessionRecord)> done) = 0;
  // Writes a record, if its generation is still the newest, and keeps it for the session's time to
  // live from now. Waits while the store is away, unless `refresh` (which may be repeated later).
  virtual void save(SessionRecord record, bool refresh,
                    std::function<void(SessionResult)> done) = 0;
  // Ends a session for good, if the generation is still the newest.
  virtual void forget(std::string pid, std::uint64_t generation) = 0;

  // Calls `taken` when another connection, here or in another process, took a session over: whoever
  // holds it with a generation below `generation` lets go of it. Set once, before the start.
  virtual void on_taken(
      std::function<void(std::string_view pid, std::uint64_t generation)> taken) = 0;
};

}  // namespace notifications
