#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace notifications {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError, kOff };
enum class LogFormat { kText, kJson };

std::optional<LogLevel> parse_log_level(std::string_view text);
std::optional<LogFormat> parse_log_format(std::string_view text);

// One named value of a log line. Values are escaped by the log: client-chosen text is safe.
struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), text(v) {}
  LogField(std::string_view k, const char* v) : key(k), text(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), text(v) {}
  LogField(std::string_view k, std::integral auto v)
      : key(k), text(std::to_string(v)), bare(true) {}
  LogField(std::string_view k, std::chrono::milliseconds v)
      : key(k), text(std::to_string(v.count()) + "ms") {}

  std::string_view key;
  std::string text;
  bool bare = false;  // a JSON number rather than a string
};

// Log writes one line per fact to stderr: `<time> <level> <event> key=value ...`, or one JSON
// object with `time`, `level`, `msg` and the fields.
//
// `event` is a constant phrase ("listening", "client closed"), so that lines can be searched for.
// Thread: any.
class Log {
 public:
  using Write = std::function<void(std::string_view line)>;  // line ends in \n

  Log(LogLevel level, LogFormat format, Write write = {});  // default: stderr, one write(2) a line

  void trace(std::string_view event, std::initializer_list<LogField> fields = {});
  void debug(std::string_view event, std::initializer_list<LogField> fields = {});
  void info(std::string_view event, std::initializer_list<LogField> fields = {});
  void warn(std::string_view event, std::initializer_list<LogField> fields = {});
  void error(std::string_view event, std::initializer_list<LogField> fields = {});

  bool enabled(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }
  LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

 private:
  void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);

  const LogFormat format_;
  const Write write_;
  std::atomic<LogLevel> level_;
};

// LogLimit lets one line through per interval and counts the others, for lines that a peer can
// cause: `if (auto n = limit.admit()) log.warn("...", {{"suppressed", *n}})`.
// Thread: any.
class LogLimit {
 public:
  explicit LogLimit(std::chrono::milliseconds interval) : interval_(interval) {}
  // The number of lines held back since the last one let through; nothing if this one is held back.
  std::optional<std::uint64_t> admit(
      std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now());

 private:
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::optional<std::chrono::steady_clock::time_point> last_;  // guarded by mutex_
  std::uint64_t suppressed_ = 0;                               // guarded by mutex_
};

}  // namespace notifications
