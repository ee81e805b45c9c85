#include "core/json/scanner.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace notifications::json {
namespace {

constexpr const char* kTooDeep = "nested too deep";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// How many bytes from `p` on are plain string characters: ASCII, no quote, backslash or control.
// Eight at a time: strings are most of an envelope, and this is the loop that reads them.
std::size_t plain_run(const char* p, std::size_t size) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ull;
  constexpr std::uint64_t kHighs = 0x8080808080808080ull;
  const auto zero_bytes = [](std::uint64_t v) { return (v - kOnes) & ~v & kHighs; };
  std::size_t n = 0;
  for (; n + 8 <= size; n += 8) {
    std::uint64_t word;
    std::memcpy(&word, p + n, 8);
    const std::uint64_t control = (word - kOnes * 0x20) & ~word;
    const std::uint64_t special =
        (word | control | zero_bytes(word ^ (kOnes * '"')) | zero_bytes(word ^ (kOnes * '\\'))) &
        kHighs;
    if (special != 0) return n + static_cast<std::size_t>(__builtin_ctzll(special)) / 8;
  }
  for (; n < size; ++n) {
    const auto c = static_cast<unsigned char>(p[n]);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
  }
  return n;
}

// Appends one code point; surrogates too (WTF-8).
void append_code_point(std::string& out, unsigned c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

}  // namespace

bool Scanner::fail(const char* why) {
  if (error_ == nullptr) error_ = why;
  return false;
}

bool Scanner::too_deep() const { return error_ == kTooDeep; }

void Scanner::skip_space() {
  while (pos_ < text_.size()) {
    const char c = text_[pos_];
    if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
    ++pos_;
  }
}

Kind Scanner::peek() {
  if (failed()) return Kind::kInvalid;
  skip_space();
  if (pos_ == text_.size()) return Kind::kInvalid;
  switch (text_[pos_]) {
    case '{':
      return Kind::kObject;
    case '[':
      return Kind::kArray;
    case '"':
      return Kind::kString;
    case 't':
    case 'f':
      return Kind::kBool;
    case 'n':
      return Kind::kNull;
    default:
      return text_[pos_] == '-' || is_digit(text_[pos_]) ? Kind::kNumber : Kind::kInvalid;
  }
}

bool Scanner::enter_object() {
  if (peek() != Kind::kObject) return false;
  ++pos_;
  need_comma_ = false;
  return true;
}

bool Scanner::enter_array() {
  if (peek() != Kind::kArray) return false;
  ++pos_;
  need_comma_ = false;
  return true;
}

bool Scanner::next_key(std::string& key) {
  if (failed()) return false;
  skip_space();
  if (pos_ == text_.size()) return fail("unterminated object");
  if (text_[pos_] == '}') {
    ++pos_;
    need_comma_ = true;
    return false;
  }
  if (need_comma_) {
    if (text_[pos_] != ',') return fail("expected , or } in an object");
    ++pos_;
    skip_space();
  }
  if (pos_ == text_.size() || text_[pos_] != '"') return fail("expected a string as key");
  key.clear();
  if (!scan_string(&key)) return false;
  skip_space();
  if (pos_ == text_.size() || text_[pos_] != ':') return fail("expected : after a key");
  ++pos_;
  need_comma_ = true;
  return true;
}

bool Scanner::next_element() {
  if (failed()) return false;
  skip_space();
  if (pos_ == text_.size()) return fail("unterminated array");
  if (text_[pos_] == ']') {
    ++pos_;
    need_comma_ = true;
    return false;
  }
  if (need_comma_) {
    if (text_[pos_] != ',') return fail("expected , or ] in an array");
    ++pos_;
  }
  need_comma_ = true;
  return true;
}

bool Scanner::read_string(std::string& out) {
  if (peek() != Kind::kString) return fail("expected a string");
  out.clear();
  return scan_string(&out);
}

bool Scanner::skip_value(std::string_view& raw) {
  if (failed()) return false;
  skip_space();
  const std::size_t begin = pos_;
  if (!scan_value()) return false;
  raw = text_.substr(begin, pos_ - begin);
  return true;
}

