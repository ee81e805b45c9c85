#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "core/json/scanner.h"
#include "core/position.h"
#include "core/room.h"
#include "edge/sse/event_stream.h"
#include "edge/sse/request.h"

// Reads the input as the target of a request for /events, and behind a line break its
// Last-Event-ID: only valid rooms get through, a refusal is JSON, and no cursor breaks a block.
namespace {

using namespace notifications;

constexpr std::size_t kMaxRooms = 8;

void require(bool condition) {
  if (!condition) std::abort();
}

// A block of event stream: lines of a known field, then one empty line, the last.
void require_one_block(std::string_view block) {
  require(block.size() >= 2 && block.substr(block.size() - 2) == "\n\n");
  block.remove_suffix(2);
  require(block.find("\n\n") == block.npos && block.find('\r') == block.npos);
}

void check(std::string_view target, std::optional<std::string_view> cursor) {
  if (!sse::is_events_path(target)) return;
  const auto request = sse::parse_stream_request(target, cursor, kMaxRooms);
  if (!request) {
    require(json::is_valid(request.error().json));
    return;
  }
  require(!request->rooms.empty() && request->rooms.size() <= kMaxRooms);
  for (const std::string& room : request->rooms) require(is_valid_room(room));
  const std::string gap = sse::gap_block(request->after, "e.1-0");
  require_one_block(gap);
  const std::string_view data = "data: ";
  const std::size_t from = gap.find(data);
  require(from != gap.npos);
  require(json::is_valid(
      std::string_view(gap).substr(from + data.size(), gap.size() - from - data.size() - 2)));
  // What is sent as an id must be no text of the client's choice.
  if (const auto position = parse_position(request->after)) {
    require(position->text() == request->after);
    require_one_block(sse::id_block(request->after));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  std::optional<std::string_view> cursor;
  if (line != input.npos) cursor = input.substr(line + 1);
  check(input.substr(0, line), cursor);
  return 0;
}
