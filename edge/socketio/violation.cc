#include "edge/socketio/violation.h"

namespace notifications::socketio {

std::string_view name(Violation violation) {
  switch (violation) {
    case Violation::kInvalidPacketType:
      return "invalid_packet_type";
    case Violation::kClientPing:
      return "client_ping";
    case Violation::kEmptyMessage:
      return "empty_message";
    case Violation::kUnknownPacketType:
      return "unknown_packet_type";
    case Violation::kIllegalAttachments:
      return "illegal_attachments";
    case Violation::kTooManyAttachments:
      return "too_many_attachments";
    case Violation::kInvalidPayload:
      return "invalid_payload";
    case Violation::kUnexpectedBinary:
      return "unexpected_binary";
    case Violation::kMissingBinary:
      return "missing_binary";
    case Violation::kIllegalPlaceholder:
      return "illegal_placeholder";
    case Violation::kNotConnected:
      return "not_connected";
    case Violation::kAlreadyConnected:
      return "already_connected";
    case Violation::kClientConnectError:
      return "client_connect_error";
  }
  return "unknown";
}

}  // namespace notifications::socketio
