#pragma once

#include <string>
#include <vector>

namespace notifications {

// Envelope is what a producer sent: one event, the rooms it goes to, and its payload.
//
// Strings hold UTF-8; an escaped lone surrogate of the JSON text is kept as its three-byte form
// (WTF-8), so that encoding gives the same escape back. See: CONTRACT section 3.
struct Envelope {
  std::string id;
  std::string ts;  // ISO 8601 in UTC with Z, as the producer wrote it
  std::string source;
  std::vector<std::string> rooms;  // at least one, each valid (core/room.h)
  std::string event;
  std::string payload = "null";  // exact JSON text as the producer wrote it
};

}  // namespace notifications
