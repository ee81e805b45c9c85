// notifyctl: the operators' command line.

#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "server/notifyctl/commands.h"

namespace notifications::notifyctl {
namespace {

const Command* const kCommands[] = {&kPublishCommand, &kStreamCommand, &kDemoCommand,
                                    &kHealthCommand, &kBenchCommand};

constexpr Flag kCommonFlags[] = {
    {"server", "HOST:PORT", "the gRPC front [127.0.0.1:50051] (env NOTIFICATIONS_SERVER)"},
    {"timeout", "TIME", "the longest to wait for an answer [10s]"},
    {"token", "TOKEN", "bearer token for publishing (env NOTIFICATIONS_TOKEN)"},
    {"tls_ca", "FILE", "speak TLS; the server's certificate must be of this authority, PEM"},
    {"tls_cert", "FILE", "our certificate, for a server that asks for one, PEM"},
    {"tls_key", "FILE", "its key, PEM"},
};

std::string usage(const Command* only) {
  std::string out = "Usage: notifyctl [--server HOST:PORT] COMMAND [flags]\n";
  for (const Command* command : kCommands) {
    if (only != nullptr && command != only) continue;
    out += "\n" + std::string(command->name) + ": " + std::string(command->summary) + "\n" +
           describe(command->flags);
  }
  return out + "\nEvery command:\n" + describe(kCommonFlags) +
         "  --help                    this text\n"
         "\n"
         "Exit codes:\n"
         "  0  done; also when SIGINT or SIGTERM ends stream or demo\n"
         "  1  refused or failed; health: NOT_SERVING\n"
         "  2  bad usage\n"
         "  3  server or broker not reachable, or no answer in time\n"
         "  4  the server ended the stream\n";
}

const Command* find_command(std::string_view name) {
  const auto found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                  [&](const Command* command) { return command->name == name; });
  return found == std::end(kCommands) ? nullptr : *found;
}

// A variable that is set and not empty, or `otherwise`.
std::string environment(const char* variable, const char* otherwise) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

// The command is the first word that is neither a flag nor the value of a common one, so that
// `notifyctl --server a:1 stream` works as well.
std::size_t command_index(const std::vector<std::string_view>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool takes_value =
        std::any_of(std::begin(kCommonFlags), std::end(kCommonFlags), [&](const Flag& flag) {
          return words[i].substr(0, 2) == "--" && words[i].substr(2) == flag.name;
        });
    if (takes_value)
      ++i;
    else if (words[i].substr(0, 1) != "-")
      return i;
  }
  return words.size();
}

Outcome dispatch(std::vector<std::string_view> words) {
  const std::size_t index = command_index(words);
  const Command* command = index < words.size() ? find_command(words[index]) : nullptr;
  if (std::find(words.begin(), words.end(), "--help") != words.end()) {
    std::fputs(usage(command).c_str(), stdout);
    return {};
  }
  if (words.empty()) {
    std::fputs(usage(nullptr).c_str(), stderr);
    return {kBadUsage, ""};
  }
  if (index == words.size()) return {kBadUsage, "a command is missing; see --help"};
  if (command == nullptr)
    return {kBadUsage,
            "unknown command \"" + std::string(words[index].substr(0, 100)) + "\"; see --help"};
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(index));
  std::vector<Flag> flags(command->flags.begin(), command->flags.end());
  flags.insert(flags.end(), std::begin(kCommonFlags), std::end(kCommonFlags));
  const auto arguments = Arguments::parse(flags, words);
  if (!arguments) return bad_usage(arguments.error());
  StopSignal stop(command->interrupted);
  return command->run(*arguments, stop);
}

// A standard stream that was closed must not become a connection to the server: what is opened in
// its place fails, as it did before.
void fill_closed_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free number is this one.
    if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) return;
  }
}

// What could not be printed is a failure, except to a reader that has seen enough (`| head -1`).
Outcome with_output_written(Outcome outcome) {
  if (std::fflush(stdout) == 0 || errno == EPIPE || outcome.code != kOk) return outcome;
  return {kFailed, std::string("stdout: ") + std::strerror(errno)};
}

}  // namespace

std::span<const Flag> common_flags() { return kCommonFlags; }

Result<CommonFlags, UsageError> read_common(const Arguments& arguments) {
  const auto timeout = arguments.duration("timeout", std::chrono::seconds(10));
  if (!timeout) return timeout.error();
  CommonFlags common;
  common.server = arguments.get("server", environment("NOTIFICATIONS_SERVER", "127.0.0.1:50051"));
  common.timeout = *timeout;
  common.tls = {arguments.get("tls_ca"), arguments.get("tls_cert"), arguments.get("tls_key")};
  if (common.tls.cert.empty() != common.tls.key.empty())
    return UsageError{"--tls_cert and --tls_key go together"};
  if (common.tls.ca.empty() && !common.tls.cert.empty())
    return UsageError{"--tls_cert needs --tls_ca"};
  common.token = arguments.get("token", environment("NOTIFICATIONS_TOKEN", ""));
  return common;
}

}  // namespace notifications::notifyctl

int main(int argc, char** argv) {
  using namespace notifications::notifyctl;
  // The libraries' own lines would stand between ours.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) {
    gpr_set_log_function([](gpr_log_func_args*) {});
    google::protobuf::SetLogHandler(nullptr);
  }
  fill_closed_streams();
  // A reader that went away is seen where its output is written.
  std::signal(SIGPIPE, SIG_IGN);
  // More than anything but a stream prints, so that errors are seen where it is flushed.
  std::setvbuf(stdout, nullptr, _IOFBF, 1 << 16);
  const Outcome outcome = with_output_written(dispatch({argv + 1, argv + argc}));
  if (!outcome.message.empty()) std::fprintf(stderr, "notifyctl: %s\n", outcome.message.c_str());
  return outcome.code;
}
