#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace notifications::socketio {

// What `subscribe` and `unsubscribe` ask for: the rooms in the client's order, repetitions kept.
struct RoomRequest {
  std::vector<std::string> rooms;
};

// Why a request is invalid: the JSON array of issues, each {"path":[...],"message":"...","code":
// "..."}.
struct RoomRequestIssues {
  std::string json;
};

// No more issues than this are reported: an answer must not be many times the size of a question
// that holds nothing but mistakes.
inline constexpr std::size_t kMaxReportedIssues = 10'000;

// Reads the strict object {rooms?: Room[], room?: Room}: a non-empty `rooms` wins, else [room],
// else nothing. If anything is wrong, all issues are listed in the order and words of the
// platform's schema (zod 3): the rooms one by one, then `room`, then the unknown keys together. Of
// a repeated key the last one counts, as in JSON.parse.
//
// Requires: `payload` is JSON, nested at most kMaxPacketDepth deep. Thread: any.
// Time: linear, but for sorting unknown keys.
Result<RoomRequest, RoomRequestIssues> parse_room_request(std::string_view payload);

// The argument of the acks, to be put into encode_ack().
std::string rooms_ack(const std::vector<std::string>& rooms);  // {"ok":true,"rooms":[...]}
std::string issues_ack(
    const RoomRequestIssues& issues);           // {"ok":false,"error":"invalid_payload",...
std::string error_ack(std::string_view error);  // {"ok":false,"error":"too_many_rooms"}

}  // namespace notifications::socketio
