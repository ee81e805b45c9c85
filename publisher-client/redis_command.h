#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/redis/connection.h"
#include "publisher-client/queued_event.h"

namespace notifications::publishing {

// How one envelope is handed to Redis, and how Redis' answer is read: the only place that knows
// which command publishes. See: CONTRACT section 3.
//
// Thread: any.

// The command's arguments; views into `channel` and `event`.
std::vector<std::string_view> redis_command(std::string_view channel, const QueuedEvent& event);

// The report on `event`. Requires: the answer to redis_command(), or the reason there is none.
Publisher::Delivery read_answer(const QueuedEvent& event, const redis::Reply& reply);

}  // namespace notifications::publishing
