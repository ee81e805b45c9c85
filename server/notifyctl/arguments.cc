#include "server/notifyctl/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/settings.h"

namespace notifications::notifyctl {
namespace {

// A word of the command line in an error message: short, and on one line.
std::string shown(std::string_view word) {
  std::string out(word.substr(0, 100));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return "\"" + out + "\"";
}

template <class T>
std::optional<T> number(const std::string& text) {
  T value{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

UsageError bad_value(std::string_view flag, std::string_view expected, std::string_view text) {
  return {"--" + std::string(flag) + ": expected " + std::string(expected) + ", got " +
          shown(text)};
}

}  // namespace

Result<Arguments, UsageError> Arguments::parse(std::span<const Flag> flags,
                                               std::span<const std::string_view> words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word.substr(0, 2) != "--" || word == "--")
      return UsageError{"unexpected argument " + shown(word) + "; see --help"};
    const std::size_t equals = std::min(word.find('='), word.size());
    std::string name(word.substr(2, equals - 2));
    // As people know it from elsewhere: --resume-file.
    std::replace(name.begin(), name.end(), '-', '_');
    const auto flag =
        std::find_if(flags.begin(), flags.end(), [&](const Flag& f) { return f.name == name; });
    if (flag == flags.end())
      return UsageError{"unknown flag " + shown(word.substr(0, equals)) + "; see --help"};
    std::string_view value;
    if (flag->value.empty()) {
      if (equals != word.size()) return UsageError{"--" + name + " takes no value"};
    } else if (equals != word.size()) {
      value = word.substr(equals + 1);
    } else if (i + 1 < words.size()) {
      value = words[++i];
    } else {
      return UsageError{"--" + name + " needs a value: " + std::string(flag->value)};
    }
    std::vector<std::string>& values = arguments.values_[name];
    if (!values.empty() && !flag->repeated) return UsageError{"--" + name + " is given twice"};
    values.emplace_back(value);
  }
  return arguments;
}

std::string Arguments::get(std::string_view flag, std::string_view otherwise) const {
  const auto found = values_.find(flag);
  return found == values_.end() ? std::string(otherwise) : found->second.front();
}

std::vector<std::string> Arguments::all(std::string_view flag) const {
  const auto found = values_.find(flag);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

Result<std::uint64_t, UsageError> Arguments::count(std::string_view flag,
                                                   std::uint64_t otherwise) const {
  if (!has(flag)) return otherwise;
  const auto value = number<std::uint64_t>(get(flag));
  if (!value || *value == 0) return bad_value(flag, "a whole number from 1", get(flag));
  return *value;
}

Result<double, UsageError> Arguments::positive(std::string_view flag, double otherwise) const {
  if (!has(flag)) return otherwise;
  const auto value = number<double>(get(flag));
  if (!value || !std::isfinite(*value) || *value < 0.001 || *value > 1e6)
    return bad_value(flag, "a number from 0.001 to 1000000", get(flag));
  return *value;
}

Result<std::chrono::milliseconds, UsageError> Arguments::duration(
    std::string_view flag, std::chrono::milliseconds otherwise) const {
  if (!has(flag)) return otherwise;
  const auto value = parse_duration(get(flag));
  if (!value || value->count() == 0)
    return bad_value(flag, "a duration such as 5s or 500ms", get(flag));
  return *value;
}

std::string describe(std::span<const Flag> flags) {
  std::string out;
  for (const Flag& flag : flags) {
    std::string left = "  --" + std::string(flag.name);
    if (!flag.value.empty()) left += " " + std::string(flag.value);
    left.resize(std::max<std::size_t>(left.size() + 1, 28), ' ');
    out += left + std::string(flag.help) + "\n";
  }
  return out;
}

}  // namespace notifications::notifyctl
