#include "core/redis/url.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace notifications::redis {
namespace {

constexpr std::string_view kForm = "redis://[user:pass@]host[:port][/db]";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

// Digits only, within [min, max].
std::optional<long> number(std::string_view text, long min, long max) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < min || value > max) return std::nullopt;
  return value;
}

bool has_scheme(std::string_view text, std::string_view scheme) {
  return text.size() >= scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), text.begin(), [](char want, char have) {
           return want == (have >= 'A' && have <= 'Z' ? have - 'A' + 'a' : have);
         });
}

bool is_host_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '-' || c == '_';
}

bool is_ipv6_char(char c) { return hex_digit(c) >= 0 || c == ':' || c == '.'; }

// The errors below never quote the text: with a raw '/' or '@' in a password, any piece of it may
// be a piece of the password.
UrlError error(std::string_view what) {
  return UrlError{"bad Redis URL: " + std::string(what) + " (expected " + std::string(kForm) + ")"};
}

std::optional<UrlError> read_login(std::string_view text, Url& url) {
  if (text.empty()) return std::nullopt;
  const auto colon = text.find(':');
  // redis-cli takes a lone word for the password, other clients for the user: refuse to guess.
  if (colon == std::string_view::npos)
    return error("a login needs a colon, as in user:pass@ or :pass@");
  auto user = percent_decoded(text.substr(0, colon));
  auto password = percent_decoded(text.substr(colon + 1));
  if (!user || !password)
    return error("a percent sign in the login is not followed by two hex digits");
  url.user = std::move(*user);
  url.password = std::move(*password);
  return std::nullopt;
}

std::optional<UrlError> read_address(std::string_view text, Url& url) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  bool valid = false;
  if (!text.empty() && text[0] == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return error("the IPv6 address is not closed by ]");
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return error("only a port may follow the IPv6 address");
    has_port = !port.empty();
    if (has_port) port.remove_prefix(1);
    valid = host.find(':') != std::string_view::npos &&
            std::all_of(host.begin(), host.end(), is_ipv6_char);
  } else {
    const auto colon = text.find(':');
    has_port = colon != std::string_view::npos;
    host = text.substr(0, colon);
    if (has_port) port = text.substr(colon + 1);
    if (port.find(':') != std::string_view::npos)
      return error("an IPv6 address stands in brackets, as in [::1]");
    valid = std::all_of(host.begin(), host.end(), is_host_char);
  }
  if (host.empty()) return error("it names no host");
  if (!valid) return error("the host is neither a name nor an address");
  url.host = std::string(host);
  if (has_port) {
    const auto value = number(port, 1, 65535);
    if (!value) return error("the port is not a number from 1 to 65535");
    url.port = static_cast<std::uint16_t>(*value);
  }
  return std::nullopt;
}

}  // namespace

std::string Url::redacted() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return "redis://" + (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + "/" +
         std::to_string(database);
}

Result<Url, UrlError> parse_url(std::string_view text) {
  if (has_scheme(text, "rediss://")) return error("TLS (rediss://) is not supported");
  if (!has_scheme(text, "redis://")) return error("it does not start with redis://");
  text.remove_prefix(std::string_view("redis://").size());

  Url url;
  const auto slash = text.find('/');
  std::string_view address = text.substr(0, slash);
  const auto at = address.rfind('@');
  if (at != std::string_view::npos) {
    if (auto bad = read_login(address.substr(0, at), url)) return *bad;
    address.remove_prefix(at + 1);
  }
  if (auto bad = read_address(address, url)) return *bad;
  if (slash != std::string_view::npos && slash + 1 < text.size()) {
    const auto value = number(text.substr(slash + 1), 0, std::numeric_limits<int>::max());
    if (!value) return error("the database is not a number from 0 to 2147483647");
    url.database = static_cast<int>(*value);
  }
  return url;
}

}  // namespace notifications::redis
