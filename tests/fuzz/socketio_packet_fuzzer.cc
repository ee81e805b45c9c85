#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/json/scanner.h"
#include "edge/socketio/encode.h"
#include "edge/socketio/packet.h"
#include "edge/socketio/session.h"
#include "edge/websocket/utf8.h"

// Decodes the input as a Socket.IO packet, checks what a decoded packet promises, and plays it to a
// session as a conversation: one message a line, a line that starts with ! is binary.
namespace {

using namespace notifications;
using namespace notifications::socketio;

void require(bool condition) {
  if (!condition) std::abort();
}

bool within(std::string_view part, std::string_view whole) {
  return part.empty() || part == "/" ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void read_as_packet(std::string_view text) {
  const auto packet = decode(text);
  if (!packet) return require(name(packet.error()) != "unknown");
  require(within(packet->nsp, text) && within(packet->data, text));
  require(within(packet->argument, packet->data));
  require(packet->attachments <= kMaxAttachments);
  require((packet->argument.empty()) == (packet->arguments == 0));
  if (!packet->data.empty()) require(json::is_valid(packet->data, json::kDepthLimit));
  if (packet->event) {
    // Its own event, sent back, reads as the same one.
    const std::string echo = encode_event(*packet->event, "null");
    const auto again = decode(std::string_view(echo).substr(1));
    require(again.ok() && again->event == packet->event);
  }
}

// A transport that checks what a session may ask for, and when.
class Port final : public SessionPort {
 public:
  Session* session = nullptr;

 private:
  void send(std::string packet) override {
    require(!packet.empty() && websocket::is_valid_utf8(packet));
  }
  void connect(std::string_view) override { session->accept("sid"); }
  void disconnect() override { require(!session->connected()); }
  void join(RoomsCommand) override { require(session->connected()); }
  void leave(RoomsCommand) override { require(session->connected()); }
  void close(Violation) override { require(session->closed()); }
};

void play(std::string_view text) {
  const Session::Options options;
  Port port;
  Session session(port, options);
  port.session = &session;
  const auto now = Session::Clock::now();
  session.open("sid", now);
  while (!text.empty() && !session.closed()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.substr(0, 1) == "!") {
      session.on_binary();
    } else {
      session.on_text(line, now);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.empty() || !websocket::is_valid_utf8(text)) return 0;  // never gets this far
  read_as_packet(text);
  play(text);
  return 0;
}
