#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "core/json/scanner.h"

// Reads the input as JSON in the two ways the scanner has, which must agree, and as the text of a
// string.
namespace {

using namespace notifications::json;

constexpr int kDepth = 64;

void require(bool condition) {
  if (!condition) std::abort();
}

// Steps through a value member by member; what is nested deeper than `depth` is skipped as a whole.
bool walk(Scanner& in, int depth) {
  std::string text;
  std::string_view raw;
  const Kind kind = in.peek();
  if (depth > 0 && kind == Kind::kObject) {
    require(in.enter_object());
    while (in.next_key(text)) {
      if (!walk(in, depth - 1)) return false;
    }
    return !in.failed();
  }
  if (depth > 0 && kind == Kind::kArray) {
    require(in.enter_array());
    while (in.next_element()) {
      if (!walk(in, depth - 1)) return false;
    }
    return !in.failed();
  }
  if (kind == Kind::kString) return in.read_string(text);
  return in.skip_value(raw);
}

void read_as_value(std::string_view text) {
  // Deep enough that neither of the two meets its limit.
  const bool valid = is_valid(text, kDepthLimit);
  Scanner in(text, kDepthLimit);
  require((walk(in, kDepth) && in.finish()) == valid);
  if (!valid) {
    require(!is_valid(text, kDepth));
    return;
  }
  Scanner skipping(text, kDepthLimit);
  std::string_view raw;
  require(skipping.skip_value(raw));
  require(!raw.empty() && text.find(raw) != text.npos);
  require(is_valid(raw, kDepthLimit));
  require(raw.front() > ' ' && raw.back() > ' ');
  // Strings decode to what encodes to a text that decodes to the same.
  if (const auto string = decode_string(raw)) {
    std::string encoded;
    append_string(encoded, *string);
    require(is_valid(encoded));
    require(decode_string(encoded) == string);
  }
}

// Any bytes as a string's content: written as JSON they are valid or no UTF-8.
void write_as_string(std::string_view text) {
  std::string encoded;
  append_string(encoded, text);
  if (const auto decoded = decode_string(encoded)) {
    std::string again;
    append_string(again, *decoded);
    require(decode_string(again) == decoded);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_as_value(text);
  write_as_string(text);
  return 0;
}
