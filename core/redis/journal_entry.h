#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/journal.h"
#include "core/redis/connection.h"

namespace notifications::redis {

// An entry of the stream as append.lua wrote it; views of the reply it was read from.
struct StreamEntry {
  std::string_view id;
  std::string_view epoch;
  std::string_view previous;
  std::string_view text;

  std::string position() const {
    std::string out;
    out.reserve(epoch.size() + 1 + id.size());
    return out.append(epoch).append(1, '.').append(id);
  }
};

// Reads one element of what XRANGE or XREAD return for a stream, [id, [field, value, ...]]; nothing
// if somebody else wrote it.
inline std::optional<StreamEntry> read_stream_entry(const Reply& reply) {
  if (reply.elements.size() != 2 || reply.elements[1].elements.size() < 6) return std::nullopt;
  const auto& fields = reply.elements[1].elements;
  if (fields[0].text != "x" || fields[2].text != "p" || fields[4].text != "e") return std::nullopt;
  return StreamEntry{reply.elements[0].text, fields[1].text, fields[3].text, fields[5].text};
}

// The id of such an element, whoever wrote it; "" if it is none.
inline std::string_view stream_id_of(const Reply& reply) {
  return reply.elements.empty() ? std::string_view() : std::string_view(reply.elements[0].text);
}

// The same for a page: nothing if the positions are none of ours, either.
inline std::optional<JournalEntry> to_journal_entry(const StreamEntry& entry) {
  auto position = parse_position(entry.position());
  auto previous = parse_position(entry.previous);
  if (!position || !previous) return std::nullopt;
  return JournalEntry{*std::move(position), *std::move(previous), std::string(entry.text)};
}

}  // namespace notifications::redis
