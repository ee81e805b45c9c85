#include "core/settings.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <thread>

#include "core/room_interest.h"

namespace notifications {
namespace {

using std::chrono::milliseconds;

// Which programs take a flag.
enum Takers : unsigned { kEdgeOnly = 1, kServerOnly = 2, kGatewayToo = 4 };
constexpr unsigned kFronts = kEdgeOnly | kGatewayToo;
constexpr unsigned kGrpc = kServerOnly | kGatewayToo;
constexpr unsigned kAll = kEdgeOnly | kServerOnly | kGatewayToo;

unsigned taker(Program program) {
  switch (program) {
    case Program::kEdge:
      return kEdgeOnly;
    case Program::kServer:
      return kServerOnly;
    default:
      return kGatewayToo;
  }
}

// Says what is wrong with a value, or nothing if it was taken.
using Problem = std::optional<std::string>;
using Take = std::function<Problem(Settings&, std::string_view)>;

struct Flag {
  std::string_view name;
  unsigned takers;
  std::vector<const char*> environment;  // the first that is set and not empty counts
  std::string_view value;                // what the value is, for the usage
  std::string_view help;
  Take take;
};

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What stood on the command line, fit for one line on a terminal.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 200)) out += c >= ' ' && c < 127 ? c : '?';
  return out + "\"";
}

Take address(Address Settings::*field) {
  return [field](Settings& settings, std::string_view text) -> Problem {
    const auto parsed = parse_address(text);
    if (!parsed) return "expected host:port";
    settings.*field = *parsed;
    return std::nullopt;
  };
}

Take duration(milliseconds Settings::*field, milliseconds least) {
  return [=](Settings& settings, std::string_view text) -> Problem {
    const auto parsed = parse_duration(text);
    if (!parsed) return "expected a duration such as 25s or 500ms";
    if (*parsed < least) return "must be at least " + std::to_string(least.count()) + "ms";
    settings.*field = *parsed;
    return std::nullopt;
  };
}

Take size(std::uint64_t Settings::*field, std::uint64_t least, std::uint64_t most) {
  return [=](Settings& settings, std::string_view text) -> Problem {
    const auto parsed = parse_size(text);
    if (!parsed) return "expected a number, or one with KiB, MiB or GiB";
    if (*parsed < least || *parsed > most) {
      return "must be from " + std::to_string(least) + " to " + std::to_string(most);
    }
    settings.*field = *parsed;
    return std::nullopt;
  };
}

Take on_off(bool Settings::*field) {
  return [field](Settings& settings, std::string_view text) -> Problem {
    if (text != "on" && text != "off" && text != "true" && text != "false") {
      return "expected on or off";
    }
    settings.*field = text == "on" || text == "true";
    return std::nullopt;
  };
}

Problem take_channel(Settings& settings, std::string_view text) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
  if (text.empty() || text.size() > 200 || !plain) {
    return "expected 1 to 200 printable ASCII characters without spaces";
  }
  settings.channel = text;
  return std::nullopt;
}

Problem take_redis_url(Settings& settings, std::string_view text) {
  auto url = redis::parse_url(text);
  if (!url) return url.error().message;
  settings.redis_url = *url;
  return std::nullopt;
}

Problem take_path(Settings& settings, std::string_view text) {
  while (text.size() > 1 && text.back() == '/') text.remove_suffix(1);
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 127 && c != '?' && c != '#' && c != '%';
  });
  if (text.size() < 2 || text.front() != '/' || !plain) return "expected a path such as /socket.io";
  settings.socket_io_path = text;
  return std::nullopt;
}

Problem take_threads(Settings& settings, std::string_view text) {
  const auto parsed = parse_number<int>(text);
  constexpr int kMost = kMaxShards - 1;
  if (!parsed || *parsed < 0 || *parsed > kMost) {
    return "expected a number from 0 to " + std::to_string(kMost);
  }
  settings.threads = *parsed;
  return std::nullopt;
}

