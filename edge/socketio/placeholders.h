#pragma once

#include <string_view>

namespace notifications::socketio {

// Whether every placeholder in the JSON of a binary packet names one of its attachments:
// {"_placeholder":true,"num":<n>} with 0 <= n < attachments, as socket.io-parser checks it when the
// last attachment has come. What stands beside or within a placeholder is not looked at, and of a
// repeated key the last one counts.
//
// Requires: `data` is JSON; "" counts as none. Thread: any. Time: linear, but for a logarithm in
// the number of wrong placeholders.
bool are_placeholders_valid(std::string_view data, int attachments);

}  // namespace notifications::socketio
