#include "core/runtime/admin_listener.h"

#include <civetweb.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "core/runtime/bearer_token.h"

namespace notifications {

struct AdminListener::Server {
  Address address;
  Handlers handlers;
  Guard guard;
  std::string wake_host;  // a numeric address at which it can be reached from here
  mg_context* context = nullptr;

  // CivetWeb calls this for every request, whatever its path. See: civetweb.h, begin_request.
  static int on_request(mg_connection* connection);
  static int on_log(const mg_connection*, const char*) { return 1; }  // handled: keep stderr ours
};

namespace {

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

void answer(mg_connection* connection, const AdminResponse& response, bool with_body) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            response.status, reason_phrase(response.status), response.content_type.c_str(),
            response.body.size());
  if (with_body) mg_write(connection, response.body.data(), response.body.size());
}

}  // namespace

int AdminListener::Server::on_request(mg_connection* connection) {
  const mg_request_info* request = mg_get_request_info(connection);
  const auto* server = static_cast<const Server*>(request->user_data);
  const std::string_view method = request->request_method;
  const bool get = method == "GET";
  if (!get && method != "HEAD") {
    answer(connection, {405, "text/plain; charset=utf-8", "only GET and HEAD\n"}, true);
    return 1;
  }
  const auto found = server->handlers.find(request->local_uri == nullptr ? "" : request->local_uri);
  const char* authorization = mg_get_header(connection, "Authorization");
  if (found != server->handlers.end() && server->guard.paths.contains(found->first) &&
      !server->guard.token.empty() &&
      !equals_secret(server->guard.token,
                     bearer_token_of(authorization == nullptr ? "" : authorization))) {
    answer(connection, {401, "text/plain; charset=utf-8", "a bearer token is needed\n"}, get);
  } else if (found == server->handlers.end()) {
    answer(connection, {404, "text/plain; charset=utf-8", "no such page\n"}, get);
  } else {
    answer(connection, found->second(), get);
  }
  return 1;
}

AdminListener::AdminListener(std::unique_ptr<Server> server) : server_(std::move(server)) {}

AdminListener::~AdminListener() {
  if (server_->context == nullptr) return;
  // CivetWeb looks at its stop flag every two seconds, or when someone connects: somebody does.
  std::atomic<bool> stopped = false;
  std::thread waker([&] {
    boost::asio::io_context io;
    boost::system::error_code error;
    const auto host = boost::asio::ip::make_address(server_->wake_host, error);
    while (!error && !stopped) {
      boost::asio::ip::tcp::socket socket(io);
      boost::system::error_code ignored;
      socket.connect({host, server_->address.port}, ignored);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  mg_stop(server_->context);
  stopped = true;
  waker.join();
}

const Address& AdminListener::address() const { return server_->address; }

Result<std::unique_ptr<AdminListener>, AdminError> AdminListener::open(const Address& address,
                                                                       Handlers handlers,
                                                                       Guard guard) {
  auto server = std::make_unique<Server>();
  server->address = address;
  server->wake_host = address.host == "0.0.0.0" || address.host == "localhost" ? "127.0.0.1"
                      : address.host == "::"                                   ? "::1"
                                                                               : address.host;
  server->handlers = std::move(handlers);
  server->guard = std::move(guard);
  const std::string ports = address.text();
  const std::array<const char*, 9> options = {
      "listening_ports",   ports.c_str(), "num_threads", "2", "request_timeout_ms", "5000",
      "enable_keep_alive", "no",          nullptr};
  mg_callbacks callbacks;
  std::memset(&callbacks, 0, sizeof callbacks);
  callbacks.begin_request = &Server::on_request;
  callbacks.log_message = &Server::on_log;
  server->context = mg_start(&callbacks, server.get(), const_cast<const char**>(options.data()));
  if (server->context == nullptr) {
    return AdminError{"cannot listen on " + ports + " (in use, or not an address of this host)"};
  }
  mg_server_port bound[1];
  std::memset(bound, 0, sizeof bound);
  if (mg_get_server_ports(server->context, 1, bound) == 1) {
    server->address.port = static_cast<std::uint16_t>(bound[0].port);
  }
  return std::unique_ptr<AdminListener>(new AdminListener(std::move(server)));
}

}  // namespace notifications
