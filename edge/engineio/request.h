#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edge/engineio/query.h"
#include "edge/websocket/handshake.h"

namespace notifications::engineio {

using websocket::HttpAnswer;

// Why a request is refused; the number is the `code` of the answer.
enum class Refusal : std::uint8_t {
  kUnknownTransport = 0,
  kUnknownSid = 1,
  kBadHandshakeMethod = 2,
  kBadRequest = 3,
  kForbidden = 4,
  kUnsupportedProtocol = 5,
};
inline constexpr int kRefusals = 6;
std::string_view message(Refusal refusal);  // "Transport unknown", ...
std::string_view name(Refusal refusal);     // snake_case, for counters: "unknown_transport", ...

// Whether a session id is that of a live connection; given by the owner of the sessions.
class SessionLookup {
 public:
  virtual bool is_live(std::string_view sid) const = 0;

 protected:
  ~SessionLookup() = default;
};

// The origins that may connect. See: CONTRACT section 1, --allowed_origins.
struct OriginPolicy {
  std::vector<std::string> allowed;  // exact origins; empty: any ("*")

  bool any() const { return allowed.empty(); }
  // A request without an Origin comes from no browser and is allowed.
  bool allows(std::optional<std::string_view> origin) const;
};

// What is to be known of a request under the path.
struct Request {
  std::string_view method;
  Query query;
  bool upgrade = false;  // websocket::is_upgrade()
  std::optional<std::string_view> origin;
};

// Checks a request in the order of a stock server: transport, characters of the origin, session id,
// method, upgrade; then the origin's permission. Nothing: the request is an upgrade that may go on
// to websocket::check_handshake() and then check_protocol().
//
// A live session id is refused as a bad request. (A stock server starts an upgrade from a WebSocket
// to a WebSocket, of which no client is known to make use.) `sessions` may be null: none is live.
std::optional<Refusal> check_request(const Request& request, const OriginPolicy& origins,
                                     const SessionLookup* sessions = nullptr);

// EIO must be exactly 4. A stock server finds out only after a successful handshake, so it comes
// last: it even sends its 101 first and then the text of the refusal behind it.
std::optional<Refusal> check_protocol(const Query& query);

// The answer to a plain request: 400 (403 if forbidden), JSON, with the CORS headers.
HttpAnswer answer_refusal(Refusal refusal, const OriginPolicy& origins,
                          std::optional<std::string_view> origin);

// The answer to an upgrade: 400 and the message as text, after which the connection is closed; a
// forbidden origin gets the same JSON as on a plain request.
HttpAnswer answer_refused_upgrade(Refusal refusal, const OriginPolicy& origins,
                                  std::optional<std::string_view> origin);

// The answer to OPTIONS (any, with or without Access-Control-Request-Headers): 204.
// (An OPTIONS that asks for an upgrade gets no answer from a stock server: the connection ends.)
HttpAnswer answer_preflight(const OriginPolicy& origins, std::optional<std::string_view> origin,
                            std::optional<std::string_view> requested_headers);

// Appends the CORS headers of an ordinary answer: the origin allowed and, unless any is, Vary.
void append_cors(HttpAnswer& answer, const OriginPolicy& origins,
                 std::optional<std::string_view> origin);

}  // namespace notifications::engineio
