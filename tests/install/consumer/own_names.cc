// A program that speaks of notifications, too: these names must not meet those inside the library.

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace notifications {

struct Envelope {
  virtual ~Envelope() = default;
  std::vector<Envelope> enclosed;
};

std::string new_uuid() { std::abort(); }
bool is_valid_room(std::string_view) { std::abort(); }
std::string encode_envelope(const Envelope&) { std::abort(); }

namespace json {
bool is_valid(std::string_view, int) { std::abort(); }
}  // namespace json

}  // namespace notifications

std::string own_names() {
  notifications::Envelope envelope;
  envelope.enclosed.resize(3);
  return "own names apart";
}
