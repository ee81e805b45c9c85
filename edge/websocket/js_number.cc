#include "edge/websocket/js_number.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

namespace notifications::websocket {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trim(std::string_view text) {
  while (const std::size_t n = js_space_length(text)) text.remove_prefix(n);
  while (!text.empty()) {
    // The last character starts at most three bytes before the end.
    std::size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 3 &&
           (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) {
      --start;
    }
    if (js_space_length(text.substr(start)) != text.size() - start) break;
    text.remove_suffix(text.size() - start);
  }
  return text;
}

int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// The digits after 0x, 0o or 0b. Exact and correctly rounded up to 64 bits; beyond them the result
// may be off in its last bit, which no caller can tell apart.
double read_radix(std::string_view digits, int radix) {
  if (digits.empty()) return kNaN;
  double value = 0;
  for (const char c : digits) {
    const int digit = digit_value(c);
    if (digit >= radix) return kNaN;
    value = value * radix + digit;
  }
  return value;
}

// Whether `text` is [+-] digits [. digits] [e[+-]digits] with a digit before or after the point.
bool is_decimal_literal(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t begin = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - begin;
  };
  const auto sign = [&] {
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  };
  sign();
  std::size_t mantissa = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    mantissa += digits();
  }
  if (mantissa == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    sign();
    if (digits() == 0) return false;
  }
  return i == text.size();
}

}  // namespace

std::size_t js_space_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned a = at(0);
  if (a == ' ' || (a >= '\t' && a <= '\r')) return 1;
  if (a == 0xC2) return at(1) == 0xA0 ? 2 : 0;  // no-break space
  const unsigned tail = at(1) << 8 | at(2);
  switch (a) {
    case 0xE1:
      return tail == 0x9A80 ? 3 : 0;  // U+1680
    case 0xE2:                        // U+2000 to U+200A, 2028, 2029, 202F, 205F
      return (tail >= 0x8080 && tail <= 0x808A) || tail == 0x80A8 || tail == 0x80A9 ||
                     tail == 0x80AF || tail == 0x819F
                 ? 3
                 : 0;
    case 0xE3:
      return tail == 0x8080 ? 3 : 0;  // U+3000
    case 0xEF:
      return tail == 0xBBBF ? 3 : 0;  // the byte order mark
    default:
      return 0;
  }
}

double js_to_number(std::string_view text) {
  text = trim(text);
  if (text.empty()) return 0;
  if (text.size() > 1 && text[0] == '0') {
    const char kind = static_cast<char>(text[1] | 0x20);
    if (kind == 'x') return read_radix(text.substr(2), 16);
    if (kind == 'o') return read_radix(text.substr(2), 8);
    if (kind == 'b') return read_radix(text.substr(2), 2);
  }
  if (text == "Infinity" || text == "+Infinity") return kInfinity;
  if (text == "-Infinity") return -kInfinity;
  if (!is_decimal_literal(text)) return kNaN;
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range) {
    // Too large or too small: from_chars does not say which, strtod does.
    return std::strtod(std::string(text).c_str(), nullptr);
  }
  return value;
}

std::string js_to_string(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  if (number == 0) return "0";
  // The shortest digits that read back as the same number, as d.ddde+XX; JavaScript writes the same
  // digits and differs in where it puts the point.
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                 std::chars_format::scientific)
                       .ptr;
  std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  std::string out;
  if (text[0] == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  std::string digits(text.substr(0, 1));
  if (e > 1) digits += text.substr(2, e - 2);
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  const int count = static_cast<int>(digits.size());
  const auto zeros = [](int n) { return std::string(static_cast<std::size_t>(n), '0'); };
  if (exponent >= 21 || exponent < -6) {
    out += digits.substr(0, 1);
    if (count > 1) out += "." + digits.substr(1);
    out += exponent < 0 ? "e-" : "e+";
    return out + std::to_string(std::abs(exponent));
  }
  if (exponent < 0) return out + "0." + zeros(-exponent - 1) + digits;
  if (exponent >= count - 1) return out + digits + zeros(exponent - count + 1);
  const auto point = static_cast<std::size_t>(exponent) + 1;
  return out + digits.substr(0, point) + "." + digits.substr(point);
}

}  // namespace notifications::websocket
