#include "edge/websocket/handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "edge/websocket/js_number.h"

namespace notifications::websocket {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kKeyLength = 24;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

bool is_key(std::string_view key) {
  return key.size() == kKeyLength && key.substr(kKeyLength - 2) == "==" &&
         std::all_of(key.begin(), key.end() - 2,
                     [](char c) { return is_alphanumeric(c) || c == '+' || c == '/'; });
}

bool is_token_char(char c) {
  return is_alphanumeric(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// The first of a list of subprotocols; nothing if the list is malformed: an empty or a repeated
// element, something that is no token, white space around the whole.
std::optional<std::string_view> first_protocol(std::string_view header) {
  if (header.empty() || is_space(header.front()) || is_space(header.back())) return std::nullopt;
  std::unordered_set<std::string_view> seen;
  std::string_view first;
  for (std::size_t begin = 0; begin <= header.size();) {
    const std::size_t end = std::min(header.find(',', begin), header.size());
    const std::string_view protocol = trim(header.substr(begin, end - begin));
    if (protocol.empty() || !std::all_of(protocol.begin(), protocol.end(), is_token_char) ||
        !seen.insert(protocol).second) {
      return std::nullopt;
    }
    if (first.empty()) first = protocol;
    begin = end + 1;
  }
  return first;
}

HandshakeResult refuse(int status, std::string_view reason, std::string_view message) {
  return {false, refuse_upgrade(status, reason, message, "Content-Type")};
}

HandshakeResult refuse(std::string_view message) { return refuse(400, "Bad Request", message); }

}  // namespace

std::string HttpAnswer::to_bytes() const {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " ";
  out += reason;
  out += "\r\n";
  for (const auto& [header, value] : headers) {
    out += header;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  out += "\r\n";
  return out + body;
}

HttpAnswer refuse_upgrade(int status, std::string_view reason, std::string_view message,
                          std::string_view content_type_name) {
  HttpAnswer answer;
  answer.status = status;
  answer.reason = reason;
  answer.headers = {{"Connection", "close"},
                    {content_type_name, "text/html"},
                    {"Content-Length", std::to_string(message.size())}};
  answer.body = message;
  return answer;
}

std::string accept_key(std::string_view key) {
  std::string text(key);
  text += kGuid;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> base64;
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(size));
  return {base64.begin(), base64.begin() + length};
}

HandshakeResult check_handshake(const HandshakeRequest& request) {
  if (request.method != "GET") return refuse(405, "Method Not Allowed", "Invalid HTTP method");
  if (!request.upgrade || !equals_ignoring_case(*request.upgrade, "websocket")) {
    return refuse("Invalid Upgrade header");
  }
  if (!request.key || !is_key(*request.key)) {
    return refuse("Missing or invalid Sec-WebSocket-Key header");
  }
  const double version = request.version ? js_to_number(*request.version) : 0;
  if (version != 13 && version != 8) {
    HandshakeResult refused = refuse("Missing or invalid Sec-WebSocket-Version header");
    refused.answer.headers.emplace_back("Sec-WebSocket-Version", "13, 8");
    return refused;
  }
  std::optional<std::string_view> protocol;
  if (request.protocol) {
    protocol = first_protocol(*request.protocol);
    if (!protocol) return refuse("Invalid Sec-WebSocket-Protocol header");
  }
  HttpAnswer answer{101, "Switching Protocols", {}, {}};
  answer.headers = {{"Upgrade", "websocket"},
                    {"Connection", "Upgrade"},
                    {"Sec-WebSocket-Accept", accept_key(*request.key)}};
  if (protocol) answer.headers.emplace_back("Sec-WebSocket-Protocol", *protocol);
  return {true, std::move(answer)};
}

bool is_upgrade(std::optional<std::string_view> connection,
                std::optional<std::string_view> upgrade) {
  if (!connection || !upgrade || upgrade->empty()) return false;
  for (std::size_t begin = 0; begin <= connection->size();) {
    const std::size_t end = std::min(connection->find(',', begin), connection->size());
    if (equals_ignoring_case(trim(connection->substr(begin, end - begin)), "upgrade")) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace notifications::websocket
