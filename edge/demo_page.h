#pragma once

#include <optional>
#include <string_view>

#include "edge/websocket/handshake.h"

namespace notifications::edge {

// The answer for a path under /demo/ (the page that shows events as they arrive), or nothing if
// there is no such file. The files are part of the program. Thread: any.
std::optional<websocket::HttpAnswer> demo_page(std::string_view path);

}  // namespace notifications::edge
