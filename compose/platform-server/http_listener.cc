#include "compose/platform-server/http_listener.h"

#include <civetweb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace platform {

struct HttpListener::Server {
  Answer answer;
  mg_context* context = nullptr;

  static int on_request(mg_connection* connection);
  static int on_log(const mg_connection*, const char*) { return 1; }  // handled: keep stderr ours
};

namespace {

constexpr std::size_t kMaxBody = 9 * 1024 * 1024;  // an envelope may have 8 MiB

std::string decoded(std::string_view text) {
  std::string out(text.size() + 1, '\0');
  const int size = mg_url_decode(text.data(), static_cast<int>(text.size()), out.data(),
                                 static_cast<int>(out.size()), 1);
  out.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return out;
}

std::vector<std::string> rooms_of(const char* query) {
  std::vector<std::string> rooms;
  std::string_view rest = query == nullptr ? "" : query;
  constexpr std::string_view kKey = "room=";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view part = rest.substr(0, end);
    if (part.substr(0, kKey.size()) == kKey) rooms.push_back(decoded(part.substr(kKey.size())));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return rooms;
}

// False if the body is larger than kMaxBody or broken off.
bool read_body(mg_connection* connection, std::int64_t length, std::string& body) {
  if (length > static_cast<std::int64_t>(kMaxBody)) return false;
  std::array<char, 16384> part;
  for (;;) {
    const int size = mg_read(connection, part.data(), part.size());
    if (size < 0) return false;
    if (size == 0) return length < 0 || body.size() == static_cast<std::size_t>(length);
    body.append(part.data(), static_cast<std::size_t>(size));
    if (body.size() > kMaxBody) return false;
  }
}

void write(mg_connection* connection, const Response& response, bool with_body) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            response.status, mg_get_response_code_text(connection, response.status),
            response.content_type.c_str(), response.body.size());
  if (with_body) mg_write(connection, response.body.data(), response.body.size());
}

}  // namespace

int HttpListener::Server::on_request(mg_connection* connection) {
  const mg_request_info* info = mg_get_request_info(connection);
  const auto* server = static_cast<const Server*>(info->user_data);
  Request request;
  request.method = info->request_method;
  request.path = info->local_uri == nullptr ? "" : info->local_uri;
  request.rooms = rooms_of(info->query_string);
  const bool with_body = request.method != "HEAD";
  if (!read_body(connection, info->content_length, request.body)) {
    write(connection, {413, "application/json", "{\"error\":\"the body is too large\"}\n"},
          with_body);
    return 1;
  }
  write(connection, server->answer(std::move(request)), with_body);
  return 1;
}

HttpListener::HttpListener(const std::string& address, Answer answer)
    : server_(std::make_unique<Server>()) {
  server_->answer = std::move(answer);
  const std::array<const char*, 9> options = {
      "listening_ports", address.c_str(),     "num_threads", "16",   "request_timeout_ms",
      "30000",           "enable_keep_alive", "no",          nullptr};
  mg_callbacks callbacks;
  std::memset(&callbacks, 0, sizeof callbacks);
  callbacks.begin_request = &Server::on_request;
  callbacks.log_message = &Server::on_log;
  server_->context = mg_start(&callbacks, server_.get(), const_cast<const char**>(options.data()));
  if (server_->context == nullptr) throw std::runtime_error("cannot listen on " + address);
}

HttpListener::~HttpListener() { mg_stop(server_->context); }

int HttpListener::port() const {
  std::array<mg_server_port, 1> bound;
  std::memset(bound.data(), 0, sizeof bound);
  return mg_get_server_ports(server_->context, 1, bound.data()) == 1 ? bound[0].port : 0;
}

}  // namespace platform
