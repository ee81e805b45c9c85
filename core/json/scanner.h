#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace notifications::json {

// What a JSON value starts as.
enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject, kInvalid };

// The largest max_depth that can be asked for; nesting costs one bit of stack a level.
inline constexpr int kDepthLimit = 10'000;

// Scanner reads one JSON text front to back, checking it against RFC 8259 as it goes.
//
// It accepts exactly what RFC 8259 calls JSON: numbers of any size, escaped lone surrogates,
// repeated keys; and refuses everything else, invalid UTF-8 included. It allocates nothing but the
// strings it is asked to decode. After the first error every call fails and `error()` says what
// and where.
//
//   json::Scanner in(text);
//   if (in.enter_object())
//     while (in.next_key(key))
//       in.skip_value(raw);          // every value must be consumed before the next key
//   if (!in.finish()) report(in.error());
//
// Thread: any one. The text must outlive the scanner and the views it returned.
class Scanner {
 public:
  // `max_depth`: how many arrays and objects may be open at once within one skipped value (the
  // containers entered by enter_* do not count towards it). Requires: 0 to kDepthLimit.
  explicit Scanner(std::string_view text, int max_depth = 512)
      : text_(text), max_depth_(max_depth) {}

  // The kind of the value that starts here; consumes white space only.
  Kind peek();

  // Steps into an object or array; false, without an error, if the value here is of another kind.
  bool enter_object();
  bool enter_array();

  // Inside an object: reads the next key (decoded) and its colon. False at the closing brace,
  // which is consumed, and on an error: tell them apart with failed().
  bool next_key(std::string& key);

  // Inside an array: true if another element follows. False at the closing bracket, which is
  // consumed, and on an error.
  bool next_element();

  // Consumes a string value and decodes it (escaped lone surrogates become WTF-8).
  bool read_string(std::string& out);

  // Consumes any one value; `raw` is its exact text, without the white space around it.
  bool skip_value(std::string_view& raw);

  // True if only white space is left and nothing failed.
  bool finish();

  bool failed() const { return error_ != nullptr; }
  // Whether it failed only because a value is nested deeper than max_depth.
  bool too_deep() const;
  // A constant English phrase, or "" if nothing failed.
  const char* error() const { return error_ == nullptr ? "" : error_; }
  // Bytes consumed so far.
  std::size_t offset() const { return pos_; }

 private:
  void skip_space();
  bool fail(const char* why);
  bool scan_string(std::string* out);
  bool scan_number();
  bool scan_literal(std::string_view word);
  bool scan_scalar();
  bool scan_value();
  bool scan_member_name();
  bool scan_escape(std::string* out);
  bool scan_utf8();
  bool read_hex4(unsigned& unit);

  std::string_view text_;
  std::size_t pos_ = 0;
  int max_depth_;
  bool need_comma_ = false;  // whether a value was consumed in the container at hand
  const char* error_ = nullptr;
};

// True if `text` is one JSON text nested at most `max_depth` deep.
bool is_valid(std::string_view text, int max_depth = 512);

// Decodes the exact text of a JSON string, quotes included; nothing if it is not one.
std::optional<std::string> decode_string(std::string_view raw);

// Appends `text` (WTF-8) as a JSON string, byte for byte as JSON.stringify of Node would write it:
// \b \t \n \f \r \" \\ short, other controls \u00xx, lone surrogates \udxxx, everything else raw.
void append_string(std::string& out, std::string_view text);

}  // namespace notifications::json
