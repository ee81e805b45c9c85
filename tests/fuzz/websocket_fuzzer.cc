#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "edge/websocket/frame_parser.h"
#include "edge/websocket/handshake.h"
#include "edge/websocket/utf8.h"

// Feeds the input as a client's bytes, at once and in small pieces: the parser must find the same,
// hand out only well-formed text, and keep no more than has arrived. Then reads it as headers.
namespace {

using namespace notifications::websocket;

void require(bool condition) {
  if (!condition) std::abort();
}

class Recorder final : public FrameVisitor {
 public:
  bool on_text(std::string_view message) override {
    require(is_valid_utf8(message));
    return add('t', message);
  }
  bool on_binary(std::string_view message) override { return add('b', message); }
  bool on_ping(std::string_view payload) override { return add('i', payload); }
  bool on_pong(std::string_view payload) override { return add('o', payload); }
  void on_close(std::optional<std::uint16_t> code, std::string_view reason) override {
    require(!code || is_valid_close_code(*code));
    add('c', reason);
    // What a peer may send we may send back.
    require(close_frame(code, reason).size() == 2u + (code ? 2u : 0u) + reason.size());
  }
  void on_error(FrameError error) override { add('e', name(error)); }

  std::string events;

 private:
  bool add(char kind, std::string_view text) {
    events += kind;
    events += std::to_string(text.size());
    events += text;
    return true;
  }
};

std::string run(std::string bytes, std::uint32_t max_message, std::size_t step) {
  FrameParser parser(max_message);
  Recorder recorder;
  std::span<char> rest(bytes);
  std::size_t fed = 0;
  while (!rest.empty()) {
    const std::size_t n = std::min(step, rest.size());
    const bool go_on = parser.feed(rest.first(n), recorder);
    require(go_on == parser.open());
    fed += n;
    require(parser.buffered_bytes() <= fed);
    require(parser.open() ? true : parser.buffered_bytes() == 0);
    rest = rest.subspan(n);
  }
  return recorder.events;
}

void read_as_headers(std::string_view text) {
  HandshakeRequest request{"GET", "websocket", "dGhlIHNhbXBsZSBub25jZQ==", "13", text};
  check_handshake(request);
  request.protocol = std::nullopt;
  request.version = text;
  check_handshake(request);
  is_upgrade(text, text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint32_t max_message = 1u + data[0] * 16u;
  const std::size_t step = 1u + data[1] % 31u;
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  require(run(bytes, max_message, bytes.size() + 1) == run(bytes, max_message, step));
  read_as_headers(bytes);
  return 0;
}
