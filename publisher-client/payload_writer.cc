#include "publisher-client/payload_writer.h"

#include <algorithm>

#include "core/envelope_codec.h"
#include "core/json/scanner.h"
#include "core/room.h"

namespace notifications::publishing {
namespace {

constexpr std::string_view kIdRule = "must be 1 to 64 characters of 0-9 a-z A-Z -";

// Ids have one rule whatever the kind of room.
bool is_room_id(std::string_view id) { return is_valid_room("node:" + std::string(id)); }

}  // namespace

void PayloadWriter::fail(std::string_view key, std::string_view why) {
  if (!error_.empty()) return;
  error_.append(path_).append(".").append(key).append(": ").append(why);
}

void PayloadWriter::write_key(std::string_view key) {
  if (text_.back() != '{') text_ += ',';
  text_.append("\"").append(key).append("\":");
}

void PayloadWriter::text(std::string_view key, std::string_view value) {
  write_key(key);
  const std::size_t start = text_.size();
  json::append_string(text_, value);
  // The escapes are right by construction: what can be wrong is the encoding.
  if (!json::is_valid(std::string_view(text_).substr(start))) fail(key, "must be valid UTF-8");
}

void PayloadWriter::room_id(std::string_view key, std::string_view value) {
  if (!is_room_id(value)) fail(key, kIdRule);
  text(key, value);
}

void PayloadWriter::time(std::string_view key, std::string_view value) {
  if (!is_valid_timestamp(value)) {
    fail(key, "must be an ISO 8601 time in UTC, such as 2026-02-19T12:00:00.000Z");
  }
  text(key, value);
}

void PayloadWriter::choice(std::string_view key, std::string_view value, Choices choices) {
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
    std::string why = "must be one of ";
    for (const std::string_view& one : choices) {
      if (&one != choices.begin()) why += ", ";
      why += one;
    }
    fail(key, why);
  }
  text(key, value);
}

void PayloadWriter::integer(std::string_view key, std::int64_t value) {
  write_key(key);
  text_ += std::to_string(value);
}

void PayloadWriter::integer_from(std::int64_t least, std::string_view key, std::int64_t value) {
  if (value < least) fail(key, "must be " + std::to_string(least) + " or more");
  integer(key, value);
}

void PayloadWriter::json(std::string_view key, const events::Json& value) {
  write_key(key);
  json::Scanner in(value.text, kMaxPayloadDepth - depth_);
  std::string_view raw;
  if (!in.skip_value(raw) || !in.finish()) {
    return fail(key, in.too_deep() ? "is nested too deep" : "must be valid JSON text");
  }
  text_ += raw;
}

void PayloadWriter::object(std::string_view key, const events::Json& value) {
  if (json::Scanner(value.text).peek() != json::Kind::kObject) {
    fail(key, "must be the text of a JSON object");
  }
  json(key, value);
}

void PayloadWriter::null(std::string_view key) {
  write_key(key);
  text_ += "null";
}

void PayloadWriter::text_or_null(std::string_view key, const std::optional<std::string>& value) {
  value ? text(key, *value) : null(key);
}

void PayloadWriter::text_if_any(std::string_view key, const std::optional<std::string>& value) {
  if (value) text(key, *value);
}

void PayloadWriter::open(std::string_view key) {
  write_key(key);
  text_ += '{';
  path_.append(".").append(key);
  ++depth_;
}

void PayloadWriter::close() {
  text_ += '}';
  path_.erase(path_.rfind('.'));
  --depth_;
}

void PayloadWriter::check_room_id(std::string_view path, std::string_view value) {
  if (is_room_id(value) || !error_.empty()) return;
  error_.append(path).append(": ").append(kIdRule);
}

std::string PayloadWriter::finish() {
  text_ += '}';
  return std::move(text_);
}

}  // namespace notifications::publishing
