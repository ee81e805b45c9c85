#include "core/log.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>

#include "core/envelope_codec.h"
#include "core/json/scanner.h"

namespace notifications {
namespace {

constexpr std::array<std::string_view, 6> kLevels = {"trace", "debug", "info",
                                                     "warn",  "error", "off"};

bool is_plain(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || static_cast<unsigned char>(c) >= 0x7F) {
      return false;
    }
  }
  return !text.empty();
}

// Text of a peer may hold anything: what is not UTF-8 must not reach the log as it is.
std::string printable(std::string_view text) {
  std::string quoted;
  json::append_string(quoted, text);
  if (json::is_valid(quoted)) return quoted;
  std::string ascii;
  for (const char c : text) ascii += static_cast<unsigned char>(c) < 0x80 ? c : '?';
  quoted.clear();
  json::append_string(quoted, ascii);
  return quoted;
}

void write_to_stderr(std::string_view line) {
  // One write(2) a line, so that lines of several threads and processes do not mix.
  while (!line.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
    if (n <= 0) return;  // nobody reads the log: the program goes on
    line.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    if (kLevels[i] == text) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

std::optional<LogFormat> parse_log_format(std::string_view text) {
  if (text == "text") return LogFormat::kText;
  if (text == "json") return LogFormat::kJson;
  return std::nullopt;
}

Log::Log(LogLevel level, LogFormat format, Write write)
    : format_(format), write_(write ? std::move(write) : write_to_stderr), level_(level) {}

void Log::trace(std::string_view event, std::initializer_list<LogField> fields) {
  write(LogLevel::kTrace, event, fields);
}
void Log::debug(std::string_view event, std::initializer_list<LogField> fields) {
  write(LogLevel::kDebug, event, fields);
}
void Log::info(std::string_view event, std::initializer_list<LogField> fields) {
  write(LogLevel::kInfo, event, fields);
}
void Log::warn(std::string_view event, std::initializer_list<LogField> fields) {
  write(LogLevel::kWarn, event, fields);
}
void Log::error(std::string_view event, std::initializer_list<LogField> fields) {
  write(LogLevel::kError, event, fields);
}

void Log::write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!enabled(level)) return;
  const std::string time = format_timestamp(std::chrono::system_clock::now());
  const std::string_view level_name = kLevels[static_cast<std::size_t>(level)];
  std::string line;
  line.reserve(160);
  if (format_ == LogFormat::kText) {
    line.append(time).append(" ").append(level_name).append(" ").append(event);
    for (const LogField& field : fields) {
      line.append(" ").append(field.key).append("=");
      line += is_plain(field.text) ? field.text : printable(field.text);
    }
  } else {
    line.append("{\"time\":\"").append(time).append("\",\"level\":\"").append(level_name);
    line.append("\",\"msg\":").append(printable(event));
    for (const LogField& field : fields) {
      line.append(",").append(printable(field.key)).append(":");
      line += field.bare ? field.text : printable(field.text);
    }
    line += '}';
  }
  line += '\n';
  write_(line);
}

std::optional<std::uint64_t> LogLimit::admit(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (last_ && now - *last_ < interval_) {
    ++suppressed_;
    return std::nullopt;
  }
  last_ = now;
  return std::exchange(suppressed_, 0);
}

}  // namespace notifications
