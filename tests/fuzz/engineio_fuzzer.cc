#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "edge/engineio/packet.h"
#include "edge/engineio/request.h"

// Reads the input as an Engine.IO packet and as the target and origin of a request, and answers it.
namespace {

using namespace notifications::engineio;

void require(bool condition) {
  if (!condition) std::abort();
}

void read_as_packet(std::string_view text) {
  const Packet packet = decode(text);
  if (packet.type != PacketType::kInvalid) require(packet.data.size() + 1 == text.size());
}

void read_as_request(std::string_view text) {
  const OriginPolicy origins{{"https://app.example"}};
  Request request{"GET", parse_query(text), true, text};
  is_under_path(text, "/socket.io");
  const auto refusal = check_request(request, origins);
  // Whatever was asked, an origin that is not listed does not get in.
  if (text != "https://app.example") require(refusal.has_value());
  answer_preflight(origins, text, text);
  if (!refusal) return;
  require(!answer_refusal(*refusal, origins, text).body.empty());
  require(!answer_refused_upgrade(*refusal, origins, text).to_bytes().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_as_packet(text);
  read_as_request(text);
  return 0;
}
