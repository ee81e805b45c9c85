#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "notifications/events.h"

namespace notifications::publishing {

// PayloadWriter writes the JSON object of a payload key by key and checks each value by the rule
// it is given. After the first broken rule the text is worthless and `error()` names the field.
//
//   PayloadWriter payload;
//   payload.room_id("nodeId", node_id);
//   payload.time("updatedAt", updated_at);
//   if (payload.error().empty()) send(payload.finish());
//
// Thread: any one.
class PayloadWriter {
 public:
  using Choices = std::initializer_list<std::string_view>;

  PayloadWriter() : text_("{"), path_("payload") {}

  void text(std::string_view key, std::string_view value);     // UTF-8
  void room_id(std::string_view key, std::string_view value);  // fit for a room
  void time(std::string_view key, std::string_view value);
  void choice(std::string_view key, std::string_view value, Choices choices);
  void integer(std::string_view key, std::int64_t value);
  void integer_from(std::int64_t least, std::string_view key, std::int64_t value);
  void json(std::string_view key, const events::Json& value);    // any JSON value
  void object(std::string_view key, const events::Json& value);  // a JSON object
  void null(std::string_view key);

  // An empty value is written as null.
  void text_or_null(std::string_view key, const std::optional<std::string>& value);
  // An empty value leaves the key out.
  void text_if_any(std::string_view key, const std::optional<std::string>& value);

  // What comes between belongs to the object under `key`.
  void open(std::string_view key);
  void close();

  // A rule for a value that stands in a room but not in the payload.
  void check_room_id(std::string_view path, std::string_view value);

  // "" if every rule holds so far.
  const std::string& error() const { return error_; }
  // The whole object. Requires: every open() closed; called once.
  std::string finish();

 private:
  void write_key(std::string_view key);
  void fail(std::string_view key, std::string_view why);

  std::string text_;
  std::string path_;  // of the object at hand: "payload.thread"
  int depth_ = 1;     // objects open
  std::string error_;
};

}  // namespace notifications::publishing
