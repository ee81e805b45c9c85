#pragma once

#include <string>
#include <string_view>

namespace notifications::socketio {

// Encoders of the packets a server sends, each with Engine.IO's `4` in front: the text of one
// WebSocket message. Thread: any.

// 40{"sid":"..."}, with a pid 40{"sid":"...","pid":"..."}. Requires: neither needs escaping.
std::string encode_connected(std::string_view sid, std::string_view pid = {});

// 44/ns,{"message":"Invalid namespace"}. Requires: not the default namespace.
std::string encode_invalid_namespace(std::string_view nsp);

// 43<id>[<argument>]. Requires: the argument is JSON.
std::string encode_ack(std::string_view id, std::string_view argument_json);

// 42["<event>",<payload>], with a position 42["<event>",<payload>,"<position>"]. The payload is
// copied byte for byte. Requires: it is JSON.
std::string encode_event(std::string_view event, std::string_view payload_json,
                         std::string_view position = {});

}  // namespace notifications::socketio
