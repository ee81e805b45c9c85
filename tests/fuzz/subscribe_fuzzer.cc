#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/json/scanner.h"
#include "core/room.h"
#include "edge/socketio/room_request.h"

// Reads the input as the payload of a subscribe: only valid rooms get through, and every answer is
// JSON.
namespace {

using namespace notifications;
using namespace notifications::socketio;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view payload(reinterpret_cast<const char*>(data), size);
  if (!json::is_valid(payload, json::kDepthLimit)) return 0;  // refused before
  const auto request = parse_room_request(payload);
  if (!request) {
    const std::string answer = issues_ack(request.error());
    require(json::is_valid(answer) && request.error().json.size() > 2);
    return 0;
  }
  for (const auto& room : request->rooms) require(is_valid_room(room));
  const std::string answer = rooms_ack(request->rooms);
  require(json::is_valid(answer));
  return 0;
}