Problem take_delivery(Settings& settings, std::string_view text) {
  if (text != "once" && text != "per_room") return "expected once or per_room";
  settings.delivery = text == "once" ? Delivery::kOnce : Delivery::kPerRoom;
  return std::nullopt;
}

Problem take_origins(Settings& settings, std::string_view text) {
  settings.allowed_origins.clear();
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view origin = text.substr(0, comma);
    while (!origin.empty() && origin.front() == ' ') origin.remove_prefix(1);
    while (!origin.empty() && origin.back() == ' ') origin.remove_suffix(1);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (origin.empty()) continue;
    const bool whole = origin == "*" || origin == "null" ||
                       (origin.find("://") != origin.npos &&
                        origin.find('/', origin.find("://") + 3) == origin.npos);
    if (!whole) return in_quotes(origin) + " is no origin such as https://example.com";
    settings.allowed_origins.emplace_back(origin);
  }
  if (settings.allowed_origins.empty()) return "expected * or origins separated by commas";
  return std::nullopt;
}

bool is_token(std::string_view text) {
  return text.size() >= 16 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

Problem take_admin_token(Settings& settings, std::string_view text) {
  if (!is_token(text)) return "expected at least 16 printable characters without spaces";
  settings.admin_token = text;
  return std::nullopt;
}

Problem take_publish_tokens(Settings& settings, std::string_view text) {
  settings.publish_tokens.clear();
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (!is_token(text.substr(0, comma))) {
      return "expected tokens of at least 16 printable characters, separated by commas";
    }
    settings.publish_tokens.emplace_back(text.substr(0, comma));
    if (comma == text.size()) return std::nullopt;
    text.remove_prefix(comma + 1);
  }
}

Take file(std::string Settings::*field) {
  return [field](Settings& settings, std::string_view text) -> Problem {
    if (text.empty()) return "expected the name of a file";
    settings.*field = text;
    return std::nullopt;
  };
}

Problem take_log_level(Settings& settings, std::string_view text) {
  const auto level = parse_log_level(text);
  if (!level) return "expected trace, debug, info, warn, error or off";
  settings.log_level = *level;
  return std::nullopt;
}

Problem take_log_format(Settings& settings, std::string_view text) {
  const auto format = parse_log_format(text);
  if (!format) return "expected text or json";
  settings.log_format = *format;
  return std::nullopt;
}

