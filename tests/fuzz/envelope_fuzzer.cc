#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/envelope_codec.h"
#include "core/json/scanner.h"
#include "core/room.h"

// Decodes the input as an envelope; a valid one must survive being encoded, a refused one be
// explained in a short line.
namespace {

using namespace notifications;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_valid(const Envelope& envelope) {
  require(!check_envelope(envelope));
  require(!envelope.rooms.empty());
  for (const std::string& room : envelope.rooms) require(is_valid_room(room));
  require(json::is_valid(envelope.payload, kMaxPayloadDepth));
  const UnixTime time = to_unix_time(envelope.ts);
  require(time.nanos >= 0 && time.nanos < 1'000'000'000);

  const std::string text = encode_envelope(envelope);
  const auto again = decode_envelope(text);
  if (!again) {
    // The only way out: escapes that were short in the input are longer now.
    require(again.error().reason == InvalidReason::kTooLarge);
    return;
  }
  require(again->id == envelope.id && again->ts == envelope.ts);
  require(again->source == envelope.source && again->event == envelope.event);
  require(again->rooms == envelope.rooms && again->payload == envelope.payload);
  require(encode_envelope(*again) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto envelope = decode_envelope(text);
  if (envelope) {
    require(json::is_valid(text, kMaxPayloadDepth + 1));
    check_valid(*envelope);
  } else {
    require(!envelope.error().detail.empty() && envelope.error().detail.size() <= 200);
    require(!name(envelope.error().reason).empty());
  }
  if (is_valid_timestamp(text)) to_unix_time(text);
  return 0;
}
