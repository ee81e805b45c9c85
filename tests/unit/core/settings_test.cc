#include "core/settings.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace notifications {
namespace {

using namespace std::chrono_literals;
using Arguments = std::vector<std::string_view>;
using Environment = std::map<std::string, std::string>;
using Origins = std::vector<std::string>;

Result<Settings, SettingsStop> parse(Program program, Arguments arguments,
                                     const Environment& environment = {}) {
  return parse_settings(program, arguments, [&](const char* key) -> const char* {
    const auto found = environment.find(key);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

// The settings of a gateway, which takes every flag.
Settings accepted(Arguments arguments, const Environment& environment = {}) {
  auto settings = parse(Program::kGateway, std::move(arguments), environment);
  EXPECT_TRUE(settings) << (settings ? "" : settings.error().message);
  return settings ? *settings : Settings();
}

// The one line that a gateway refuses to start with.
std::string refused(Arguments arguments, const Environment& environment = {}) {
  const auto settings = parse(Program::kGateway, std::move(arguments), environment);
  EXPECT_FALSE(settings);
  if (settings) return "accepted";
  EXPECT_FALSE(settings.error().help);
  EXPECT_EQ(settings.error().message.find_first_of("\n\r"), std::string::npos)
      << settings.error().message;
  return settings.error().message;
}

TEST(Settings, AreTheDefaultsOfTheContract) {
  const Settings s = accepted({});
  EXPECT_EQ(s.listen.text(), "0.0.0.0:3011");
  EXPECT_EQ(s.socket_io_path, "/socket.io");
  EXPECT_EQ(s.grpc_listen.text(), "0.0.0.0:50051");
  EXPECT_EQ(s.admin_listen.text(), "127.0.0.1:9464");
  EXPECT_FALSE(s.redis_url);
  EXPECT_EQ(s.channel, "notifications.v1");
  EXPECT_FALSE(s.journal);
  EXPECT_EQ(s.journal_max_length, 1'000'000u);
  EXPECT_EQ(s.journal_retention, 15min);
  EXPECT_TRUE(s.journal_legacy);
  EXPECT_EQ(s.idempotency_window, 5min);
  EXPECT_EQ(s.replay_window, 64ull * 1024 * 1024);
  EXPECT_EQ(s.session_ttl, 2min);
  EXPECT_GE(s.threads, 1);
  EXPECT_EQ(s.ping_interval, 25s);
  EXPECT_EQ(s.ping_timeout, 20s);
  EXPECT_EQ(s.connect_timeout, 45s);
  EXPECT_EQ(s.max_payload, 1'000'000u);
  EXPECT_EQ(s.max_connections, 0u);
  EXPECT_EQ(s.max_rooms_per_connection, 1000u);
  EXPECT_EQ(s.max_outbound_bytes, 1'048'576u);
  EXPECT_EQ(s.write_timeout, 10s);
  EXPECT_EQ(s.delivery, Delivery::kOnce);
  EXPECT_EQ(s.allowed_origins, Origins{"*"});
  EXPECT_EQ(s.probe_interval, 5s);
  EXPECT_EQ(s.canary_timeout, 10s);
  EXPECT_EQ(s.drain, 10s);
  EXPECT_EQ(s.log_level, LogLevel::kInfo);
  EXPECT_EQ(s.log_format, LogFormat::kText);
  EXPECT_TRUE(s.demo);
}

TEST(Settings, DifferByProgramWhereTheContractSaysSo) {
  const auto edge = parse(Program::kEdge, {});
  const auto server = parse(Program::kServer, {});
  ASSERT_TRUE(edge && server);
  EXPECT_EQ(edge->admin_listen.text(), "127.0.0.1:9464");
  EXPECT_EQ(server->admin_listen.text(), "127.0.0.1:9465");
  ASSERT_TRUE(edge->redis_url && server->redis_url);
  EXPECT_EQ(edge->redis_url->redacted(), "redis://127.0.0.1:6379/0");
  EXPECT_EQ(server->redis_url->redacted(), "redis://127.0.0.1:6379/0");
  EXPECT_FALSE(edge->demo);
  EXPECT_EQ(server->threads, 1);
  EXPECT_EQ(name(Program::kEdge), "notifications-edge");
  EXPECT_EQ(name(Program::kServer), "notifications-server");
  EXPECT_EQ(name(Program::kGateway), "notifications-gateway");
}

TEST(Settings, ComeFromFlags) {
  const Settings s = accepted({"--listen=127.0.0.1:0",
                               "--socket_io_path=/rt/",
                               "--grpc_listen=[::1]:1",
                               "--admin_listen=localhost:2",
                               "--redis_url=redis://u:p@h:7/3",
                               "--channel=c",
                               "--threads=3",
                               "--ping_interval=1s",
                               "--ping_timeout=2s",
                               "--connect_timeout=3s",
                               "--max_payload=4",
                               "--max_connections=5",
                               "--max_rooms_per_connection=6",
                               "--max_outbound_bytes=7KiB",
                               "--write_timeout=8s",
                               "--delivery=per_room",
                               "--allowed_origins=https://a, http://b:1",
                               "--probe_interval=9s",
                               "--canary_timeout=11s",
                               "--drain=0s",
                               "--log_level=debug",
                               "--log_format=json",
                               "--demo=off"});
  EXPECT_EQ(s.listen.text(), "127.0.0.1:0");
  EXPECT_EQ(s.socket_io_path, "/rt");
  EXPECT_EQ(s.grpc_listen.text(), "[::1]:1");
  EXPECT_EQ(s.admin_listen.text(), "localhost:2");
  ASSERT_TRUE(s.redis_url);
  EXPECT_EQ(s.redis_url->redacted(), "redis://h:7/3");
  EXPECT_EQ(s.redis_url->password, "p");
  EXPECT_EQ(s.channel, "c");
  EXPECT_EQ(s.threads, 3);
  EXPECT_EQ(s.ping_interval, 1s);
  EXPECT_EQ(s.ping_timeout, 2s);
  EXPECT_EQ(s.connect_timeout, 3s);
  EXPECT_EQ(s.max_payload, 4u);
  EXPECT_EQ(s.max_connections, 5u);
  EXPECT_EQ(s.max_rooms_per_connection, 6u);
  EXPECT_EQ(s.max_outbound_bytes, 7u * 1024);
  EXPECT_EQ(s.write_timeout, 8s);
  EXPECT_EQ(s.delivery, Delivery::kPerRoom);
  EXPECT_EQ(s.allowed_origins, (Origins{"https://a", "http://b:1"}));
  EXPECT_EQ(s.probe_interval, 9s);
  EXPECT_EQ(s.canary_timeout, 11s);
  EXPECT_EQ(s.drain, 0s);
  EXPECT_EQ(s.log_level, LogLevel::kDebug);
  EXPECT_EQ(s.log_format, LogFormat::kJson);
  EXPECT_FALSE(s.demo);
}

TEST(Settings, OfTheJournalComeFromFlags) {
  const Settings s = accepted({"--journal=off", "--journal_max_length=1", "--journal_retention=1m",
                               "--journal_legacy=off", "--idempotency_window=2m",
                               "--replay_window=1MiB", "--session_ttl=3m"});
  EXPECT_EQ(s.journal_max_length, 1u);
  EXPECT_EQ(s.journal_retention, 1min);
  EXPECT_FALSE(s.journal_legacy);
  EXPECT_EQ(s.idempotency_window, 2min);
  EXPECT_EQ(s.replay_window, 1u << 20);
  EXPECT_EQ(s.session_ttl, 3min);
}

TEST(Settings, ComeFromTheEnvironmentWithoutAFlag) {
  const Settings s = accepted({}, {{"HOST", "127.0.0.1"},
                                   {"PORT", "1"},
                                   {"SOCKET_IO_PATH", "/p"},
                                   {"GRPC_ADDR", "h:2"},
                                   {"ADMIN_LISTEN", "h:3"},
                                   {"NOTIFICATIONS_REDIS_URL", "redis://a"},
                                   {"REDIS_URL", "redis://b"},
                                   {"NOTIFICATIONS_CHANNEL", "c"},
                                   {"NOTIFICATIONS_JOURNAL", "off"},
                                   {"THREADS", "2"},
                                   {"PING_INTERVAL", "1s"},
                                   {"PING_TIMEOUT", "2s"},
                                   {"MAX_PAYLOAD", "3"},
                                   {"MAX_CONNECTIONS", "4"},
                                   {"DELIVERY", "per_room"},
                                   {"ALLOWED_ORIGINS", "null"},
                                   {"DRAIN", "5s"},
                                   {"LOG_LEVEL", "off"},
                                   {"LOG_FORMAT", "json"}});
  EXPECT_EQ(s.listen.text(), "127.0.0.1:1");
  EXPECT_EQ(s.socket_io_path, "/p");
  EXPECT_EQ(s.grpc_listen.text(), "h:2");
  EXPECT_EQ(s.admin_listen.text(), "h:3");
  ASSERT_TRUE(s.redis_url);
  EXPECT_EQ(s.redis_url->host, "a");
  EXPECT_EQ(s.channel, "c");
  EXPECT_EQ(s.threads, 2);
  EXPECT_EQ(s.ping_interval, 1s);
  EXPECT_EQ(s.ping_timeout, 2s);
  EXPECT_EQ(s.max_payload, 3u);
  EXPECT_EQ(s.max_connections, 4u);
  EXPECT_EQ(s.delivery, Delivery::kPerRoom);
  EXPECT_EQ(s.allowed_origins, Origins{"null"});
  EXPECT_EQ(s.drain, 5s);
  EXPECT_EQ(s.log_level, LogLevel::kOff);
  EXPECT_EQ(s.log_format, LogFormat::kJson);
}

TEST(Settings, TakeHostAndPortEachByItself) {
  EXPECT_EQ(accepted({}, {{"PORT", "8080"}}).listen.text(), "0.0.0.0:8080");
  EXPECT_EQ(accepted({}, {{"HOST", "127.0.0.1"}}).listen.text(), "127.0.0.1:3011");
  EXPECT_EQ(accepted({}, {{"HOST", "::"}}).listen.text(), "[::]:3011");
  EXPECT_EQ(refused({}, {{"PORT", "http"}}), "PORT: expected a port number, got \"http\"");
  EXPECT_EQ(refused({}, {{"PORT", "65536"}}), "PORT: expected a port number, got \"65536\"");
}

TEST(Settings, AFlagBeatsTheEnvironment) {
  const Environment environment = {{"PORT", "1"},    {"HOST", "a"},
                                   {"THREADS", "2"}, {"LOG_LEVEL", "off"},
                                   {"DRAIN", "5s"},  {"REDIS_URL", "redis://a"}};
  const Settings s = accepted(
      {"--listen=b:9", "--threads=4", "--log_level=warn", "--drain=1s", "--redis_url=redis://b"},
      environment);
  EXPECT_EQ(s.listen.text(), "b:9");
  EXPECT_EQ(s.threads, 4);
  EXPECT_EQ(s.log_level, LogLevel::kWarn);
  EXPECT_EQ(s.drain, 1s);
  EXPECT_EQ(s.redis_url->host, "b");
}

TEST(Settings, AnEmptyVariableIsNoVariable) {
  const Settings s = accepted({}, {{"PORT", ""},
                                   {"HOST", ""},
                                   {"THREADS", ""},
                                   {"LOG_LEVEL", ""},
                                   {"NOTIFICATIONS_REDIS_URL", ""},
                                   {"REDIS_URL", "redis://b"}});
  EXPECT_EQ(s.listen.text(), "0.0.0.0:3011");
  ASSERT_TRUE(s.redis_url);
  EXPECT_EQ(s.redis_url->host, "b");
}

TEST(Settings, TakeAValueBehindASpaceToo) {
  EXPECT_EQ(accepted({"--channel", "x", "--threads", "2"}).channel, "x");
  EXPECT_EQ(accepted({"--channel=a=b"}).channel, "a=b");
  EXPECT_FALSE(accepted({"--demo", "off"}).demo);
  EXPECT_TRUE(accepted({"--demo=off", "--demo", "--threads=1"}).demo);
  EXPECT_EQ(accepted({"--threads=1", "--threads=2"}).threads, 2);
  EXPECT_EQ(refused({"--channel"}), "--channel needs a value: NAME");
  EXPECT_EQ(refused({"--channel", "--threads=1"}), "--channel needs a value: NAME");
}

TEST(Settings, RefuseWhatTheyDoNotKnow) {
  EXPECT_EQ(refused({"--nope"}), "unknown flag \"--nope\"; see --help");
  EXPECT_EQ(refused({"--nope=1"}), "unknown flag \"--nope\"; see --help");
  EXPECT_EQ(refused({"--"}), "unknown flag \"--\"; see --help");
  EXPECT_EQ(refused({"--Listen=a:1"}), "unknown flag \"--Listen\"; see --help");
  EXPECT_EQ(refused({"listen"}), "unexpected argument \"listen\"");
  EXPECT_EQ(refused({"-l"}), "unexpected argument \"-l\"");
  EXPECT_EQ(refused({""}), "unexpected argument \"\"");
}

TEST(Settings, RefuseTheFlagsOfOtherPrograms) {
  for (const char* flag : {"--listen=a:1", "--socket_io_path=/a", "--session_ttl=1s", "--threads=1",
                           "--ping_interval=1s", "--ping_timeout=1s", "--connect_timeout=1s",
                           "--max_payload=1", "--max_connections=1", "--max_rooms_per_connection=1",
                           "--delivery=once", "--allowed_origins=*", "--demo"}) {
    const auto settings = parse(Program::kServer, {flag});
    ASSERT_FALSE(settings) << flag;
    EXPECT_EQ(settings.error().message.substr(0, 12), "unknown flag") << flag;
    EXPECT_TRUE(parse(Program::kEdge, {flag})) << flag;
  }
  const auto edge = parse(Program::kEdge, {"--grpc_listen=a:1"});
  ASSERT_FALSE(edge);
  EXPECT_EQ(edge.error().message, "unknown flag \"--grpc_listen\"; see --help");
  EXPECT_TRUE(parse(Program::kServer, {"--grpc_listen=a:1"}));
}

// A server shares its host with an edge whose variables it must not trip over.
TEST(Settings, IgnoreTheVariablesOfOtherPrograms) {
  EXPECT_TRUE(parse(Program::kServer, {}, {{"PORT", "x"}, {"THREADS", "x"}, {"DELIVERY", "x"}}));
  EXPECT_TRUE(parse(Program::kEdge, {}, {{"GRPC_ADDR", "x"}}));
}

TEST(Settings, RefuseBadValuesInOneLineThatNamesTheFlag) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"listen", "3011"},
      {"listen", ":3011"},
      {"listen", "a:"},
      {"listen", "a:65536"},
      {"listen", "a:-1"},
      {"listen", "::1:3011"},
      {"listen", ""},
      {"grpc_listen", "a:b"},
      {"admin_listen", "a"},
      {"socket_io_path", "socket.io"},
      {"socket_io_path", "/"},
      {"socket_io_path", "//"},
      {"socket_io_path", "/a?b"},
      {"socket_io_path", "/a b"},
      {"socket_io_path", ""},
      {"redis_url", "localhost"},
      {"redis_url", "http://h"},
      {"redis_url", "redis://h/x"},
      {"redis_url", ""},
      {"channel", ""},
      {"channel", "a b"},
      {"channel", "a\nb"},
      {"channel", "é"},
      {"journal", "maybe"},
      {"journal", ""},
      {"journal_max_length", "0"},
      {"journal_max_length", "-1"},
      {"journal_retention", "15"},
      {"journal_legacy", "yes"},
      {"idempotency_window", "1d"},
      {"replay_window", "64MB"},
      {"session_ttl", "s"},
      {"threads", "-1"},
      {"threads", "64"},
      {"threads", "two"},
      {"threads", "1.5"},
      {"threads", ""},
      {"ping_interval", "25"},
      {"ping_interval", "0s"},
      {"ping_interval", "-1s"},
      {"ping_timeout", "1 s"},
      {"connect_timeout", "1S"},
      {"max_payload", "0"},
      {"max_payload", "1e6"},
      {"max_payload", "2GiB"},
      {"max_connections", "many"},
      {"max_rooms_per_connection", "0"},
      {"max_outbound_bytes", "0"},
      {"max_outbound_bytes", "99999999999999999999"},
      {"write_timeout", ""},
      {"delivery", "twice"},
      {"allowed_origins", ""},
      {"allowed_origins", ","},
      {"allowed_origins", "example.com"},
      {"allowed_origins", "https://a/path"},
      {"probe_interval", "x"},
      {"canary_timeout", "x"},
      {"drain", "10"},
      {"drain", "-1s"},
      {"log_level", "loud"},
      {"log_format", "xml"},
      {"demo", "1"}};
  for (const auto& [flag, value] : bad) {
    const std::string argument = "--" + flag + "=" + value;
    EXPECT_EQ(refused({argument}).rfind("--" + flag + ": ", 0), 0u) << argument;
  }
  EXPECT_EQ(refused({"--listen=3011"}), "--listen: expected host:port, got \"3011\"");
  EXPECT_EQ(refused({"--ping_interval=0s"}), "--ping_interval: must be at least 10ms, got \"0s\"");
  EXPECT_EQ(refused({"--max_payload=0"}), "--max_payload: must be from 1 to 1073741824, got \"0\"");
}

TEST(Settings, NameTheVariableThatHoldsABadValue) {
  EXPECT_EQ(refused({}, {{"THREADS", "two"}}), "THREADS: expected a number from 0 to 63");
  EXPECT_EQ(refused({}, {{"PING_INTERVAL", "25"}}),
            "PING_INTERVAL: expected a duration such as 25s or 500ms");
}

// Whatever stands on the command line, the answer is one line and sends a terminal nothing odd.
TEST(Settings, AnswerHostileTextInOnePrintableLine) {
  for (const std::string& argument :
       {std::string("--listen=a\nb\x1b[2J"), std::string("--no\npe=1"), std::string("a\r\nb\x07"),
        std::string("--channel=\x9b\xff"), "--listen=" + std::string(100'000, 'x')}) {
    const std::string message = refused({argument});
    EXPECT_LT(message.size(), 1000u);
    for (const char c : message) EXPECT_TRUE(c >= ' ' && c < 127) << static_cast<int>(c);
  }
  const std::string variable = refused({}, {{"PORT", "1\n\x1b[2J"}});
  for (const char c : variable) EXPECT_TRUE(c >= ' ' && c < 127) << static_cast<int>(c);
}

TEST(Settings, NeverShowThePasswordOfARedisUrl) {
  for (const char* url : {"redis://user:hunter2@host/x", "rediss://user:hunter2@host",
                          "hunter2@host", "redis://hunter2@host", "redis://:hunter2@",
                          "redis://u:hunter2@h:0", "redis://u:%zzhunter2@h"}) {
    const std::string flag = "--redis_url=" + std::string(url);
    EXPECT_EQ(refused({flag}).find("hunter2"), std::string::npos) << flag;
    EXPECT_EQ(refused({"--redis_url", url}).find("hunter2"), std::string::npos) << url;
    EXPECT_EQ(refused({}, {{"REDIS_URL", url}}).find("hunter2"), std::string::npos) << url;
  }
  // One dash, or the flag forgotten: the URL is an argument that nobody expects.
  for (const char* argument : {"-redis_url=redis://user:hunter2@host", "redis://user:hunter2@host",
                               "--redis-url=redis://user:hunter2@host"}) {
    EXPECT_EQ(refused({argument}).find("hunter2"), std::string::npos) << argument;
  }
}

TEST(Settings, PrintTheUsageOfTheProgramAndNoOther) {
  for (const char* flag : {"--help", "-h"}) {
    const auto help = parse(Program::kEdge, {"--threads=1", flag, "--nope"});
    ASSERT_FALSE(help);
    EXPECT_TRUE(help.error().help);
    const std::string& text = help.error().message;
    EXPECT_EQ(text.rfind("Usage: notifications-edge ", 0), 0u);
    EXPECT_NE(text.find("--listen=HOST:PORT"), std::string::npos);
    EXPECT_NE(text.find("--max_rooms_per_connection="), std::string::npos);
    EXPECT_EQ(text.find("--grpc_listen"), std::string::npos);
    EXPECT_EQ(text.back(), '\n');
  }
}

TEST(Settings, TakeOneThreadPerCoreForZero) {
  EXPECT_GE(accepted({"--threads=0"}).threads, 1);
  EXPECT_EQ(accepted({"--threads=63"}).threads, 63);
}

TEST(Address, ReadsHostsAndPorts) {
  const auto text = [](std::string_view in) {
    const auto address = parse_address(in);
    return address ? address->host + " " + std::to_string(address->port) : "none";
  };
  EXPECT_EQ(text("127.0.0.1:0"), "127.0.0.1 0");
  EXPECT_EQ(text("example.com:65535"), "example.com 65535");
  EXPECT_EQ(text("[::1]:80"), "::1 80");
  EXPECT_EQ(text("[::]:0"), ":: 0");
  EXPECT_EQ(text("[fe80::1%eth0]:1"), "fe80::1%eth0 1");
  for (const char* bad :
       {"", ":", ":1", "a", "a:", "a:b", "a:1x", "a: 1", "a:+1", "a:-1", "a:65536", "::1:1", "::1",
        "[::1]", "[::1", "[]:1", "a:b:1", "[::1]x:1"}) {
    EXPECT_EQ(text(bad), "none") << bad;
  }
}

TEST(Address, WritesIpv6InBrackets) {
  EXPECT_EQ((Address{"::1", 80}.text()), "[::1]:80");
  EXPECT_EQ((Address{"127.0.0.1", 80}.text()), "127.0.0.1:80");
}

TEST(Settings, TakeTheFilesOfGrpcsTls) {
  const Settings s = accepted({"--grpc_tls_cert=/c.pem", "--grpc_tls_key", "/k.pem"},
                              {{"GRPC_TLS_CLIENT_CA", "/ca.pem"}, {"GRPC_TLS_KEY", "/other"}});
  EXPECT_EQ(s.grpc_tls_cert, "/c.pem");
  EXPECT_EQ(s.grpc_tls_key, "/k.pem");
  EXPECT_EQ(s.grpc_tls_client_ca, "/ca.pem");
  EXPECT_EQ(refused({"--grpc_tls_cert=/c.pem"}), "--grpc_tls_cert and --grpc_tls_key go together");
  EXPECT_EQ(refused({"--grpc_tls_key=/k.pem"}), "--grpc_tls_cert and --grpc_tls_key go together");
  EXPECT_EQ(refused({"--grpc_tls_client_ca=/ca.pem"}),
            "--grpc_tls_client_ca needs --grpc_tls_cert and --grpc_tls_key");
}

TEST(Settings, TakeSecretTokensAndNeverShowThem) {
  const Settings s = accepted({"--admin_token", "admin-token-0123"},
                              {{"PUBLISH_TOKENS", "first-token-0123,second-token-4567"}});
  EXPECT_EQ(s.admin_token, "admin-token-0123");
  EXPECT_EQ(s.publish_tokens, (std::vector<std::string>{"first-token-0123", "second-token-4567"}));
  EXPECT_TRUE(accepted({}).publish_tokens.empty());
  EXPECT_EQ(refused({"--admin_token=too-short"}),
            "--admin_token: expected at least 16 printable characters without spaces");
  for (const char* bad : {"too-short", "first-token-0123,", ",first-token-0123",
                          "first-token-0123, second-token-4567", "first-token-0123,short"}) {
    EXPECT_EQ(refused({"--publish_tokens", bad}),
              "--publish_tokens: expected tokens of at least 16 printable characters, separated "
              "by commas");
  }
}

TEST(Settings, OfGrpcAreUnknownToTheEdge) {
  for (const char* flag : {"--grpc_tls_cert=x", "--publish_tokens=first-token-0123"}) {
    EXPECT_FALSE(parse(Program::kEdge, {flag})) << flag;
  }
}

TEST(Duration, IsANumberWithAUnit) {
  EXPECT_EQ(parse_duration("0s"), 0ms);
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("25s"), 25s);
  EXPECT_EQ(parse_duration("007s"), 7s);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  EXPECT_EQ(parse_duration("8760h"), 365 * 24h);
  for (const char* bad : {"",
                          "s",
                          "ms",
                          "25",
                          "-1s",
                          "+1s",
                          "1.5s",
                          "1 s",
                          " 1s",
                          "1s ",
                          "1S",
                          "1sec",
                          "1d",
                          "1us",
                          "1m30s",
                          "8761h",
                          "31536001s",
                          "9223372036854775807s",
                          "99999999999999999999ms",
                          "0x1s",
                          "1s\n"}) {
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
  }
}

TEST(Size, IsANumberWithOrWithoutAUnit) {
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("1000000"), 1'000'000u);
  EXPECT_EQ(parse_size("512KiB"), 512u << 10);
  EXPECT_EQ(parse_size("64MiB"), 64u << 20);
  EXPECT_EQ(parse_size("1GiB"), 1u << 30);
  EXPECT_EQ(parse_size("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse_size("17179869183GiB"), 17179869183ull << 30);
  for (const char* bad : {"", "KiB", "-1", "+1", "1.5MiB", "1KB", "1kib", "1 KiB", "1K", "0x10",
                          "18446744073709551616", "17179869184GiB", "1TiB", " 1", "1 "}) {
    EXPECT_EQ(parse_size(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace notifications
