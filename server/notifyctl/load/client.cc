#include "server/notifyctl/load/client.h"

#include <array>

namespace notifications::load {
namespace {

constexpr std::array<unsigned char, 4> kMask = {0x37, 0xfa, 0x21, 0x3d};
constexpr unsigned char kFin = 0x80;
constexpr unsigned char kTextFrame = kFin | 0x1;
constexpr unsigned char kPing = kFin | 0x9;
constexpr unsigned char kPong = kFin | 0xA;

void append_masked(std::string& out, unsigned char first, std::string_view payload) {
  out += static_cast<char>(first);
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8 & 0xff);
    out += static_cast<char>(payload.size() & 0xff);
  }
  out.append(reinterpret_cast<const char*>(kMask.data()), kMask.size());
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ kMask[i % kMask.size()]);
  }
}

bool starts_with(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

// What stands between `before` and the next quotation mark.
std::string_view text_behind(std::string_view text, std::string_view before) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + before.size());
  return text.substr(0, text.find('"'));
}

// Size of the header of a server's frame and of its payload; header 0 if it is not all there.
struct FrameSize {
  std::size_t header = 0;
  std::uint64_t payload = 0;
};

FrameSize frame_size(std::string_view bytes) {
  if (bytes.size() < 2) return {};
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i]));
  };
  const std::uint64_t length = at(1);
  if (length < 126) return {2, length};
  const std::size_t extra = length == 126 ? 2 : 8;
  if (bytes.size() < 2 + extra) return {};
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < extra; ++i) size = size << 8 | at(2 + i);
  return {2 + extra, size};
}

}  // namespace

std::string Client::upgrade_request(std::string_view host, std::string_view path) {
  std::string out = "GET ";
  out.append(path).append("/?EIO=4&transport=websocket HTTP/1.1\r\nHost: ").append(host);
  return out +
         "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

bool Client::receive(std::string_view bytes, std::string_view rooms_json, std::string& out,
                     Ear& ear) {
  std::string joined;
  if (!partial_.empty()) {
    joined.swap(partial_);
    joined += bytes;
    bytes = joined;
  }
  while (!bytes.empty() && why_ == nullptr) {
    const std::size_t used = take_one(bytes, rooms_json, out, ear);
    if (used == 0) break;
    bytes.remove_prefix(used);
  }
  if (why_ != nullptr) return false;
  partial_.assign(bytes);
  if (partial_.empty()) partial_.shrink_to_fit();
  return true;
}

// Takes an answer to the upgrade or a frame; returns how many bytes that were, 0 if it is not all
// there.
std::size_t Client::take_one(std::string_view bytes, std::string_view rooms_json, std::string& out,
                             Ear& ear) {
  if (state_ == State::kUpgrading) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    if (!starts_with(bytes, "HTTP/1.1 101")) return fail("the upgrade was refused");
    state_ = State::kOpening;
    return end + 4;
  }
  const FrameSize size = frame_size(bytes);
  if (size.header == 0 || bytes.size() - size.header < size.payload) return 0;
  const std::string_view payload = bytes.substr(size.header, size.payload);
  const auto first = static_cast<unsigned char>(bytes[0]);
  if (first == kPing) {
    append_masked(out, kPong, payload);
  } else if (first != kTextFrame) {
    return fail((first & 0xf) == 0x8 ? "the peer closed the WebSocket" : "an unexpected frame");
  } else if (!on_message(payload, rooms_json, out, ear)) {
    return 0;
  }
  return size.header + payload.size();
}

bool Client::on_message(std::string_view text, std::string_view rooms_json, std::string& out,
                        Ear& ear) {
  if (starts_with(text, "42[")) {
    if (!live()) return fail("an event before the subscription was confirmed");
    if (session_ != nullptr) note_position(text);
    ear.on_event(*this, text);
    return true;
  }
  if (text == "2") {
    append_masked(out, kTextFrame, "3");
    return true;
  }
  if (state_ == State::kOpening && starts_with(text, "0{")) {
    state_ = State::kConnecting;
    append_masked(out, kTextFrame, connect_packet());
    return true;
  }
  if (state_ == State::kConnecting && starts_with(text, "40{")) {
    return on_connected(text, rooms_json, out, ear);
  }
  if (state_ == State::kSubscribing && starts_with(text, R"(430[{"ok":true,)")) {
    state_ = State::kLive;
    ear.on_live(*this);
    return true;
  }
  return fail("an unexpected packet");
}

std::string Client::connect_packet() const {
  if (session_ == nullptr || !session_->resuming) return "40";
  std::string packet = R"(40{"pid":")" + session_->pid;
  if (!session_->offset.empty()) packet.append(R"(","offset":")").append(session_->offset);
  return packet + "\"}";
}

bool Client::on_connected(std::string_view answer, std::string_view rooms_json, std::string& out,
                          Ear& ear) {
  if (session_ != nullptr) {
    const std::string_view pid = text_behind(answer, R"("pid":")");
    if (pid.empty()) return fail("no session to be resumed: the journal is off");
    if (session_->resuming && pid != session_->pid) return fail("the session was not resumed");
    session_->pid = pid;
  }
  if (session_ != nullptr && session_->resuming) {
    state_ = State::kLive;
    ear.on_live(*this);
    return true;
  }
  state_ = State::kSubscribing;
  std::string packet = R"(420["subscribe",{"rooms":[)";
  packet.append(rooms_json).append("]}]");
  append_masked(out, kTextFrame, packet);
  return true;
}

// The position is the last argument: `42["name",payload,"position"]`.
void Client::note_position(std::string_view packet) {
  if (packet.size() < 2 || packet.substr(packet.size() - 2) != "\"]") return;
  packet.remove_suffix(2);
  session_->offset = packet.substr(packet.rfind('"') + 1);
}

bool Client::resume() {
  if (session_ == nullptr || session_->pid.empty()) return false;
  session_->resuming = true;
  partial_.clear();
  state_ = State::kUpgrading;
  return true;
}

}  // namespace notifications::load
