#include "edge/socketio/placeholders.h"

#include <set>
#include <string>
#include <vector>

#include "core/json/scanner.h"
#include "edge/websocket/js_number.h"

namespace notifications::socketio {
namespace {

// An array or object that is being read.
struct Container {
  bool object = false;
  bool wrong = false;                // an array: an element is wrong
  bool placeholder = false;          // an object: `_placeholder` is true
  bool number_valid = false;         // an object: `num` names an attachment
  std::string key;                   // an object: of the member being read
  std::set<std::string> wrong_keys;  // an object: members whose value is wrong

  // Takes the verdict on the element or member that was read.
  void add(bool member_wrong) {
    if (!object) {
      wrong = wrong || member_wrong;
    } else if (member_wrong) {
      wrong_keys.insert(key);
    } else if (!wrong_keys.empty()) {
      wrong_keys.erase(key);  // a repeated key: this value replaces the wrong one
    }
  }
  bool is_wrong() const {
    if (!object) return wrong;
    return placeholder ? !number_valid : !wrong_keys.empty();
  }
};

class PlaceholderCheck {
 public:
  PlaceholderCheck(std::string_view data, int attachments)
      : in_(data, json::kDepthLimit), attachments_(attachments) {}

  // Iterative, as the client chooses the nesting.
  bool run() {
    if (!enter()) return true;
    while (!open_.empty()) {
      Container& at = open_.back();
      if (at.object ? in_.next_key(at.key) : in_.next_element()) {
        take_value();
      } else {
        if (in_.failed()) return false;
        const bool wrong = at.is_wrong();
        open_.pop_back();
        if (open_.empty()) return !wrong;
        open_.back().add(wrong);
      }
    }
    return true;
  }

 private:
  bool enter() {
    const bool object = in_.enter_object();
    if (!object && !in_.enter_array()) return false;
    open_.emplace_back().object = object;
    return true;
  }

  void take_value() {
    Container& at = open_.back();
    const json::Kind kind = in_.peek();
    if (at.object && at.key == "_placeholder") at.placeholder = false;
    if (at.object && at.key == "num") at.number_valid = false;
    if (kind == json::Kind::kObject || kind == json::Kind::kArray) {
      enter();
      return;
    }
    std::string_view raw;
    in_.skip_value(raw);
    if (at.object && at.key == "_placeholder") at.placeholder = raw == "true";
    if (at.object && at.key == "num" && kind == json::Kind::kNumber) {
      const double number = websocket::js_to_number(raw);
      at.number_valid = number >= 0 && number < attachments_;
    }
    at.add(false);
  }

  json::Scanner in_;
  const int attachments_;
  std::vector<Container> open_;
};

}  // namespace

bool are_placeholders_valid(std::string_view data, int attachments) {
  return PlaceholderCheck(data, attachments).run();
}

}  // namespace notifications::socketio
