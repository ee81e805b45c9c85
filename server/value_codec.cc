#include "server/value_codec.h"

#include <algorithm>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <vector>

#include "core/json/scanner.h"

namespace notifications::server {
namespace {

using google::protobuf::Value;

// A decimal number in its only normal form: 0.<digits> * 10^exponent, no zero at either end of the
// digits; zero has none.
struct Decimal {
  std::string digits;
  long long exponent = 0;

  bool operator==(const Decimal& other) const {
    return digits == other.digits && (digits.empty() || exponent == other.exponent);
  }
};

// Reads what JSON or std::to_chars writes; the sign is left out of it.
Decimal decimal_of(std::string_view text) {
  Decimal decimal;
  long long integer_digits = 0;
  bool fraction = false;
  std::size_t i = 0;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') fraction = true;
    if (text[i] < '0' || text[i] > '9') continue;
    if (!fraction) ++integer_digits;
    if (decimal.digits.empty() && text[i] == '0') {
      --integer_digits;
      continue;
    }
    decimal.digits += text[i];
  }
  while (!decimal.digits.empty() && decimal.digits.back() == '0') decimal.digits.pop_back();
  decimal.exponent = integer_digits;
  if (i < text.size()) {
    std::string_view exponent = text.substr(i + 1);
    if (!exponent.empty() && exponent.front() == '+') exponent.remove_prefix(1);
    long long value = 0;
    const auto read = std::from_chars(exponent.data(), exponent.data() + exponent.size(), value);
    // Far beyond any double: any number that cannot be met again will do.
    if (read.ec != std::errc() || std::llabs(value) > 1'000'000'000) value = 1'000'000'000;
    decimal.exponent += value;
  }
  return decimal;
}

// Appends the shortest decimal form that reads back as `number`, or all its digits.
Decimal shortest_decimal(double number) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  return decimal_of(std::string_view(buffer, static_cast<std::size_t>(end.ptr - buffer)));
}
Decimal full_decimal(double number) {
  char buffer[1100];  // a double has at most 767 significant digits
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific, 800);
  return decimal_of(std::string_view(buffer, static_cast<std::size_t>(end.ptr - buffer)));
}

bool has_lone_surrogate(std::string_view wtf8) {
  for (std::size_t i = 0; i + 1 < wtf8.size(); ++i)
    if (wtf8[i] == '\xED' && static_cast<unsigned char>(wtf8[i + 1]) >= 0xA0) return true;
  return false;
}

// Writes one Value after another into one text.
class ValueWriter {
 public:
  explicit ValueWriter(int max_depth) : max_depth_(max_depth) {}

  // False on an error; error().path is built on the way back up.
  bool write(const Value& value, int depth) {
    switch (value.kind_case()) {
      case Value::kNullValue:
        text_ += "null";
        return true;
      case Value::kBoolValue:
        text_ += value.bool_value() ? "true" : "false";
        return true;
      case Value::kNumberValue:
        if (!std::isfinite(value.number_value())) return fail("is not a finite number");
        append_number(text_, value.number_value());
        return true;
      case Value::kStringValue:
        json::append_string(text_, value.string_value());
        return true;
      case Value::kListValue:
        return write_list(value.list_value(), depth + 1);
      case Value::kStructValue:
        return write_struct(value.struct_value(), depth + 1);
      case Value::KIND_NOT_SET:
        break;
    }
    return fail("has no kind");
  }

  std::string take_text() { return std::move(text_); }
  const ValueError& error() const { return error_; }

 private:
  bool fail(std::string what) {
    error_.what = std::move(what);
    return false;
  }
  bool fail_below(const std::string& step) {
    // Deep paths tell nobody anything: keep the innermost steps.
    if (error_.path.size() < 100) error_.path.insert(0, step);
    return false;
  }
  bool check_depth(int depth) {
    return depth <= max_depth_ ||
           fail("is nested more than " + std::to_string(max_depth_) + " deep");
  }

  bool write_list(const google::protobuf::ListValue& list, int depth) {
    if (!check_depth(depth)) return false;
    text_ += '[';
    for (int i = 0; i < list.values_size(); ++i) {
      if (i > 0) text_ += ',';
      if (!write(list.values(i), depth)) return fail_below("[" + std::to_string(i) + "]");
    }
    text_ += ']';
    return true;
  }

  bool write_struct(const google::protobuf::Struct& object, int depth) {
    if (!check_depth(depth)) return false;
    std::vector<const google::protobuf::Map<std::string, Value>::value_type*> fields;
    fields.reserve(object.fields().size());
    for (const auto& field : object.fields()) fields.push_back(&field);
    std::sort(fields.begin(), fields.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    text_ += '{';
    for (const auto* field : fields) {
      if (field != fields.front()) text_ += ',';
      json::append_string(text_, field->first);
      text_ += ':';
      if (!write(field->second, depth)) return fail_below("." + field->first.substr(0, 40));
    }
    text_ += '}';
    return true;
  }

  const int max_depth_;
  std::string text_;
  ValueError error_;
};

// Reads one JSON text into one Value, and gives up where a Value cannot follow.
class ValueReader {
 public:
  ValueReader(std::string_view json, ValueLimits limits) : in_(json), limits_(limits) {}

