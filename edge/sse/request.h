#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace notifications::sse {

// What a client of /events asks for.
struct StreamRequest {
  std::vector<std::string> rooms;  // valid, each once, at least one
  bool whole_envelopes = false;    // format=envelope
  std::string after;               // the cursor it brings; "" if none
};

// Why a request is refused: the body of a 400.
struct BadStreamRequest {
  std::string json;  // {"error":"invalid_room","room":"..."}
};

// True if the target's path is /events.
bool is_events_path(std::string_view target);

// Reads room= (repeatable), rooms= (comma-separated), format= and last_event_id= out of a target's
// query; `last_event_id` is the header of that name, which wins over the parameter.
// Thread: any. See: CONTRACT section 7.
Result<StreamRequest, BadStreamRequest> parse_stream_request(
    std::string_view target, std::optional<std::string_view> last_event_id, std::size_t max_rooms);

}  // namespace notifications::sse
