#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/room.h"
#include "core/room_interest.h"

// Reads the input as a room and as a pattern, and joins it: the rules must agree with each other.
namespace {

using namespace notifications;

void require(bool condition) {
  if (!condition) std::abort();
}

// The rule of the contract once more, in other words.
bool is_room_by_the_book(std::string_view text) {
  if (text == "graph" || text == "threads") return true;
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return false;
  std::string prefix(text.substr(0, colon));
  for (char& c : prefix) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const std::string_view id = text.substr(colon + 1);
  static constexpr std::string_view kId =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";
  return (prefix == "thread" || prefix == "run" || prefix == "node") && !id.empty() &&
         id.size() <= 64 && id.find_first_not_of(kId) == id.npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool valid = is_valid_room(text);
  require(valid == is_room_by_the_book(text));
  const auto pattern = parse_room_pattern(text);
  if (valid) {
    require(pattern && pattern->scope == RoomPattern::Scope::kExact && pattern->room == text);
    require(room_kind(text).has_value() == (text.find(':') != text.npos));
  }
  if (!pattern) return 0;

  RoomInterest interest;
  interest.add(*pattern, 1);
  const std::vector<std::string> rooms = {valid ? std::string(text) : "thread:1", "run:1",
                                          "node:1"};
  require(interest.interested(rooms) == 2);
  interest.remove(*pattern, 1);
  require(interest.interested(rooms) == 0 && interest.rooms() == 0);
  return 0;
}
