#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "edge/engineio/query.h"
#include "edge/engineio/request.h"

// Puts the input where a request's target stands, hands the request to the HTTP parser as the edge
// does, whole and in pieces, and answers it.
namespace {

namespace http = boost::beast::http;
using namespace notifications;

void require(bool condition) {
  if (!condition) std::abort();
}

// The target as the parser understood it, or why it did not.
std::string parsed(std::string_view request, std::size_t piece) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(16 * 1024);
  parser.body_limit(64 * 1024);
  parser.eager(true);
  std::string unparsed;
  for (std::size_t at = 0; at < request.size() && !parser.is_done(); at += piece) {
    unparsed += request.substr(at, piece);
    boost::system::error_code error;
    const std::size_t used =
        parser.put(boost::asio::buffer(unparsed.data(), unparsed.size()), error);
    unparsed.erase(0, used);
    if (error && error != http::error::need_more) return "error";
  }
  if (!parser.is_done()) return "incomplete";
  return "target " + std::string(parser.get().target());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string request = "GET " + std::string(text) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string whole = parsed(request, request.size());
  // Byte by byte costs a parse per byte: on short inputs only.
  const std::string pieces = parsed(request, size < 512 ? 1 : 97);
  // In pieces an error may show before the end that would have made it another one; what is
  // accepted is the same.
  require(whole == pieces || whole.substr(0, 6) != "target" || pieces.substr(0, 6) != "target");

  const engineio::Query query = engineio::parse_query(text);
  for (const auto& value : {query.eio, query.transport, query.sid}) {
    require(!value || value->size() <= size);
  }
  const bool under = engineio::is_under_path(text, "/socket.io");
  require(under == (text.rfind("/socket.io/", 0) == 0));

  engineio::Request checked;
  checked.method = "GET";
  checked.query = query;
  checked.upgrade = true;
  const auto refusal = engineio::check_request(checked, {});
  // Nobody gets through who did not ask for a WebSocket, or who names a session.
  if (!refusal) {
    require(query.transport == "websocket" && (!query.sid || query.sid->empty()));
    require(engineio::check_protocol(query).has_value() == (query.eio != "4"));
  }
  return 0;
}
