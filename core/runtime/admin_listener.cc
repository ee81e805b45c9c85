#include "core/runtime/admin_listener.h"

#include <civetweb.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
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
  Pages pages;
  Guard guard;
  std::string wake_host;  // a numeric address at which it can be reached from here
  mg_context* context = nullptr;

  AdminResponse respond(const AdminPage* page, std::string_view path, std::string_view method,
                        std::string_view authorization, const AdminChange& change) const;
  // CivetWeb calls this for every request, whatever its path. See: civetweb.h, begin_request.
  static int on_request(mg_connection* connection);
  static int on_log(const mg_connection*, const char*) { return 1; }  // handled: keep stderr ours
};

namespace {

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
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

AdminResponse plain(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body)};
}

// `allow`: the methods of the page, for a 405.
void answer(mg_connection* connection, const AdminResponse& response, bool with_body,
            const char* allow) {
  std::string extra;
  if (response.status == 405) extra = std::string("Allow: ") + allow + "\r\n";
  if (response.status == 401) extra = "WWW-Authenticate: Bearer\r\n";
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            response.status, reason_phrase(response.status), response.content_type.c_str(),
            response.body.size(), extra.c_str());
  if (with_body) mg_write(connection, response.body.data(), response.body.size());
}

std::string_view or_empty(const char* text) { return text == nullptr ? "" : text; }

// Whether a Host header holds an address or localhost, rather than a name that DNS gives meaning.
bool is_plain_host(std::string_view host) {
  const auto address = parse_address(host);
  std::string_view name = address ? std::string_view(address->host) : host;
  if (name.size() >= 2 && name.front() == '[' && name.back() == ']') {
    name = name.substr(1, name.size() - 2);
  }
  boost::system::error_code error;
  boost::asio::ip::make_address(name, error);
  return !error || name == "localhost";
}

bool is_this_host(std::string_view peer) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(peer, error);
  if (error) return false;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6())
        .is_loopback();
  }
  return address.is_loopback();
}

}  // namespace

AdminResponse AdminListener::Server::respond(const AdminPage* page, std::string_view path,
                                             std::string_view method,
                                             std::string_view authorization,
                                             const AdminChange& change) const {
  const bool get = method == "GET" || method == "HEAD";
  const bool put = method == "PUT" && page != nullptr && page->put;
  if (!get && !put) {
    const bool changes = page != nullptr && page->put;
    return plain(405, changes ? "only GET, HEAD and PUT\n" : "only GET and HEAD\n");
  }
  if (page == nullptr) return plain(404, "no such page\n");
  const bool guarded = put || guard.paths.contains(std::string(path));
  if (guarded && !guard.token.empty() &&
      !equals_secret(guard.token, bearer_token_of(authorization))) {
    return plain(401, "a bearer token is needed\n");
  }
  if (get) return page->get();
  if (guard.token.empty() && !(is_this_host(change.peer) && is_plain_host(change.host))) {
    return plain(403, "without --admin_token only from the host itself\n");
  }
  return page->put(change);
}

int AdminListener::Server::on_request(mg_connection* connection) {
  const mg_request_info* request = mg_get_request_info(connection);
  const auto* server = static_cast<const Server*>(request->user_data);
  const std::string_view method = request->request_method;
  const std::string_view path = or_empty(request->local_uri);
  const auto found = server->pages.find(std::string(path));
  const AdminPage* page = found == server->pages.end() ? nullptr : &found->second;
  const AdminResponse response =
      server->respond(page, path, method, or_empty(mg_get_header(connection, "Authorization")),
                      {or_empty(request->query_string), request->remote_addr,
                       or_empty(mg_get_header(connection, "Host"))});
  answer(connection, response, method != "HEAD",
         page != nullptr && page->put ? "GET, HEAD, PUT" : "GET, HEAD");
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
                                                                       Pages pages, Guard guard) {
  auto server = std::make_unique<Server>();
  server->address = address;
  server->wake_host = address.host == "0.0.0.0" || address.host == "localhost" ? "127.0.0.1"
                      : address.host == "::"                                   ? "::1"
                                                                               : address.host;
  server->pages = std::move(pages);
  server->guard = std::move(guard);
  const std::string ports = address.text();
  // Whoever sends half a request holds a thread until the timeout; the probes of an orchestrator,
  // which restarts what does not answer for some seconds, must find another one.
  const std::array<const char*, 9> options = {
      "listening_ports",   ports.c_str(), "num_threads", "8", "request_timeout_ms", "2000",
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
