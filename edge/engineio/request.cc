#include "edge/engineio/request.h"

#include <algorithm>

namespace notifications::engineio {
namespace {

// A control character, tab excepted, cannot stand in a header's value.
bool has_control_character(std::string_view value) {
  return std::any_of(value.begin(), value.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u < 0x20 && u != '\t') || u == 0x7F;
  });
}

// The JSON answer itself, without CORS.
void fill_refusal(HttpAnswer& answer, Refusal refusal) {
  answer.status = refusal == Refusal::kForbidden ? 403 : 400;
  answer.reason = refusal == Refusal::kForbidden ? "Forbidden" : "Bad Request";
  answer.headers.emplace_back("Content-Type", "application/json");
  answer.body = R"({"code":)" + std::to_string(static_cast<int>(refusal)) + R"(,"message":")";
  answer.body += message(refusal);
  answer.body += "\"}";
}

// Adds to the Vary header, of which there is one.
void add_vary(HttpAnswer& answer, std::string_view field) {
  for (auto& [header, value] : answer.headers) {
    if (header != "Vary") continue;
    value += ", ";
    value += field;
    return;
  }
  answer.headers.emplace_back("Vary", field);
}

}  // namespace

std::string_view message(Refusal refusal) {
  switch (refusal) {
    case Refusal::kUnknownTransport:
      return "Transport unknown";
    case Refusal::kUnknownSid:
      return "Session ID unknown";
    case Refusal::kBadHandshakeMethod:
      return "Bad handshake method";
    case Refusal::kBadRequest:
      return "Bad request";
    case Refusal::kForbidden:
      return "Forbidden";
    case Refusal::kUnsupportedProtocol:
      return "Unsupported protocol version";
  }
  return "Bad request";
}

std::string_view name(Refusal refusal) {
  switch (refusal) {
    case Refusal::kUnknownTransport:
      return "unknown_transport";
    case Refusal::kUnknownSid:
      return "unknown_sid";
    case Refusal::kBadHandshakeMethod:
      return "bad_handshake_method";
    case Refusal::kBadRequest:
      return "bad_request";
    case Refusal::kForbidden:
      return "forbidden";
    case Refusal::kUnsupportedProtocol:
      return "unsupported_protocol";
  }
  return "unknown";
}

bool OriginPolicy::allows(std::optional<std::string_view> origin) const {
  return any() || !origin || std::find(allowed.begin(), allowed.end(), *origin) != allowed.end();
}

std::optional<Refusal> check_request(const Request& request, const OriginPolicy& origins,
                                     const SessionLookup* sessions) {
  if (request.query.transport != "websocket") return Refusal::kUnknownTransport;
  if (request.origin && has_control_character(*request.origin)) return Refusal::kBadRequest;
  if (request.query.sid && !request.query.sid->empty()) {
    const bool live = sessions != nullptr && sessions->is_live(*request.query.sid);
    return live ? Refusal::kBadRequest : Refusal::kUnknownSid;
  }
  if (request.method != "GET") return Refusal::kBadHandshakeMethod;
  if (!request.upgrade) return Refusal::kBadRequest;
  if (!origins.allows(request.origin)) return Refusal::kForbidden;
  return std::nullopt;
}

std::optional<Refusal> check_protocol(const Query& query) {
  if (query.eio != "4") return Refusal::kUnsupportedProtocol;
  return std::nullopt;
}

HttpAnswer answer_refusal(Refusal refusal, const OriginPolicy& origins,
                          std::optional<std::string_view> origin) {
  HttpAnswer answer;
  append_cors(answer, origins, origin);
  fill_refusal(answer, refusal);
  return answer;
}

HttpAnswer answer_refused_upgrade(Refusal refusal, const OriginPolicy& origins,
                                  std::optional<std::string_view> origin) {
  if (refusal == Refusal::kForbidden) {
    HttpAnswer answer = answer_refusal(refusal, origins, origin);
    answer.headers.emplace_back("Connection", "close");
    answer.headers.emplace_back("Content-Length", std::to_string(answer.body.size()));
    return answer;
  }
  return websocket::refuse_upgrade(400, "Bad Request", message(refusal), "Content-type");
}

HttpAnswer answer_preflight(const OriginPolicy& origins, std::optional<std::string_view> origin,
                            std::optional<std::string_view> requested_headers) {
  HttpAnswer answer{204, "No Content", {}, {}};
  append_cors(answer, origins, origin);
  answer.headers.emplace_back("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE");
  add_vary(answer, "Access-Control-Request-Headers");
  if (requested_headers && !requested_headers->empty()) {
    answer.headers.emplace_back("Access-Control-Allow-Headers", *requested_headers);
  }
  answer.headers.emplace_back("Content-Length", "0");
  return answer;
}

void append_cors(HttpAnswer& answer, const OriginPolicy& origins,
                 std::optional<std::string_view> origin) {
  if (origins.any()) {
    answer.headers.emplace_back("Access-Control-Allow-Origin", "*");
    return;
  }
  if (origin && origins.allows(origin)) {
    answer.headers.emplace_back("Access-Control-Allow-Origin", *origin);
  }
  add_vary(answer, "Origin");
}

}  // namespace notifications::engineio
