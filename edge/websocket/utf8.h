#pragma once

#include <string_view>

namespace notifications::websocket {

// True if `bytes` is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
// Runs of ASCII are passed over sixteen bytes at a time. Thread: any.
// See: The Unicode Standard, table 3-7.
bool is_valid_utf8(std::string_view bytes);

}  // namespace notifications::websocket
