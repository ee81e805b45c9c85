#pragma once

#include <google/protobuf/struct.pb.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace notifications::server {

// JSON text to google.protobuf.Value and back. Thread: any (plain functions).

// Why a Value has no JSON text.
struct ValueError {
  std::string path;  // where, below the value: ".state[3]"; "" for the value itself
  std::string what;  // "has no kind", "is not a finite number", ...
};

// The compact JSON text of `value` as JSON.stringify would write it: numbers as JavaScript prints
// them, strings with the same escapes. Keys are sorted by their bytes, since a Struct has no order.
// Errors: a value without a kind, a number that is not finite, nested more than `max_depth` deep.
Result<std::string, ValueError> json_of_value(const google::protobuf::Value& value, int max_depth);

// What a Value may cost where it is going to.
struct ValueLimits {
  int message_depth;      // nested protobuf messages below the Value itself
  std::size_t max_bytes;  // encoded
};

// Reads valid JSON text into `value`. False, with `value` in an unknown state, if a Value cannot
// carry it exactly: beyond the limits, a repeated key, a lone surrogate, or a number that a double
// cannot carry (see exact_double).
bool value_of_json(std::string_view json, ValueLimits limits, google::protobuf::Value& value);

// The double that a JSON number means, if nothing is lost: the text names the double's exact value
// or the value of its shortest decimal form, as 0.1 does. Nothing for 1e400 or 9007199254740993.
std::optional<double> exact_double(std::string_view number);

// Appends a finite number as JavaScript's Number.prototype.toString prints it; -0 is "0".
// See: ECMA-262, Number::toString.
void append_number(std::string& out, double number);

// `wtf8` with every lone surrogate replaced by U+FFFD: what a protobuf string may hold.
std::string to_valid_utf8(std::string_view wtf8);

}  // namespace notifications::server
