#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace notifications::redis {

struct UrlError {
  std::string message;
};

// Where a Redis server is and how to log in: `redis://[user:pass@]host[:port][/db]`.
struct Url {
  std::string host = "127.0.0.1";  // a name, an IPv4 address, or an IPv6 address without brackets
  std::uint16_t port = 6379;
  std::string user;      // "" for the default user
  std::string password;  // "" for none
  int database = 0;

  // The URL without user and password, for logs.
  std::string redacted() const;
};

// Reads a URL; percent-escapes in user and password are decoded; `redis://:pass@host` has no user.
// The error is one English line that does not hold the password.
Result<Url, UrlError> parse_url(std::string_view text);

}  // namespace notifications::redis
