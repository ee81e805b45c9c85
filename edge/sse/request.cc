#include "edge/sse/request.h"

#include <algorithm>
#include <utility>

#include "core/json/scanner.h"
#include "core/room.h"

namespace notifications::sse {
namespace {

constexpr std::size_t kMaxCursor = 256;  // no position of ours is longer
constexpr std::size_t kMaxEchoed = 200;  // bytes of a bad room that are shown

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// application/x-www-form-urlencoded, as URLSearchParams reads it.
std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 &&
               hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Text of a client that goes back to it: at most so long, and valid UTF-8 whatever it sent.
std::string shown(std::string_view text, std::size_t most) {
  std::string out(text.substr(0, most));
  std::string quoted;
  json::append_string(quoted, out);
  if (!json::is_valid(quoted)) {
    for (char& c : out) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  return out;
}

BadStreamRequest invalid_room(std::string_view room) {
  BadStreamRequest bad{R"({"error":"invalid_room","room":)"};
  json::append_string(bad.json, shown(room, kMaxEchoed));
  bad.json += '}';
  return bad;
}

// Calls `take` for each element between separators.
template <class Take>
void split(std::string_view text, char separator, Take take) {
  while (true) {
    const std::size_t end = std::min(text.find(separator), text.size());
    take(text.substr(0, end));
    if (end == text.size()) return;
    text.remove_prefix(end + 1);
  }
}

std::string_view query_of(std::string_view target) {
  target = target.substr(0, target.find('#'));
  const std::size_t mark = target.find('?');
  return mark == target.npos ? std::string_view() : target.substr(mark + 1);
}

}  // namespace

bool is_events_path(std::string_view target) {
  return target.substr(0, target.find_first_of("?#")) == "/events";
}

Result<StreamRequest, BadStreamRequest> parse_stream_request(
    std::string_view target, std::optional<std::string_view> last_event_id, std::size_t max_rooms) {
  StreamRequest request;
  std::vector<std::string> rooms;
  split(query_of(target), '&', [&](std::string_view pair) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string key = decode(pair.substr(0, equals));
    std::string value = decode(pair.substr(std::min(equals + 1, pair.size())));
    if (key == "room") {
      rooms.push_back(std::move(value));
    } else if (key == "rooms") {
      split(value, ',', [&](std::string_view room) { rooms.emplace_back(room); });
    } else if (key == "format") {
      request.whole_envelopes = value == "envelope";
    } else if (key == "last_event_id") {
      request.after = std::move(value);
    }
  });
  // A browser that reconnects sends the header, and the parameter of its first request again.
  if (last_event_id && !last_event_id->empty()) request.after = *last_event_id;
  request.after = shown(request.after, kMaxCursor);
  for (std::string& room : rooms) {
    if (!is_valid_room(room)) return invalid_room(room);
    if (std::find(request.rooms.begin(), request.rooms.end(), room) == request.rooms.end()) {
      request.rooms.push_back(std::move(room));
    }
  }
  if (request.rooms.empty()) return invalid_room("");
  if (request.rooms.size() > max_rooms) return BadStreamRequest{R"({"error":"too_many_rooms"})"};
  return request;
}

}  // namespace notifications::sse
