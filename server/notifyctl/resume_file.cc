#include "server/notifyctl/resume_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/position.h"

namespace notifications::notifyctl {
namespace {

// What a server takes for a cursor at most.
constexpr std::size_t kMaxCursorBytes = 256;

Outcome problem(std::string_view what, const std::string& path) {
  return {kFailed, "--resume_file: " + std::string(what) + " " + path + ": " + strerror(errno)};
}

bool is_cursor(std::string_view text) {
  return text.size() <= kMaxCursorBytes && std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) > ' ' && c != 0x7f;
         });
}

// The position at the end of the last line of `text`, which json_line() wrote.
std::optional<Position> last_position(std::string_view text) {
  constexpr std::string_view kKey = ",\"position\":\"";
  constexpr std::string_view kEnd = "\"}";
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (text.size() < kEnd.size() || text.substr(text.size() - kEnd.size()) != kEnd)
    return std::nullopt;
  text.remove_suffix(kEnd.size());
  const std::size_t key = text.rfind(kKey);
  if (key == std::string_view::npos) return std::nullopt;
  return parse_position(text.substr(key + kKey.size()));
}

}  // namespace

Result<ResumeFile, Outcome> ResumeFile::open(std::string path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return ResumeFile(std::move(path), "");
  if (file < 0) return problem("cannot read", path);
  std::array<char, kMaxCursorBytes + 2> buffer;
  const ssize_t size = ::read(file, buffer.data(), buffer.size());
  const Outcome unread = problem("cannot read", path);
  ::close(file);
  if (size < 0) return unread;
  std::string cursor(buffer.data(), static_cast<std::size_t>(size));
  if (!cursor.empty() && cursor.back() == '\n') cursor.pop_back();
  if (!is_cursor(cursor)) return Outcome{kFailed, "--resume_file: " + path + " holds no cursor"};
  return ResumeFile(std::move(path), std::move(cursor));
}

void ResumeFile::catch_up_with(int output) {
  struct stat status;
  if (::fstat(output, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return;
  // The descriptor itself is open for writing only.
  const std::string itself = "/proc/self/fd/" + std::to_string(output);
  const int file = ::open(itself.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  std::array<char, 2 * kMaxCursorBytes> buffer;
  const auto from = std::max<off_t>(0, status.st_size - static_cast<off_t>(buffer.size()));
  const ssize_t size = ::pread(file, buffer.data(), buffer.size(), from);
  ::close(file);
  if (size <= 0) return;
  const std::string_view tail(buffer.data(), static_cast<std::size_t>(size));
  if (tail.back() != '\n') std::fputc('\n', stdout);
  const auto known = parse_position(cursor_);
  const auto written = last_position(tail);
  if (known && written && known->epoch == written->epoch && known->id < written->id)
    cursor_ = written->text();
}

std::optional<Outcome> ResumeFile::save(const std::string& cursor) {
  if (cursor.empty() || cursor == cursor_) return std::nullopt;
  const std::string next = path_ + ".next";
  const int file = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return problem("cannot write", next);
  const std::string text = cursor + "\n";
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const Outcome unwritten = problem("cannot write", next);
  ::close(file);
  if (!written) return unwritten;
  if (::rename(next.c_str(), path_.c_str()) != 0) return problem("cannot replace", path_);
  cursor_ = cursor;
  return std::nullopt;
}

}  // namespace notifications::notifyctl
