#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/journal.h"

namespace notifications::redis {

// The text under which a session's record is kept: one line each for its sid, `sent` and `checked`
// ("-" if there is none), then one for each room, "<room> <since>". A position of the same epoch as
// the one before is written as ".<stream id>". Pid and generation are kept beside it.
//
// Requires: no white space in sid and rooms.
std::string encode_session(const SessionRecord& record);
// Nothing if it is none.
std::optional<SessionRecord> decode_session(std::string_view text);

}  // namespace notifications::redis
