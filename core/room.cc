#include "core/room.h"

#include <algorithm>
#include <array>

namespace notifications {
namespace {

struct Prefix {
  std::string_view text;  // in lower case, with the colon
  RoomKind kind;
};
constexpr std::array<Prefix, kRoomKinds> kPrefixes = {{
    {"thread:", RoomKind::kThread},
    {"run:", RoomKind::kRun},
    {"node:", RoomKind::kNode},
}};
constexpr std::size_t kMaxIdLength = 64;

// ASCII only: no Unicode folding, so that U+212A is no k.
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_id_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

const Prefix* find_prefix(std::string_view room) {
  for (const Prefix& prefix : kPrefixes) {
    if (room.size() >= prefix.text.size() &&
        std::equal(prefix.text.begin(), prefix.text.end(), room.begin(),
                   [](char p, char c) { return p == lower(c); })) {
      return &prefix;
    }
  }
  return nullptr;
}

}  // namespace

bool is_valid_room(std::string_view room) {
  if (room == "graph" || room == "threads") return true;
  const Prefix* prefix = find_prefix(room);
  if (prefix == nullptr) return false;
  const std::string_view id = room.substr(prefix->text.size());
  return !id.empty() && id.size() <= kMaxIdLength &&
         std::all_of(id.begin(), id.end(), is_id_character);
}

std::optional<RoomKind> room_kind(std::string_view valid_room) {
  const Prefix* prefix = find_prefix(valid_room);
  if (prefix == nullptr) return std::nullopt;
  return prefix->kind;
}

std::optional<RoomPattern> parse_room_pattern(std::string_view text) {
  RoomPattern pattern;
  if (text == "*") {
    pattern.scope = RoomPattern::Scope::kAll;
    return pattern;
  }
  if (is_valid_room(text)) {
    pattern.room = text;
    return pattern;
  }
  const Prefix* prefix = find_prefix(text);
  if (prefix == nullptr || text.substr(prefix->text.size()) != "*") return std::nullopt;
  pattern.scope = RoomPattern::Scope::kKind;
  pattern.kind = prefix->kind;
  return pattern;
}

bool matches(const RoomPattern& pattern, std::string_view valid_room) {
  switch (pattern.scope) {
    case RoomPattern::Scope::kAll:
      return true;
    case RoomPattern::Scope::kKind:
      return room_kind(valid_room) == pattern.kind;
    default:
      return pattern.room == valid_room;
  }
}

}  // namespace notifications
