#pragma once

#include <optional>
#include <string>

#include "core/result.h"
#include "server/notifyctl/exit_code.h"

namespace notifications::notifyctl {

// ResumeFile keeps the cursor of a stream in a file, so that the next run goes on where this one
// ended, however it ended.
//
// Each line is written first and the cursor then. A run that was killed in between has written a
// line that the file does not know: where the lines go into a regular file, the last one is looked
// at, and so it does not come twice. Into a pipe it may, with the same position.
//
// Thread: one.
class ResumeFile {
 public:
  // Reads the cursor; a file that is missing or empty holds none. Fails for a file that cannot be
  // read, or holds something else.
  static Result<ResumeFile, Outcome> open(std::string path);

  const std::string& cursor() const { return cursor_; }

  // Takes the position of the last line in `output` for the cursor, if it is the later one, and
  // ends a line there that was cut off. Anything but a regular file is left alone.
  void catch_up_with(int output);

  // Replaces the cursor, in one step for whoever reads the file. Why it could not be done, or
  // nothing.
  std::optional<Outcome> save(const std::string& cursor);

 private:
  ResumeFile(std::string path, std::string cursor)
      : path_(std::move(path)), cursor_(std::move(cursor)) {}

  std::string path_;
  std::string cursor_;
};

}  // namespace notifications::notifyctl