// See: CONTRACT section 1.
std::vector<Flag> flag_table() {
  using S = Settings;
  constexpr std::uint64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
  constexpr milliseconds kZero{0};
  constexpr milliseconds kTen{10};
  return {
      // HOST and PORT are read apart: together they are the environment of --listen.
      {"listen",
       kFronts,
       {},
       "HOST:PORT",
       "Socket.IO and SSE [0.0.0.0:3011; env HOST, PORT]",
       address(&S::listen)},
      {"socket_io_path",
       kFronts,
       {"SOCKET_IO_PATH"},
       "PATH",
       "path of Socket.IO [/socket.io]",
       take_path},
      {"grpc_listen",
       kGrpc,
       {"GRPC_ADDR"},
       "HOST:PORT",
       "gRPC [0.0.0.0:50051]",
       address(&S::grpc_listen)},
      {"grpc_tls_cert",
       kGrpc,
       {"GRPC_TLS_CERT"},
       "FILE",
       "gRPC's certificate chain, PEM; followed when it changes [plain text]",
       file(&S::grpc_tls_cert)},
      {"grpc_tls_key", kGrpc, {"GRPC_TLS_KEY"}, "FILE", "its key, PEM", file(&S::grpc_tls_key)},
      {"grpc_tls_client_ca",
       kGrpc,
       {"GRPC_TLS_CLIENT_CA"},
       "FILE",
       "clients must show a certificate of this authority, PEM [none needed]",
       file(&S::grpc_tls_client_ca)},
      // Like admin_token better from the environment.
      {"publish_tokens",
       kGrpc,
       {"PUBLISH_TOKENS"},
       "LIST",
       "bearer tokens of which Publish needs one [none needed]",
       take_publish_tokens},
      {"admin_listen",
       kAll,
       {"ADMIN_LISTEN"},
       "HOST:PORT",
       "metrics, health, level of the log [127.0.0.1:9464; server 127.0.0.1:9465]",
       address(&S::admin_listen)},
      {"redis_url",
       kAll,
       {"NOTIFICATIONS_REDIS_URL", "REDIS_URL"},
       "URL",
       "redis://[user:pass@]host[:port][/db] [edge, server: redis://127.0.0.1:6379/0; gateway: "
       "none, "
       "in memory]",
       take_redis_url},
      {"channel",
       kAll,
       {"NOTIFICATIONS_CHANNEL"},
       "NAME",
       "Redis channel [notifications.v1]",
       take_channel},
      {"journal",
       kAll,
       {"NOTIFICATIONS_JOURNAL"},
       "on|off",
       "resumable delivery [off]",
       on_off(&S::journal)},
      {"journal_max_length",
       kAll,
       {},
       "N",
       "entries kept in the journal [1000000]",
       size(&S::journal_max_length, 1, kNoLimit)},
      {"journal_retention",
       kAll,
       {},
       "DURATION",
       "how long entries are kept [15m]",
       duration(&S::journal_retention, kTen)},
      {"journal_legacy",
       kAll,
       {},
       "on|off",
       "journal envelopes that were only published [on]",
       on_off(&S::journal_legacy)},
      {"idempotency_window",
       kAll,
       {},
       "DURATION",
       "how long an id is remembered [5m]",
       duration(&S::idempotency_window, kTen)},
      {"replay_window",
       kAll,
       {},
       "BYTES",
       "recent events kept in memory [64MiB]",
       size(&S::replay_window, 0, kNoLimit)},
      {"session_ttl",
       kFronts,
       {},
       "DURATION",
       "how long a lost session can come back [2m]",
       duration(&S::session_ttl, kTen)},
      {"threads", kFronts, {"THREADS"}, "N", "shards; 0: one per core [0]", take_threads},
      {"ping_interval",
       kFronts,
       {"PING_INTERVAL"},
       "DURATION",
       "heartbeat [25s]",
       duration(&S::ping_interval, kTen)},
      {"ping_timeout",
       kFronts,
       {"PING_TIMEOUT"},
       "DURATION",
       "answer to a heartbeat [20s]",
       duration(&S::ping_timeout, kTen)},
      {"connect_timeout",
       kFronts,
       {},
       "DURATION",
       "until Socket.IO's CONNECT [45s]",
       duration(&S::connect_timeout, kTen)},
      {"max_payload",
       kFronts,
       {"MAX_PAYLOAD"},
       "BYTES",
       "one inbound message [1000000]",
       size(&S::max_payload, 1, 1ull << 30)},
      {"max_connections",
       kFronts,
       {"MAX_CONNECTIONS"},
       "N",
       "0: up to the file limit [0]",
       size(&S::max_connections, 0, 100'000'000)},
      {"max_rooms_per_connection",
       kFronts,
       {},
       "N",
       "rooms one connection may be in [1000]",
       size(&S::max_rooms_per_connection, 1, 1'000'000)},
      {"max_outbound_bytes",
       kAll,
       {},
       "BYTES",
       "queued for one consumer behind the event being written [1048576]",
       size(&S::max_outbound_bytes, 1, kNoLimit)},
      {"write_timeout",
       kAll,
       {},
       "DURATION",
       "without write progress: closed as slow [10s]",
       duration(&S::write_timeout, kTen)},
      {"delivery",
       kFronts,
       {"DELIVERY"},
       "once|per_room",
       "copies of an event [once]",
       take_delivery},
      {"allowed_origins", kFronts, {"ALLOWED_ORIGINS"}, "LIST", "origins, or * [*]", take_origins},
      {"probe_interval",
       kAll,
       {},
       "DURATION",
       "Redis liveness probe [5s]",
       duration(&S::probe_interval, kTen)},
      {"canary_timeout",
       kAll,
       {},
       "DURATION",
       "not ready without a probe for [10s]",
       duration(&S::canary_timeout, kTen)},
      {"drain",
       kAll,
       {"DRAIN"},
       "DURATION",
       "over which SIGTERM spreads closes [10s]",
       duration(&S::drain, kZero)},
      // From the environment, unlike a flag, it is not seen in the list of processes.
      {"admin_token",
       kAll,
       {"ADMIN_TOKEN"},
       "TOKEN",
       "bearer token for /metrics, /health/realtime and /log_level [none]",
       take_admin_token},
      {"demo",
       kFronts,
       {},
       "on|off",
       "serve the page under /demo/ [gateway on, edge off]",
       on_off(&S::demo)},
      {"log_level",
       kAll,
       {"LOG_LEVEL"},
       "LEVEL",
       "trace, debug, info, warn, error, off [info]",
       take_log_level},
      {"log_format",
       kAll,
       {"LOG_FORMAT"},
       "text|json",
       "form of log lines [text]",
       take_log_format},
  };
}

