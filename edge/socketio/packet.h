#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/json/scanner.h"
#include "core/result.h"
#include "edge/socketio/violation.h"

namespace notifications::socketio {

// The types of Socket.IO packets, by their digits. See: Socket.IO protocol, revision 5.
enum class PacketType : std::uint8_t {
  kConnect,
  kDisconnect,
  kEvent,
  kAck,
  kConnectError,
  kBinaryEvent,
  kBinaryAck,
};

inline constexpr int kMaxAttachments = 10;
// How deep a packet's JSON may be nested (a stock server sets no limit for text).
inline constexpr int kMaxPacketDepth = json::kDepthLimit;

// One decoded packet. Views point into the decoded text.
struct Packet {
  PacketType type = PacketType::kConnect;
  std::uint8_t attachments = 0;    // of a binary packet: how many binary messages follow
  bool placeholders_valid = true;  // of a binary packet: each names one of its attachments
  std::string_view nsp = "/";      // as the client wrote it
  std::optional<std::string> id;   // the ack id, as a stock server would write it back
  std::string_view data;           // the exact JSON text; "" if there is none

  // Of an event with data:
  std::optional<std::string> event;  // its name, decoded; nothing if it is a number
  std::string_view argument;         // the first argument's JSON text; "" if there is none
  std::size_t arguments = 0;         // how many there are after the name
};

// Decodes what follows Engine.IO's `4`, bit for bit as socket.io-parser 4.2 does, its JavaScript
// quirks included: white space counts as the digit 0 where one digit is looked at, ids are doubles
// ("1e+30", "NaN"), data may be missing altogether.
//
// Requires: valid UTF-8, not empty. Thread: any. Time: linear.
Result<Packet, Violation> decode(std::string_view text);

}  // namespace notifications::socketio
