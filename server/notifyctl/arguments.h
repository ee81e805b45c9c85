#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace notifications::notifyctl {

// One flag of a command.
struct Flag {
  std::string_view name;
  std::string_view value;  // what its value is, for the usage; "" for a switch
  std::string_view help;
  bool repeated = false;
};

// What was wrong with the arguments: one line.
struct UsageError {
  std::string message;
};

// Arguments are a command's flags as they were given: `--flag value`, `--flag=value` or `--switch`.
class Arguments {
 public:
  // Takes flags only; an unknown one, a missing value, a stray word or a flag given twice that may
  // stand once is an error.
  static Result<Arguments, UsageError> parse(std::span<const Flag> flags,
                                             std::span<const std::string_view> words);

  bool has(std::string_view flag) const { return values_.count(std::string(flag)) != 0; }
  // The value, or `otherwise` if the flag was not given.
  std::string get(std::string_view flag, std::string_view otherwise = "") const;
  std::vector<std::string> all(std::string_view flag) const;

  // Typed values; an error names the flag.
  Result<std::uint64_t, UsageError> count(std::string_view flag, std::uint64_t otherwise) const;
  Result<double, UsageError> positive(std::string_view flag, double otherwise) const;
  Result<std::chrono::milliseconds, UsageError> duration(std::string_view flag,
                                                         std::chrono::milliseconds otherwise) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

// The lines of a usage text for some flags.
std::string describe(std::span<const Flag> flags);

}  // namespace notifications::notifyctl
