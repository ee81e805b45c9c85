#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace notifications {

// The id of an entry in the journal's stream: milliseconds and a number within them.
struct StreamId {
  std::uint64_t ms = 0;
  std::uint64_t seq = 0;

  auto operator<=>(const StreamId&) const = default;
  std::string text() const;  // "1718000000000-0"
};
// Reads "<ms>-<seq>"; nothing if it is not one.
std::optional<StreamId> parse_stream_id(std::string_view text);

// Position says how far a consumer has got: an entry of the journal in one of its epochs. The
// position before the first entry of an epoch has the id 0-0.
//
// Ids of one epoch are ordered; positions of different epochs cannot be compared.
// See: CONTRACT section 6.
struct Position {
  std::string epoch;
  StreamId id;

  bool operator==(const Position&) const = default;
  std::string text() const;  // "<epoch>.<ms>-<seq>"
};
// Reads what Position::text() wrote; nothing if it is not one: an epoch is 1 to 64 characters of
// 0-9 a-z A-Z _ -.
std::optional<Position> parse_position(std::string_view text);

}  // namespace notifications