bool Scanner::finish() {
  if (failed()) return false;
  skip_space();
  return pos_ == text_.size() || fail("text after the value");
}

bool Scanner::scan_string(std::string* out) {
  ++pos_;  // the quote
  while (true) {
    const std::size_t run = plain_run(text_.data() + pos_, text_.size() - pos_);
    if (out != nullptr) out->append(text_, pos_, run);
    pos_ += run;
    if (pos_ == text_.size()) return fail("unterminated string");
    const auto c = static_cast<unsigned char>(text_[pos_]);
    if (c == '"') {
      ++pos_;
      return true;
    }
    if (c == '\\') {
      if (!scan_escape(out)) return false;
    } else if (c >= 0x80) {
      const std::size_t begin = pos_;
      if (!scan_utf8()) return false;
      if (out != nullptr) out->append(text_, begin, pos_ - begin);
    } else {
      return fail("control character in a string");
    }
  }
}

bool Scanner::read_hex4(unsigned& unit) {
  if (text_.size() - pos_ < 4) return fail("bad \\u escape");
  unit = 0;
  for (int i = 0; i < 4; ++i, ++pos_) {
    const char c = text_[pos_];
    unsigned digit;
    if (is_digit(c)) {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A') + 10;
    } else {
      return fail("bad \\u escape");
    }
    unit = unit * 16 + digit;
  }
  return true;
}

bool Scanner::scan_escape(std::string* out) {
  ++pos_;  // the backslash
  if (pos_ == text_.size()) return fail("unterminated string");
  char plain = 0;
  switch (text_[pos_++]) {
    case '"':
      plain = '"';
      break;
    case '\\':
      plain = '\\';
      break;
    case '/':
      plain = '/';
      break;
    case 'b':
      plain = '\b';
      break;
    case 'f':
      plain = '\f';
      break;
    case 'n':
      plain = '\n';
      break;
    case 'r':
      plain = '\r';
      break;
    case 't':
      plain = '\t';
      break;
    case 'u':
      break;
    default:
      return fail("bad escape");
  }
  if (plain != 0) {
    if (out != nullptr) *out += plain;
    return true;
  }
  unsigned unit;
  if (!read_hex4(unit)) return false;
  // A high surrogate joins the low one that follows it directly; any other stands alone.
  if (unit >= 0xD800 && unit < 0xDC00 && text_.substr(pos_, 2) == "\\u") {
    const std::size_t second = pos_;
    pos_ += 2;
    unsigned low;
    if (!read_hex4(low)) return false;
    if (low >= 0xDC00 && low < 0xE000) {
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    } else {
      pos_ = second;
    }
  }
  if (out != nullptr) append_code_point(*out, unit);
  return true;
}

// Well-formed sequences only: no overlong forms, no surrogates, nothing above U+10FFFF.
// See: The Unicode Standard, table 3-7.
bool Scanner::scan_utf8() {
  const auto at = [this](std::size_t i) {
    return pos_ + i < text_.size() ? static_cast<unsigned char>(text_[pos_ + i]) : 0u;
  };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xC0) == 0x80; };
  const unsigned a = at(0);
  const unsigned b = at(1);
  std::size_t length = 0;
  if (a >= 0xC2 && a <= 0xDF && tail(1)) {
    length = 2;
  } else if (a >= 0xE0 && a <= 0xEF && tail(1) && tail(2) && (a != 0xE0 || b >= 0xA0) &&
             (a != 0xED || b <= 0x9F)) {
    length = 3;
  } else if (a >= 0xF0 && a <= 0xF4 && tail(1) && tail(2) && tail(3) && (a != 0xF0 || b >= 0x90) &&
             (a != 0xF4 || b <= 0x8F)) {
    length = 4;
  } else {
    return fail("invalid UTF-8");
  }
  pos_ += length;
  return true;
}