std::string usage(Program program, const std::vector<Flag>& flags) {
  std::string out = "Usage: " + std::string(name(program)) + " [--flag=value ...]\n\n";
  for (const Flag& flag : flags) {
    if ((flag.takers & taker(program)) == 0) continue;
    std::string left = "  --" + std::string(flag.name) + "=" + std::string(flag.value);
    left.resize(std::max<std::size_t>(left.size() + 1, 38), ' ');
    out += left + std::string(flag.help);
    if (!flag.environment.empty()) {
      out += " (env";
      for (const char* variable : flag.environment) out += " " + std::string(variable);
      out += ")";
    }
    out += "\n";
  }
  return out +
         "  --help                              this text\n\n"
         "Durations are written 25s, 500ms, 2m; a port of 0 means any free one.\n";
}

SettingsStop stop(std::string message) { return {false, std::move(message)}; }

// HOST and PORT, each with its own default.
Problem take_host_and_port(Settings& settings,
                           const std::function<const char*(const char*)>& environment) {
  if (const char* host = environment("HOST"); host != nullptr && *host != '\0') {
    settings.listen.host = host;
  }
  if (const char* port = environment("PORT"); port != nullptr && *port != '\0') {
    const auto parsed = parse_number<std::uint16_t>(port);
    if (!parsed) return "PORT: expected a port number, got " + in_quotes(port);
    settings.listen.port = *parsed;
  }
  return std::nullopt;
}

Problem check_together(Settings& settings) {
  if (settings.journal && settings.delivery == Delivery::kPerRoom) {
    return "--delivery=per_room cannot be had with --journal=on: a position stands for one copy";
  }
  if (settings.grpc_tls_cert.empty() != settings.grpc_tls_key.empty()) {
    return "--grpc_tls_cert and --grpc_tls_key go together";
  }
  if (!settings.grpc_tls_client_ca.empty() && settings.grpc_tls_cert.empty()) {
    return "--grpc_tls_client_ca needs --grpc_tls_cert and --grpc_tls_key";
  }
  // The gRPC front hands everything to gRPC's own threads: one loop, shared with the broker, is
  // enough and saves a hop.
  if (settings.program == Program::kServer) settings.threads = 1;
  if (settings.threads == 0) {
    settings.threads =
        std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMaxShards - 1);
  }
  if (settings.program != Program::kGateway && !settings.redis_url) settings.redis_url.emplace();
  return std::nullopt;
}

}  // namespace

std::string_view name(Program program) {
  switch (program) {
    case Program::kEdge:
      return "notifications-edge";
    case Program::kServer:
      return "notifications-server";
    default:
      return "notifications-gateway";
  }
}

std::string Address::text() const {
  const bool ipv6 = host.find(':') != host.npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<Address> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != host.npos) {
    return std::nullopt;
  }
  if (!port || host.empty()) return std::nullopt;
  return Address{std::string(host), *port};
}

