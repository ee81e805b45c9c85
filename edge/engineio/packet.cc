#include "edge/engineio/packet.h"

namespace notifications::engineio {

Packet decode(std::string_view text) {
  if (text.empty()) return {};
  const std::string_view data = text.substr(1);
  if (text[0] == 'b') return {PacketType::kBinary, data};
  if (text[0] < '0' || text[0] > '6') return {};
  return {static_cast<PacketType>(text[0] - '0'), data};
}

std::string encode_open(std::string_view sid, const OpenOptions& options) {
  std::string out = R"(0{"sid":")";
  out += sid;
  out += R"(","upgrades":[],"pingInterval":)";
  out += std::to_string(options.ping_interval.count());
  out += R"(,"pingTimeout":)";
  out += std::to_string(options.ping_timeout.count());
  out += R"(,"maxPayload":)";
  out += std::to_string(options.max_payload);
  return out + "}";
}

}  // namespace notifications::engineio
