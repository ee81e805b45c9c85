#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace notifications::engineio {

// The parameters of a request that Engine.IO knows; nothing where a parameter is missing.
struct Query {
  std::optional<std::string> eio;        // EIO
  std::optional<std::string> transport;  // transport
  std::optional<std::string> sid;        // sid
};

// Reads the parameters out of a request target ("/socket.io/?EIO=4&transport=websocket#...") as
// URLSearchParams does: `+` and %XX are decoded, of a repeated parameter the last one counts,
// a fragment is cut off. Bytes that are not UTF-8 are kept as they are: they match nothing.
Query parse_query(std::string_view target);

// True if `target` is for the Engine.IO server at `path` ("/socket.io"): it starts with the path
// and a slash. The prefix is compared byte by byte, as a stock server does.
bool is_under_path(std::string_view target, std::string_view path);

}  // namespace notifications::engineio