std::optional<milliseconds> parse_duration(std::string_view text) {
  const std::size_t unit_at = text.find_first_not_of("0123456789");
  if (unit_at == text.npos || unit_at == 0) return std::nullopt;
  const auto count = parse_number<std::int64_t>(text.substr(0, unit_at));
  const std::string_view unit = text.substr(unit_at);
  const std::int64_t scale = unit == "ms"  ? 1
                             : unit == "s" ? 1000
                             : unit == "m" ? 60'000
                             : unit == "h" ? 3'600'000
                                           : 0;
  constexpr std::int64_t kMost = 365ll * 24 * 3'600'000;
  if (!count || scale == 0 || *count > kMost / scale) return std::nullopt;
  return milliseconds(*count * scale);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const std::size_t unit_at = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = parse_number<std::uint64_t>(text.substr(0, unit_at));
  const std::string_view unit = text.substr(unit_at);
  const int shift = unit.empty()    ? 0
                    : unit == "KiB" ? 10
                    : unit == "MiB" ? 20
                    : unit == "GiB" ? 30
                                    : -1;
  if (!count || shift < 0 || *count > (std::numeric_limits<std::uint64_t>::max() >> shift)) {
    return std::nullopt;
  }
  return *count << shift;
}

Result<Settings, SettingsStop> parse_settings(
    Program program, std::span<const std::string_view> arguments,
    const std::function<const char*(const char*)>& environment) {
  const std::vector<Flag> flags = flag_table();
  Settings settings;
  settings.program = program;
  settings.demo = program == Program::kGateway;
  if (program == Program::kServer) settings.admin_listen.port = 9465;

  if ((kFronts & taker(program)) != 0) {
    if (auto problem = take_host_and_port(settings, environment)) return stop(*std::move(problem));
  }
  for (const Flag& flag : flags) {
    if ((flag.takers & taker(program)) == 0) continue;
    for (const char* variable : flag.environment) {
      const char* value = environment(variable);
      if (value == nullptr || *value == '\0') continue;
      if (const auto problem = flag.take(settings, value)) {
        return stop(std::string(variable) + ": " + *problem);
      }
      break;
    }
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (argument == "--help" || argument == "-h") return SettingsStop{true, usage(program, flags)};
    if (argument.substr(0, 2) != "--") {
      // A misspelt --redis_url=... may hold a password: of a URL nothing is shown.
      const bool is_url = argument.find("://") != argument.npos;
      return stop("unexpected argument" + (is_url ? ", a URL" : " " + in_quotes(argument)));
    }
    argument.remove_prefix(2);
    const std::size_t equals = std::min(argument.find('='), argument.size());
    const std::string_view flag_name = argument.substr(0, equals);
    const auto flag = std::find_if(flags.begin(), flags.end(), [&](const Flag& f) {
      return f.name == flag_name && (f.takers & taker(program)) != 0;
    });
    if (flag == flags.end()) {
      return stop("unknown flag " + in_quotes("--" + std::string(flag_name)) + "; see --help");
    }
    std::string_view value = argument.substr(std::min(equals + 1, argument.size()));
    if (equals == argument.size()) {
      const bool next_is_value = i + 1 < arguments.size() && arguments[i + 1].substr(0, 2) != "--";
      if (next_is_value) {
        value = arguments[++i];
      } else if (flag->value == "on|off") {
        value = "on";
      } else {
        return stop("--" + std::string(flag_name) + " needs a value: " + std::string(flag->value));
      }
    }
    if (const auto problem = flag->take(settings, value)) {
      // Secrets are never shown.
      const bool secret = flag->name == "redis_url" || flag->name == "admin_token" ||
                          flag->name == "publish_tokens";
      const std::string shown = secret ? "" : ", got " + in_quotes(value);
      return stop("--" + std::string(flag_name) + ": " + *problem + shown);
    }
  }
  if (auto problem = check_together(settings)) return stop(*std::move(problem));
  return settings;
}

}  // namespace notifications
