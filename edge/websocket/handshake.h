#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace notifications::websocket {

// An HTTP answer as a stock server gives it, in the order and with the spelling of its headers.
//
// `headers` hold all that is particular to the answer; for answers to plain requests the HTTP
// server adds Date, Connection and the framing of the body, while answers to upgrades are complete.
struct HttpAnswer {
  int status = 400;
  std::string_view reason = "Bad Request";
  std::vector<std::pair<std::string_view, std::string>> headers;
  std::string body;

  // The bytes on the wire: status line (HTTP/1.1), headers, body.
  std::string to_bytes() const;
};

// An answer to an upgrade that is refused: plain text, after which the connection is closed.
// `content_type_name`: how the name of the header is spelled, as two layers of the stock server
// differ ("Content-Type", "Content-type").
HttpAnswer refuse_upgrade(int status, std::string_view reason, std::string_view message,
                          std::string_view content_type_name);

// The value of Sec-WebSocket-Accept that proves that `key` was read.
// See: RFC 6455 section 4.2.2. Thread: any.
std::string accept_key(std::string_view key);

// What an upgrade request says; a header that stands more than once is joined with ", ", one that
// is missing is nothing.
struct HandshakeRequest {
  std::string_view method;
  std::optional<std::string_view> upgrade;   // Upgrade
  std::optional<std::string_view> key;       // Sec-WebSocket-Key
  std::optional<std::string_view> version;   // Sec-WebSocket-Version
  std::optional<std::string_view> protocol;  // Sec-WebSocket-Protocol
};

// The outcome of a handshake: 101 with its headers, or a refusal (400, 405) to write before
// closing.
struct HandshakeResult {
  bool accepted = false;
  HttpAnswer answer;
};

// Decides about a handshake as the `ws` package does: method, Upgrade, key, version (13 or 8),
// subprotocols; the first one offered is chosen, extensions are not looked at.
// Add the CORS headers to the headers of an accepted one.
HandshakeResult check_handshake(const HandshakeRequest& request);

// True if the headers make a request an upgrade: an Upgrade header that is not empty and the token
// `upgrade` in Connection (all its occurrences joined with commas). Without both it is a plain
// request.
bool is_upgrade(std::optional<std::string_view> connection,
                std::optional<std::string_view> upgrade);

}  // namespace notifications::websocket
