#pragma once

#include <string>
#include <string_view>

namespace notifications::websocket {

// How JavaScript reads and writes numbers, for the places where the protocols of a JavaScript
// server are defined by it: ack ids, attachment counts, the WebSocket version header.
// See: ECMA-262, StringToNumber and Number::toString.

// The bytes of the JavaScript white space or line terminator at the start of `text` (UTF-8): 0
// to 3.
std::size_t js_space_length(std::string_view text);

// Number(text): white space around is ignored, "" is 0, 0x.. 0o.. 0b.. are read, NaN if it is none.
double js_to_number(std::string_view text);

// String(number): "1", "1e+21", "Infinity", "NaN".
std::string js_to_string(double number);

}  // namespace notifications::websocket
