#pragma once

#include <span>
#include <string_view>

#include "server/notifyctl/arguments.h"
#include "server/notifyctl/client.h"
#include "server/notifyctl/exit_code.h"
#include "server/notifyctl/stop_signal.h"

namespace notifications::notifyctl {

// One command: its place in the usage, its flags, and what it does. All of them also take --server
// and --timeout.
struct Command {
  std::string_view name;
  std::string_view summary;
  std::span<const Flag> flags;
  Outcome (*run)(const Arguments& arguments, StopSignal& stop);
  int interrupted = 128 + SIGINT;  // exit code of a signal's end
};

extern const Command kPublishCommand;
extern const Command kStreamCommand;
extern const Command kDemoCommand;
extern const Command kHealthCommand;
extern const Command kBenchCommand;

// What every command takes.
struct CommonFlags {
  std::string server;
  std::chrono::milliseconds timeout{0};
  TlsOptions tls;
  std::string token;  // sent with each publish; "" for none
};
std::span<const Flag> common_flags();
Result<CommonFlags, UsageError> read_common(const Arguments& arguments);

inline Outcome bad_usage(const UsageError& error) { return {kBadUsage, error.message}; }

}  // namespace notifications::notifyctl
