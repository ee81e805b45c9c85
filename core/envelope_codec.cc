#include "core/envelope_codec.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <utility>

#include "core/json/scanner.h"
#include "core/room.h"

namespace notifications {
namespace {

constexpr std::array<std::string_view, 6> kReservedEvents = {
    "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"};

// The keys of an envelope; the order is that of encode_envelope.
enum Key { kId, kTs, kSource, kRooms, kEvent, kPayload, kKeys };
constexpr std::array<std::string_view, kKeys> kKeyNames = {"id",    "ts",    "source",
                                                           "rooms", "event", "payload"};

InvalidEnvelope invalid(InvalidReason reason, std::string detail) {
  constexpr std::size_t kMaxDetail = 200;
  if (detail.size() > kMaxDetail) detail.resize(kMaxDetail);
  return {reason, std::move(detail)};
}

InvalidEnvelope syntax_error(const json::Scanner& in) {
  return invalid(in.too_deep() ? InvalidReason::kTooDeep : InvalidReason::kNotJson,
                 std::string(in.error()) + " at byte " + std::to_string(in.offset()));
}

InvalidEnvelope wrong_type(std::string_view key, std::string_view expected) {
  return invalid(InvalidReason::kWrongType,
                 std::string(key) + ": expected " + std::string(expected));
}

std::optional<InvalidEnvelope> read_text(json::Scanner& in, std::string_view key,
                                         std::string& out) {
  if (in.peek() != json::Kind::kString) {
    // Told apart from text that is no JSON at all, so that the counters can be believed.
    std::string_view raw;
    if (!in.skip_value(raw)) return syntax_error(in);
    return wrong_type(key, "a string");
  }
  if (!in.read_string(out)) return syntax_error(in);
  return std::nullopt;
}

std::optional<InvalidEnvelope> read_rooms(json::Scanner& in, std::vector<std::string>& rooms) {
  if (!in.enter_array()) {
    std::string_view raw;
    if (!in.skip_value(raw)) return syntax_error(in);
    return wrong_type("rooms", "an array");
  }
  while (in.next_element()) {
    std::string& room = rooms.emplace_back();
    if (auto problem = read_text(in, "rooms[" + std::to_string(rooms.size() - 1) + "]", room)) {
      return problem;
    }
  }
  if (in.failed()) return syntax_error(in);
  return std::nullopt;
}

int two_digits(std::string_view text, std::size_t at) {
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

int year_of(std::string_view ts) { return two_digits(ts, 0) * 100 + two_digits(ts, 2); }

int days_in_month(int year, int month) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return kDays[static_cast<std::size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
}

// Days from 1970-01-01 in the proleptic Gregorian calendar.
// See: https://howardhinnant.github.io/date_algorithms.html#days_from_civil
std::int64_t days_from_civil(int year, int month, int day) {
  const int y = month <= 2 ? year - 1 : year;
  const int era = (y >= 0 ? y : y - 399) / 400;
  const int year_of_era = y - era * 400;
  const int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<std::int64_t>(era) * 146097 + day_of_era - 719468;
}

}  // namespace

std::string_view name(InvalidReason reason) {
  static constexpr std::array<std::string_view, kInvalidReasons> kNames = {
      "too_large",   "not_json",   "not_an_object", "unknown_key", "duplicate_key",
      "missing_key", "wrong_type", "bad_id",        "bad_ts",      "bad_source",
      "bad_rooms",   "bad_event",  "too_deep"};
  return kNames[static_cast<std::size_t>(reason)];
}

bool is_reserved_event(std::string_view event) {
  return std::find(kReservedEvents.begin(), kReservedEvents.end(), event) != kReservedEvents.end();
}

bool is_valid_timestamp(std::string_view ts) {
  static constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (ts.size() < kShape.size() + 1 || ts.back() != 'Z') return false;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    if (kShape[i] == 'd' ? !is_digit(ts[i]) : ts[i] != kShape[i]) return false;
  }
  const std::string_view fraction = ts.substr(kShape.size(), ts.size() - kShape.size() - 1);
  if (!fraction.empty() && (fraction.size() < 2 || fraction.front() != '.' ||
                            !std::all_of(fraction.begin() + 1, fraction.end(), is_digit))) {
    return false;
  }
  const int month = two_digits(ts, 5);
  const int day = two_digits(ts, 8);
  return month >= 1 && month <= 12 && day >= 1 && day <= days_in_month(year_of(ts), month) &&
         two_digits(ts, 11) <= 23 && two_digits(ts, 14) <= 59 && two_digits(ts, 17) <= 59;
}

UnixTime to_unix_time(std::string_view ts) {
  UnixTime time;
  const std::int64_t days = days_from_civil(year_of(ts), two_digits(ts, 5), two_digits(ts, 8));
  time.seconds =
      days * 86400 + two_digits(ts, 11) * 3600 + two_digits(ts, 14) * 60 + two_digits(ts, 17);
  constexpr std::size_t kFractionAt = 20;  // behind the dot
  std::int32_t scale = 100'000'000;
  for (std::size_t i = kFractionAt; i + 1 < ts.size() && scale > 0; ++i, scale /= 10) {
    time.nanos += (ts[i] - '0') * scale;
  }
  return time;
}

std::string format_timestamp(std::chrono::system_clock::time_point time) {
  using std::chrono::milliseconds;
  const auto since = std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
  const std::int64_t second = since >= 0 ? since / 1000 : (since - 999) / 1000;
  const std::time_t seconds = static_cast<std::time_t>(second);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  const int size = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                                 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                                 utc.tm_min, utc.tm_sec, static_cast<int>(since - second * 1000));
  return {text, static_cast<std::size_t>(size)};
}

