#pragma once

#include <string>

namespace notifications::notifyctl {

// How notifyctl ends, for shell scripts; documented in --help.
enum ExitCode : int {
  kOk = 0,
  kFailed = 1,       // the server refused, or the answer was no
  kBadUsage = 2,     // unknown flags, missing or bad values
  kUnreachable = 3,  // no server there, or its broker is away
  kStreamEnded = 4,  // the server ended an open stream
};

// How a command ended: its code, and one line for stderr unless it is empty.
struct Outcome {
  ExitCode code = kOk;
  std::string message;
};

}  // namespace notifications::notifyctl
