#include "edge/socketio/encode.h"

#include "core/json/scanner.h"

namespace notifications::socketio {

std::string encode_connected(std::string_view sid, std::string_view pid) {
  std::string out = R"(40{"sid":")";
  out += sid;
  if (!pid.empty()) {
    out += R"(","pid":")";
    out += pid;
  }
  return out + "\"}";
}

std::string encode_invalid_namespace(std::string_view nsp) {
  std::string out = "44";
  out += nsp;
  return out + R"(,{"message":"Invalid namespace"})";
}

std::string encode_ack(std::string_view id, std::string_view argument_json) {
  std::string out = "43";
  out.reserve(4 + id.size() + argument_json.size());
  out += id;
  out += '[';
  out += argument_json;
  return out += ']';
}

std::string encode_event(std::string_view event, std::string_view payload_json,
                         std::string_view position) {
  std::string out = "42[";
  out.reserve(16 + event.size() + payload_json.size() + position.size());
  json::append_string(out, event);
  out += ',';
  out += payload_json;
  if (!position.empty()) {
    out += ',';
    json::append_string(out, position);
  }
  return out += ']';
}

}  // namespace notifications::socketio