  bool read(Value& value) { return read_value(value, limits_.message_depth) && in_.finish(); }

 private:
  // Counts bytes that are sure to be needed, so that a huge tree is not built for nothing.
  bool spend(std::size_t bytes) {
    spent_ += bytes;
    return spent_ <= limits_.max_bytes;
  }

  bool read_text(std::string& text) {
    return in_.read_string(text) && !has_lone_surrogate(text) && spend(text.size());
  }

  // `depth`: nested messages that may still follow below this Value.
  bool read_value(Value& value, int depth) {
    std::string_view raw;
    if (!spend(2)) return false;  // tag and length of the Value
    switch (in_.peek()) {
      case json::Kind::kNull:
        value.set_null_value(google::protobuf::NULL_VALUE);
        return in_.skip_value(raw) && spend(2);
      case json::Kind::kBool:
        if (!in_.skip_value(raw)) return false;
        value.set_bool_value(raw == "true");
        return spend(2);
      case json::Kind::kNumber: {
        if (!in_.skip_value(raw)) return false;
        const std::optional<double> number = exact_double(raw);
        if (!number) return false;
        value.set_number_value(*number);
        return spend(9);
      }
      case json::Kind::kString:
        return read_text(*value.mutable_string_value());
      case json::Kind::kArray:
        return depth >= 1 && read_list(*value.mutable_list_value(), depth - 1);
      case json::Kind::kObject:
        return depth >= 1 && read_struct(*value.mutable_struct_value(), depth - 1);
      case json::Kind::kInvalid:
        break;
    }
    return false;
  }

  bool read_list(google::protobuf::ListValue& list, int depth) {
    if (!in_.enter_array()) return false;
    while (in_.next_element())
      if (depth < 1 || !read_value(*list.add_values(), depth - 1)) return false;
    return !in_.failed();
  }

  bool read_struct(google::protobuf::Struct& object, int depth) {
    if (!in_.enter_object()) return false;
    auto& fields = *object.mutable_fields();
    std::string key;
    while (in_.next_key(key)) {
      // Below a Struct stands a map entry, below that the Value: two messages.
      if (depth < 2 || has_lone_surrogate(key) || !spend(4 + key.size())) return false;
      if (fields.contains(key)) return false;
      if (!read_value(fields[key], depth - 2)) return false;
    }
    return !in_.failed();
  }

  json::Scanner in_;
  const ValueLimits limits_;
  std::size_t spent_ = 0;
};

}  // namespace

Result<std::string, ValueError> json_of_value(const Value& value, int max_depth) {
  ValueWriter writer(max_depth);
  if (!writer.write(value, 0)) return writer.error();
  return writer.take_text();
}

bool value_of_json(std::string_view json, ValueLimits limits, Value& value) {
  return ValueReader(json, limits).read(value);
}

std::optional<double> exact_double(std::string_view number) {
  double value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  if (read.ptr != number.data() + number.size()) return std::nullopt;
  const Decimal decimal = decimal_of(number);
  if (decimal.digits.empty()) return number.front() == '-' ? -0.0 : 0.0;
  if (read.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  // Every decimal of up to 15 digits has a double of its own (within the normal range).
  if (decimal.digits.size() <= DBL_DIG && std::fabs(value) >= DBL_MIN) return value;
  if (decimal == shortest_decimal(value) || decimal == full_decimal(value)) return value;
  return std::nullopt;
}

void append_number(std::string& out, double number) {
  const Decimal decimal = shortest_decimal(number);
  const std::string& digits = decimal.digits;
  if (digits.empty()) {
    out += '0';
    return;
  }
  if (number < 0) out += '-';
  const auto count = static_cast<long long>(digits.size());
  const long long point = decimal.exponent;  // the point's place within the digits
  if (count <= point && point <= 21) {
    out += digits;
    out.append(static_cast<std::size_t>(point - count), '0');
  } else if (0 < point && point <= 21) {
    out.append(digits, 0, static_cast<std::size_t>(point));
    out += '.';
    out.append(digits, static_cast<std::size_t>(point));
  } else if (-6 < point && point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += digits;
  } else {
    out += digits.front();
    if (count > 1) out.append(".").append(digits, 1);
    out += point > 0 ? "e+" : "e-";
    out += std::to_string(point > 0 ? point - 1 : 1 - point);
  }
}

std::string to_valid_utf8(std::string_view wtf8) {
  std::string text(wtf8);
  for (std::size_t i = 0; i + 2 < text.size(); ++i)
    if (text[i] == '\xED' && static_cast<unsigned char>(text[i + 1]) >= 0xA0)
      text.replace(i, 3, "\xEF\xBF\xBD");
  return text;
}

}  // namespace notifications::server