std::optional<InvalidEnvelope> check_envelope(const Envelope& envelope) {
  if (envelope.id.empty()) return invalid(InvalidReason::kBadId, "id: must not be empty");
  if (!is_valid_timestamp(envelope.ts)) {
    return invalid(InvalidReason::kBadTs, "ts: must be an ISO 8601 date-time in UTC with Z");
  }
  if (envelope.source.empty()) {
    return invalid(InvalidReason::kBadSource, "source: must not be empty");
  }
  if (envelope.rooms.empty()) {
    return invalid(InvalidReason::kBadRooms, "rooms: must hold at least one room");
  }
  for (std::size_t i = 0; i < envelope.rooms.size(); ++i) {
    if (!is_valid_room(envelope.rooms[i])) {
      return invalid(InvalidReason::kBadRooms,
                     "rooms[" + std::to_string(i) + "]: " + std::string(kRoomRule));
    }
  }
  if (envelope.event.empty()) return invalid(InvalidReason::kBadEvent, "event: must not be empty");
  if (is_reserved_event(envelope.event)) {
    return invalid(InvalidReason::kBadEvent, "event: " + envelope.event + " is a reserved name");
  }
  return std::nullopt;
}

Result<Envelope, InvalidEnvelope> decode_envelope(std::string_view text) {
  if (text.size() > kMaxEnvelopeBytes) {
    return invalid(InvalidReason::kTooLarge, std::to_string(text.size()) + " bytes; at most " +
                                                 std::to_string(kMaxEnvelopeBytes));
  }
  json::Scanner in(text, kMaxPayloadDepth);
  if (!in.enter_object()) {
    return json::is_valid(text, json::kDepthLimit)
               ? invalid(InvalidReason::kNotAnObject, "expected a JSON object")
               : invalid(InvalidReason::kNotJson, "no JSON");
  }
  Envelope envelope;
  std::array<bool, kKeys> seen{};
  std::string key;
  while (in.next_key(key)) {
    const auto found = std::find(kKeyNames.begin(), kKeyNames.end(), key);
    if (found == kKeyNames.end()) {
      return invalid(InvalidReason::kUnknownKey, "unknown key \"" + key.substr(0, 64) + "\"");
    }
    const auto which = static_cast<std::size_t>(found - kKeyNames.begin());
    if (seen[which]) return invalid(InvalidReason::kDuplicateKey, key + ": given twice");
    seen[which] = true;
    std::optional<InvalidEnvelope> problem;
    std::string_view raw;
    switch (which) {
      case kId:
        problem = read_text(in, key, envelope.id);
        break;
      case kTs:
        problem = read_text(in, key, envelope.ts);
        break;
      case kSource:
        problem = read_text(in, key, envelope.source);
        break;
      case kRooms:
        problem = read_rooms(in, envelope.rooms);
        break;
      case kEvent:
        problem = read_text(in, key, envelope.event);
        break;
      default:
        if (!in.skip_value(raw)) return syntax_error(in);
        envelope.payload = raw;
    }
    if (problem) return *std::move(problem);
  }
  if (!in.finish()) return syntax_error(in);
  for (std::size_t i = 0; i < kPayload; ++i) {
    if (!seen[i]) {
      return invalid(InvalidReason::kMissingKey, std::string(kKeyNames[i]) + ": is missing");
    }
  }
  if (auto problem = check_envelope(envelope)) return *std::move(problem);
  return envelope;
}

std::string encode_envelope(const Envelope& envelope) {
  std::string out;
  out.reserve(160 + envelope.payload.size());
  out += "{\"id\":";
  json::append_string(out, envelope.id);
  out += ",\"ts\":";
  json::append_string(out, envelope.ts);
  out += ",\"source\":";
  json::append_string(out, envelope.source);
  out += ",\"rooms\":[";
  for (std::size_t i = 0; i < envelope.rooms.size(); ++i) {
    if (i > 0) out += ',';
    json::append_string(out, envelope.rooms[i]);
  }
  out += "],\"event\":";
  json::append_string(out, envelope.event);
  out += ",\"payload\":";
  out += envelope.payload;
  out += '}';
  return out;
}

}  // namespace notifications
