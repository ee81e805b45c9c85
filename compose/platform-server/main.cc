// platform-server: stands in for the platform where the whole topology is brought up. See: api.h.

#include <pthread.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "compose/platform-server/api.h"
#include "compose/platform-server/http_listener.h"
#include "notifications/publisher.h"

namespace {

constexpr std::string_view kUsage =
    "Usage: platform-server [--flag=value ...]\n\n"
    "  --listen=HOST:PORT   HTTP [0.0.0.0:3010]\n"
    "  --redis_url=URL      [redis://127.0.0.1:6379/0] (env NOTIFICATIONS_REDIS_URL)\n"
    "  --channel=NAME       [notifications.v1] (env NOTIFICATIONS_CHANNEL)\n"
    "  --help               this text\n";

struct Settings {
  std::string listen = "0.0.0.0:3010";
  notifications::Publisher::Options publisher;
};

// True if `argument` is `name=value`, which it then reads.
bool read_flag(std::string_view argument, std::string_view name, std::string& value) {
  if (argument.substr(0, name.size()) != name) return false;
  value = argument.substr(name.size());
  return true;
}

void read_environment(const char* name, std::string& value) {
  if (const char* set = std::getenv(name); set != nullptr && *set != '\0') value = set;
}

void log(std::string_view line) {
  std::fprintf(stderr, "platform-server: %.*s\n", static_cast<int>(line.size()), line.data());
}

void serve(Settings settings) {
  // Blocked before any thread starts, so that all of them inherit it and sigwait gets the signal;
  // that works for process 1, too, for which the kernel ignores signals without a handler.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  settings.publisher.log = log;
  notifications::Publisher publisher(settings.publisher);
  platform::Api api(publisher);
  const platform::HttpListener listener(settings.listen, [&api](platform::Request request) {
    return api.answer(std::move(request));
  });
  log("listening on port " + std::to_string(listener.port()));
  int signal = 0;
  sigwait(&stop, &signal);
  log("stopping");
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  read_environment("NOTIFICATIONS_REDIS_URL", settings.publisher.redis_url);
  read_environment("NOTIFICATIONS_CHANNEL", settings.publisher.channel);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help") {
      std::fputs(kUsage.data(), stdout);
      return EXIT_SUCCESS;
    }
    if (!read_flag(argument, "--listen=", settings.listen) &&
        !read_flag(argument, "--redis_url=", settings.publisher.redis_url) &&
        !read_flag(argument, "--channel=", settings.publisher.channel)) {
      log("unknown flag " + std::string(argument));
      return 2;
    }
  }
  try {
    serve(std::move(settings));
  } catch (const std::exception& error) {
    log(error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
