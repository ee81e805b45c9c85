#include "edge/socketio/session.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "edge/socketio/encode.h"

namespace notifications::socketio {
namespace {

constexpr std::string_view kDefaultNamespace = "/";
constexpr auto kNever = Session::Clock::time_point::max();

}  // namespace

std::string RoomsCommand::confirmation() const {
  assert(ack_id);
  return encode_ack(*ack_id, rooms_ack(rooms));
}

std::string RoomsCommand::refusal(std::string_view error) const {
  assert(ack_id);
  return encode_ack(*ack_id, error_ack(error));
}

void Session::open(std::string_view sid, Clock::time_point now) {
  heartbeat_.start(now, options_.open.ping_interval);
  connect_deadline_ = now + options_.connect_timeout;
  port_.send(engineio::encode_open(sid, options_.open));
}

void Session::on_text(std::string_view message, Clock::time_point now) {
  if (closed()) return;
  const engineio::Packet packet = engineio::decode(message);
  switch (packet.type) {
    case engineio::PacketType::kMessage:
      return on_message(packet.data);
    case engineio::PacketType::kBinary:
      return on_attachment();
    case engineio::PacketType::kPong:
      return heartbeat_.on_pong(now, options_.open.ping_interval);
    case engineio::PacketType::kPing:
      return violate(Violation::kClientPing);
    case engineio::PacketType::kInvalid:
      return violate(Violation::kInvalidPacketType);
    case engineio::PacketType::kOpen:
    case engineio::PacketType::kClose:
    case engineio::PacketType::kUpgrade:
    case engineio::PacketType::kNoop:
      return;
  }
}

void Session::on_binary() {
  if (!closed()) on_attachment();
}

void Session::on_message(std::string_view data) {
  if (data.empty()) return violate(Violation::kEmptyMessage);
  if (attachments_left_ > 0) return violate(Violation::kMissingBinary);
  const auto packet = decode(data);
  if (!packet) return violate(packet.error());
  if (packet->attachments == 0) return on_packet(*packet);
  // The packet counts when its last attachment has come; of its contents nothing will matter then.
  attachments_left_ = packet->attachments;
  placeholders_valid_ = packet->placeholders_valid;
  default_namespace_ = packet->nsp == kDefaultNamespace;
}

void Session::on_attachment() {
  if (attachments_left_ == 0) return violate(Violation::kUnexpectedBinary);
  if (--attachments_left_ > 0) return;
  if (!placeholders_valid_) return violate(Violation::kIllegalPlaceholder);
  if (!connected() || !default_namespace_) return violate(Violation::kNotConnected);
}

void Session::on_packet(const Packet& packet) {
  if (packet.type == PacketType::kConnect) return on_connect(packet);
  if (packet.type == PacketType::kConnectError) return violate(Violation::kClientConnectError);
  if (!connected() || packet.nsp != kDefaultNamespace) return violate(Violation::kNotConnected);
  if (packet.type == PacketType::kDisconnect) {
    state_ = State::kIdle;
    port_.disconnect();
  } else if (packet.type == PacketType::kEvent) {
    on_event(packet);
  }
}

void Session::on_connect(const Packet& packet) {
  if (packet.nsp != kDefaultNamespace) return port_.send(encode_invalid_namespace(packet.nsp));
  if (state_ != State::kIdle) return violate(Violation::kAlreadyConnected);
  state_ = State::kConnecting;
  port_.connect(packet.data);
}

void Session::accept(std::string_view sid, std::string_view pid) {
  if (closed()) return;
  assert(state_ == State::kConnecting);
  state_ = State::kConnected;
  connect_deadline_ = kNever;
  port_.send(encode_connected(sid, pid));
}

// The platform's handlers take (payload, ack): the ack function of a packet without arguments
// stands where the payload should, and behind two arguments nobody looks for it.
void Session::on_event(const Packet& packet) {
  const bool subscribe = packet.event == "subscribe";
  if ((!subscribe && packet.event != "unsubscribe") || packet.arguments == 0) return;
  auto request = parse_room_request(packet.argument);
  std::optional<std::string> ack_id = packet.arguments == 1 ? packet.id : std::nullopt;
  if (!request) {
    if (subscribe) port_.on_invalid_subscribe();
    if (ack_id) port_.send(encode_ack(*ack_id, issues_ack(request.error())));
    return;
  }
  RoomsCommand command{std::move(request->rooms), std::move(ack_id)};
  subscribe ? port_.join(std::move(command)) : port_.leave(std::move(command));
}

std::optional<Session::Expired> Session::on_tick(Clock::time_point now) {
  if (closed()) return std::nullopt;
  switch (heartbeat_.tick(now, options_.open.ping_timeout)) {
    case engineio::Heartbeat::Action::kSendPing:
      port_.send(std::string(engineio::kPing));
      break;
    case engineio::Heartbeat::Action::kGiveUp:
      state_ = State::kClosed;
      return Expired::kPing;
    case engineio::Heartbeat::Action::kNone:
      break;
  }
  if (now < connect_deadline_) return std::nullopt;
  state_ = State::kClosed;
  return Expired::kConnect;
}

Session::Clock::time_point Session::next_deadline() const {
  return std::min(heartbeat_.deadline(), connect_deadline_);
}

void Session::violate(Violation violation) {
  state_ = State::kClosed;
  port_.close(violation);
}

}  // namespace notifications::socketio
