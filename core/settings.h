#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/log.h"
#include "core/redis/url.h"
#include "core/result.h"
#include "core/subscriber.h"

namespace notifications {

// Which program reads the settings: each takes only those flags that concern it.
enum class Program { kEdge, kServer, kGateway };
std::string_view name(Program program);  // "notifications-edge", ...

// Where to listen.
struct Address {
  std::string host;
  std::uint16_t port = 0;    // 0: any free one
  std::string text() const;  // host:port, IPv6 in brackets
};
std::optional<Address> parse_address(std::string_view text);

// All settings of a process. See: CONTRACT section 1, which has the flags, environment variables
// and defaults; the table in settings.cc is the same to the letter.
struct Settings {
  Program program = Program::kGateway;

  Address listen{"0.0.0.0", 3011};
  std::string socket_io_path = "/socket.io";
  Address grpc_listen{"0.0.0.0", 50051};
  std::string grpc_tls_cert;                // "": plain text
  std::string grpc_tls_key;                 // with grpc_tls_cert
  std::string grpc_tls_client_ca;           // "": clients show no certificate
  std::vector<std::string> publish_tokens;  // none: everybody may publish
  Address admin_listen{"127.0.0.1", 9464};
  std::optional<redis::Url> redis_url;  // nothing: the in-memory broker (gateway only)
  std::string channel = "notifications.v1";

  bool journal = false;
  std::uint64_t journal_max_length = 1'000'000;
  std::chrono::milliseconds journal_retention{15 * 60 * 1000};
  bool journal_legacy = true;
  std::chrono::milliseconds idempotency_window{5 * 60 * 1000};
  std::uint64_t replay_window = 64ull << 20;  // bytes
  std::chrono::milliseconds session_ttl{2 * 60 * 1000};

  int threads = 0;  // shards; 0 was replaced by the number of cores
  std::chrono::milliseconds ping_interval{25'000};
  std::chrono::milliseconds ping_timeout{20'000};
  std::chrono::milliseconds connect_timeout{45'000};
  std::uint64_t max_payload = 1'000'000;  // bytes of one inbound message
  std::uint64_t max_connections = 0;      // 0: no limit but the file limit
  std::uint64_t max_rooms_per_connection = 1000;
  std::uint64_t max_outbound_bytes = 1 << 20;  // behind the publication being written
  std::chrono::milliseconds write_timeout{10'000};
  Delivery delivery = Delivery::kOnce;
  std::vector<std::string> allowed_origins{"*"};
  std::chrono::milliseconds probe_interval{5'000};
  std::chrono::milliseconds canary_timeout{10'000};
  std::chrono::milliseconds drain{10'000};
  std::string admin_token;  // "": no page of the admin listener asks for one
  bool demo = false;        // serve the page under /demo/

  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
};

// Why a program does not start, or that it was only asked for help.
struct SettingsStop {
  bool help = false;    // print `text` to stdout and end with 0; else to stderr and end with 2
  std::string message;  // one line, or the usage
};

// Reads flags (`--flag=value` or `--flag value`), else environment variables, else defaults.
// `arguments` excludes the program's name; `environment` gives a variable's value or null.
Result<Settings, SettingsStop> parse_settings(
    Program program, std::span<const std::string_view> arguments,
    const std::function<const char*(const char*)>& environment);

// "25s", "500ms", "2m", "1h", "0s"; nothing if it is not one or beyond 365 days.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// "1000000", "64MiB", "512KiB", "1GiB"; nothing if it is not one.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace notifications