bool Scanner::scan_number() {
  const auto digit_here = [this] { return pos_ < text_.size() && is_digit(text_[pos_]); };
  const auto digits = [&] {
    if (!digit_here()) return fail("bad number");
    while (digit_here()) ++pos_;
    return true;
  };
  if (text_[pos_] == '-') ++pos_;
  if (pos_ < text_.size() && text_[pos_] == '0') {
    ++pos_;
  } else if (!digits()) {
    return false;
  }
  if (pos_ < text_.size() && text_[pos_] == '.') {
    ++pos_;
    if (!digits()) return false;
  }
  if (pos_ < text_.size() && (text_[pos_] == 'e' || text_[pos_] == 'E')) {
    ++pos_;
    if (pos_ < text_.size() && (text_[pos_] == '+' || text_[pos_] == '-')) ++pos_;
    if (!digits()) return false;
  }
  return true;
}

bool Scanner::scan_literal(std::string_view word) {
  if (text_.substr(pos_, word.size()) != word) return fail("unknown literal");
  pos_ += word.size();
  return true;
}

bool Scanner::scan_scalar() {
  switch (text_[pos_]) {
    case '"':
      return scan_string(nullptr);
    case 't':
      return scan_literal("true");
    case 'f':
      return scan_literal("false");
    case 'n':
      return scan_literal("null");
    default:
      if (text_[pos_] == '-' || is_digit(text_[pos_])) return scan_number();
      return fail("expected a value");
  }
}

bool Scanner::scan_member_name() {
  if (pos_ == text_.size() || text_[pos_] != '"') return fail("expected a string as key");
  if (!scan_string(nullptr)) return false;
  skip_space();
  if (pos_ == text_.size() || text_[pos_] != ':') return fail("expected : after a key");
  ++pos_;
  return true;
}

// Iterative: an attacker chooses the nesting, and must not choose our stack.
bool Scanner::scan_value() {
  std::array<std::uint64_t, kDepthLimit / 64 + 1> objects;  // one bit a level: object or array
  int depth = 0;
  const auto in_object = [&] {
    return ((objects[static_cast<std::size_t>(depth - 1) / 64] >> ((depth - 1) % 64)) & 1) != 0;
  };
  while (true) {
    // A value starts here.
    skip_space();
    if (pos_ == text_.size()) return fail("expected a value");
    const char c = text_[pos_];
    if (c == '{' || c == '[') {
      if (depth == max_depth_) return fail(kTooDeep);
      auto& word = objects[static_cast<std::size_t>(depth) / 64];
      const std::uint64_t bit = 1ull << (depth % 64);
      word = c == '{' ? word | bit : word & ~bit;
      ++depth;
      ++pos_;
      skip_space();
      const bool empty = pos_ < text_.size() && text_[pos_] == (c == '{' ? '}' : ']');
      if (!empty) {
        if (c == '{' && !scan_member_name()) return false;
        continue;
      }
      ++pos_;
      --depth;
    } else if (!scan_scalar()) {
      return false;
    }
    // A value ended here: close what closes, until another one starts.
    while (true) {
      if (depth == 0) return true;
      skip_space();
      if (pos_ == text_.size()) return fail("unterminated array or object");
      const char d = text_[pos_];
      if (d == ',') {
        ++pos_;
        skip_space();
        if (in_object() && !scan_member_name()) return false;
        break;
      }
      if (d != (in_object() ? '}' : ']')) return fail("expected , or a closing bracket");
      ++pos_;
      --depth;
    }
  }
}

bool is_valid(std::string_view text, int max_depth) {
  Scanner in(text, max_depth);
  std::string_view raw;
  return in.skip_value(raw) && in.finish();
}

std::optional<std::string> decode_string(std::string_view raw) {
  Scanner in(raw);
  std::string out;
  if (!in.read_string(out) || !in.finish()) return std::nullopt;
  return out;
}

void append_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto append_unit = [&out](unsigned unit) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(unit >> shift) & 0xF];
  };
  out += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default: {
        const bool surrogate =
            c == 0xED && i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xA0;
        if (c < 0x20) {
          append_unit(c);
        } else if (surrogate) {
          const auto b = static_cast<unsigned char>(text[i + 1]);
          const auto d = static_cast<unsigned char>(text[i + 2]);
          append_unit(0xD000u | (static_cast<unsigned>(b & 0x3F) << 6) | (d & 0x3Fu));
          i += 2;
        } else {
          out += static_cast<char>(c);
        }
      }
    }
  }
  out += '"';
}

}  // namespace notifications::json
