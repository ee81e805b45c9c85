#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace notifications::engineio {

// The types of Engine.IO packets, by their digits. See: Engine.IO protocol, revision 4.
enum class PacketType : std::uint8_t {
  kOpen,     // 0: ignored from a client
  kClose,    // 1: ignored from a client
  kPing,     // 2: a violation from a client
  kPong,     // 3
  kMessage,  // 4
  kUpgrade,  // 5: ignored, there is nothing to upgrade to
  kNoop,     // 6: ignored
  kBinary,   // b: a binary message as base64 text
  kInvalid,  // empty, or no type
};

struct Packet {
  PacketType type = PacketType::kInvalid;
  std::string_view data;  // what follows the type; points into the decoded text
};

// Takes the text of one WebSocket message apart. Thread: any.
Packet decode(std::string_view text);

inline constexpr std::string_view kPing = "2";

// What the open packet announces.
struct OpenOptions {
  std::chrono::milliseconds ping_interval{25'000};
  std::chrono::milliseconds ping_timeout{20'000};
  std::uint64_t max_payload = 1'000'000;  // bytes of one inbound message
};

// The first packet of a connection: 0{"sid":...,"upgrades":[],"pingInterval":...,...}.
// Requires: `sid` needs no escaping in JSON.
std::string encode_open(std::string_view sid, const OpenOptions& options);

}  // namespace notifications::engineio
