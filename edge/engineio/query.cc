#include "edge/engineio/query.h"

#include <algorithm>

namespace notifications::engineio {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Decodes `+` and %XX; a % that no two hex digits follow stands for itself.
// See: URL Standard, application/x-www-form-urlencoded parsing.
std::string form_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (text[i] == '%' && high >= 0 && low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

Query parse_query(std::string_view target) {
  Query query;
  target = target.substr(0, target.find('#'));
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return query;
  target.remove_prefix(mark + 1);
  for (std::size_t begin = 0; begin <= target.size();) {
    const std::size_t end = std::min(target.find('&', begin), target.size());
    const std::string_view pair = target.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string key = form_decode(pair.substr(0, equals));
    auto* const value = key == "EIO"         ? &query.eio
                        : key == "transport" ? &query.transport
                        : key == "sid"       ? &query.sid
                                             : nullptr;
    if (value != nullptr) *value = form_decode(pair.substr(std::min(equals + 1, pair.size())));
  }
  return query;
}

bool is_under_path(std::string_view target, std::string_view path) {
  return target.size() > path.size() && target.substr(0, path.size()) == path &&
         target[path.size()] == '/';
}

}  // namespace notifications::engineio
