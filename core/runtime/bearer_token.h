#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace notifications {

// Secrets of our own configuration against what a peer presents. Thread: any (plain functions).

// Compares without telling by its duration how much was right, or how long the secret is.
inline bool equals_secret(std::string_view secret, std::string_view given) {
  if (secret.empty()) return false;
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i] ^ secret[i % secret.size()]);
  }
  return difference == 0;
}

// The token of `Authorization: Bearer <token>`; "" if it is another scheme. See: RFC 6750, 2.1.
inline std::string_view bearer_token_of(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer =
      authorization.size() >= kScheme.size() &&
      std::equal(kScheme.begin(), kScheme.end(), authorization.begin(), [](char a, char b) {
        return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + ('a' - 'A')) : b);
      });
  return bearer ? authorization.substr(kScheme.size()) : std::string_view();
}

}  // namespace notifications
