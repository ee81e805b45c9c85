#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/envelope.h"
#include "core/result.h"

namespace notifications {

// The most bytes of an envelope's text. See: CONTRACT section 3.
inline constexpr std::size_t kMaxEnvelopeBytes = 8 * 1024 * 1024;
// How deep a payload may be nested.
inline constexpr int kMaxPayloadDepth = 512;

// Why an envelope was refused; the label of the counter of invalid envelopes.
enum class InvalidReason {
  kTooLarge,
  kNotJson,  // not RFC 8259, or not UTF-8
  kNotAnObject,
  kUnknownKey,
  kDuplicateKey,
  kMissingKey,
  kWrongType,
  kBadId,
  kBadTs,
  kBadSource,
  kBadRooms,
  kBadEvent,
  kTooDeep,
};
inline constexpr int kInvalidReasons = 13;
std::string_view name(InvalidReason reason);  // snake_case: "too_large", "not_json", ...

struct InvalidEnvelope {
  InvalidReason reason;
  std::string detail;  // names the field; holds no payload; at most 200 bytes
};

// Checks `text` by every rule of CONTRACT section 3 in one pass and takes it apart.
// Thread: any.
Result<Envelope, InvalidEnvelope> decode_envelope(std::string_view text);

// Checks an envelope that was built rather than decoded, by the same rules.
std::optional<InvalidEnvelope> check_envelope(const Envelope& envelope);

// The JSON text of an envelope, keys in the order id, ts, source, rooms, event, payload, as
// JSON.stringify would write it; the payload is copied verbatim. Requires: a valid envelope.
std::string encode_envelope(const Envelope& envelope);

// True for names that Socket.IO keeps for itself (connect, disconnect, newListener, ...).
bool is_reserved_event(std::string_view event);

// True for an ISO 8601 date-time in UTC with Z: a real calendar date, seconds, and any number of
// fraction digits or none.
bool is_valid_timestamp(std::string_view ts);

// Seconds and nanoseconds since the epoch; digits beyond nanoseconds are cut.
// Requires: is_valid_timestamp(ts).
struct UnixTime {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
};
UnixTime to_unix_time(std::string_view ts);

// "2026-02-19T12:00:00.000Z": milliseconds, as the platform's publishers write it.
std::string format_timestamp(std::chrono::system_clock::time_point time);

}  // namespace notifications
