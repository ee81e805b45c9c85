#include "edge/socketio/room_request.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "core/json/scanner.h"
#include "core/room.h"

namespace notifications::socketio {
namespace {

std::string_view type_name(json::Kind kind) {
  switch (kind) {
    case json::Kind::kNull:
      return "null";
    case json::Kind::kBool:
      return "boolean";
    case json::Kind::kNumber:
      return "number";
    case json::Kind::kString:
      return "string";
    case json::Kind::kArray:
      return "array";
    case json::Kind::kObject:
    case json::Kind::kInvalid:
      break;
  }
  return "object";
}

// Issues gathers the reasons of a refusal as JSON.
class Issues {
 public:
  bool none() const { return count_ == 0; }
  RoomRequestIssues take() { return {"[" + std::move(json_) + "]"}; }

  // `path`: JSON elements.
  void add(std::string_view path, std::string_view message, std::string_view code) {
    if (count_++ >= kMaxReportedIssues) return;
    if (!json_.empty()) json_ += ',';
    json_ += R"({"path":[)";
    json_ += path;
    json_ += R"(],"message":)";
    json::append_string(json_, message);
    json_ += R"(,"code":")";
    json_ += code;
    json_ += "\"}";
  }

  void add_wrong_type(std::string_view path, std::string_view expected, json::Kind received) {
    std::string message = "Expected ";
    message += expected;
    message += ", received ";
    message += type_name(received);
    add(path, message, "invalid_type");
  }

 private:
  std::string json_;
  std::size_t count_ = 0;
};

// Reads the room at hand; a string that is none fails on its form, any other value fits none of the
// alternatives of the schema.
std::optional<std::string> read_room(json::Scanner& in, std::string_view path, Issues& issues) {
  if (in.peek() != json::Kind::kString) {
    std::string_view raw;
    in.skip_value(raw);
    issues.add(path, "Invalid input", "invalid_union");
    return std::nullopt;
  }
  std::string room;
  in.read_string(room);
  if (is_valid_room(room)) return room;
  issues.add(path, "Invalid", "invalid_string");
  return std::nullopt;
}

std::vector<std::string> read_rooms(std::string_view raw, Issues& issues) {
  std::vector<std::string> rooms;
  json::Scanner in(raw, json::kDepthLimit);
  if (!in.enter_array()) {
    issues.add_wrong_type(R"("rooms")", "array", in.peek());
    return rooms;
  }
  for (std::size_t i = 0; in.next_element(); ++i) {
    auto room = read_room(in, R"("rooms",)" + std::to_string(i), issues);
    if (room) rooms.push_back(*std::move(room));
  }
  return rooms;
}

// A key that JavaScript takes for the index of an array; such keys come before all others.
std::optional<std::uint32_t> array_index(std::string_view key) {
  std::uint32_t index = 0;
  const auto end = key.data() + key.size();
  const auto result = std::from_chars(key.data(), end, index);
  const bool canonical = key == "0" || (!key.empty() && key[0] != '0');
  if (result.ec != std::errc() || result.ptr != end || !canonical ||
      index == std::numeric_limits<std::uint32_t>::max()) {
    return std::nullopt;
  }
  return index;
}

// The keys in the order in which JavaScript walks an object: indices by their value, then the
// others as they first came, each once.
std::vector<std::string> in_property_order(std::vector<std::string> keys) {
  struct Rank {
    bool named;
    std::uint32_t index;
    std::size_t position;
    auto operator<=>(const Rank&) const = default;
  };
  std::vector<std::pair<std::string, std::size_t>> by_key;
  for (std::string& key : keys) by_key.emplace_back(std::move(key), by_key.size());
  std::sort(by_key.begin(), by_key.end());
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  by_key.erase(std::unique(by_key.begin(), by_key.end(), same), by_key.end());
  std::vector<std::pair<Rank, std::string>> ranked;
  for (auto& [key, position] : by_key) {
    const auto index = array_index(key);
    ranked.emplace_back(Rank{!index, index.value_or(0), position}, std::move(key));
  }
  std::sort(ranked.begin(), ranked.end());
  keys.clear();
  for (auto& [rank, key] : ranked) keys.push_back(std::move(key));
  return keys;
}

void add_unknown_keys(std::vector<std::string> keys, Issues& issues) {
  if (keys.empty()) return;
  std::string message = "Unrecognized key(s) in object: ";
  const char* separator = "'";
  for (const std::string& key : in_property_order(std::move(keys))) {
    message += separator;
    message += key;
    separator = "', '";
  }
  issues.add("", message + "'", "unrecognized_keys");
}

}  // namespace

Result<RoomRequest, RoomRequestIssues> parse_room_request(std::string_view payload) {
  Issues issues;
  json::Scanner in(payload, json::kDepthLimit);
  if (!in.enter_object()) {
    issues.add_wrong_type("", "object", in.peek());
    return issues.take();
  }
  std::optional<std::string_view> rooms_json;
  std::optional<std::string_view> room_json;
  std::vector<std::string> unknown;
  std::string key;
  std::string_view raw;
  while (in.next_key(key)) {
    in.skip_value(raw);
    if (key == "rooms") {
      rooms_json = raw;
    } else if (key == "room") {
      room_json = raw;
    } else {
      unknown.push_back(std::move(key));
    }
  }
  RoomRequest request;
  if (rooms_json) request.rooms = read_rooms(*rooms_json, issues);
  if (room_json) {
    json::Scanner room_in(*room_json, json::kDepthLimit);
    auto room = read_room(room_in, R"("room")", issues);
    if (room && request.rooms.empty()) request.rooms.push_back(*std::move(room));
  }
  add_unknown_keys(std::move(unknown), issues);
  if (!issues.none()) return issues.take();
  return request;
}

std::string rooms_ack(const std::vector<std::string>& rooms) {
  std::string out = R"({"ok":true,"rooms":[)";
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    if (i > 0) out += ',';
    json::append_string(out, rooms[i]);
  }
  return out + "]}";
}

std::string issues_ack(const RoomRequestIssues& issues) {
  return R"({"ok":false,"error":"invalid_payload","issues":)" + issues.json + "}";
}

std::string error_ack(std::string_view error) {
  std::string out = R"({"ok":false,"error":")";
  out += error;
  return out + "\"}";
}

}  // namespace notifications::socketio
