// A program that speaks of notifications, too: these names must not meet those inside the library.
// Nor must what both take from the standard library as inline functions with statics.

#include <cstdlib>
#include <memory>
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
  envelope.enclosed.resize(static_cast<std::size_t>(std::stoi(std::to_string(3u))));
  const auto text = std::make_shared<std::string>("own names apart");
  return std::to_string(envelope.enclosed.size()) == "3" ? *text : "";
}
