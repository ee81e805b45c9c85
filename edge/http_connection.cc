#include "edge/http_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

#include "edge/demo_page.h"
#include "edge/edge_shard.h"
#include "edge/engineio/request.h"
#include "edge/jitter.h"
#include "edge/socketio_connection.h"
#include "edge/sse/event_stream.h"
#include "edge/sse/request.h"
#include "edge/sse_connection.h"

namespace notifications::edge {
namespace {

namespace http = boost::beast::http;
using websocket::HttpAnswer;

constexpr std::uint32_t kMaxHeaderBytes = 16 * 1024;  // as Node's http server
constexpr std::uint64_t kMaxBodyBytes = 64 * 1024;    // nothing here takes a body
// Requests of one connection in one turn of the loop, if it sends them without waiting.
constexpr int kRequestsPerTurn = 16;
constexpr std::chrono::milliseconds kRequestTimeout{10'000};
constexpr std::chrono::milliseconds kKeepAliveTimeout{5'000};
constexpr std::chrono::milliseconds kLingerTimeout{2'000};
// When an event stream that cannot be served now may be asked for again: from, and twice, that.
constexpr std::chrono::milliseconds kBusyRetry{5'000};

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

// All occurrences of a header, joined as HTTP allows; nothing if there is none.
template <class Name>
std::optional<std::string> header(const http::fields& fields, Name name) {
  std::optional<std::string> joined;
  const auto range = fields.equal_range(name);
  for (auto it = range.first; it != range.second; ++it) {
    if (joined) {
      *joined += ", ";
    } else {
      joined.emplace();
    }
    *joined += view(it->value());
  }
  return joined;
}

// Whether a target has one of the forms that Node's parser lets through: a path, `*`, or a URL with
// a scheme; in ASCII.
bool is_target(std::string_view target) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (!std::all_of(target.begin(), target.end(), is_ascii)) return false;
  if (target.starts_with('/') || target.starts_with('*')) return true;
  const auto end = std::find_if_not(target.begin(), target.end(), is_letter);
  const std::string_view rest = target.substr(static_cast<std::size_t>(end - target.begin()));
  return end != target.begin() && rest.starts_with("://");
}

// Node's parser knows methods by name; of its list only QUERY is unknown to Beast.
bool is_known_method(const http::request<http::string_body>& request) {
  return request.method() != http::verb::unknown || view(request.method_string()) == "QUERY";
}

// Overwrites, in the Connection headers of a request's head, what cannot stand in a list of words.
// Beast takes such a header for an error; to a stock server it names options that nobody knows, and
// the request is answered as any other. True if something was overwritten.
bool blur_connection(std::span<char> head) {
  constexpr std::string_view kName = "connection:";
  constexpr std::string_view kProxy = "proxy-";  // of the old name, as strict to Beast
  // What is written in place of others is one, too: nothing is overwritten twice.
  const auto is_word = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  };
  const auto starts_with = [](std::string_view text, std::string_view start) {
    return boost::beast::iequals({text.data(), std::min(text.size(), start.size())},
                                 {start.data(), start.size()});
  };
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  bool blurred = false;
  std::string_view rest(head.data(), head.size());
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    if (line.empty()) break;
    const std::string_view field = line.substr(starts_with(line, kProxy) ? kProxy.size() : 0);
    if (starts_with(field, kName)) {
      char* const begin = head.data() + (field.data() - head.data()) + kName.size();
      char* const end = begin + (field.size() - kName.size());
      for (char* word = begin; word < end;) {
        char* const comma = std::find(word, end, ',');
        char* first = std::find_if_not(word, comma, is_blank);
        char* last = comma;
        while (last > first && is_blank(last[-1])) --last;
        for (; first < last; ++first) {
          if (is_word(*first)) continue;
          *first = '_';
          blurred = true;
        }
        word = comma == end ? end : comma + 1;
      }
    }
    rest.remove_prefix(std::min(line.size() + 2, rest.size()));
  }
  return blurred;
}

// See: RFC 9110 section 5.6.7.
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text, size};
}

HttpAnswer not_found() { return {404, "Not Found", {}, ""}; }

bool has_header(const HttpAnswer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (boost::beast::iequals({key.data(), key.size()}, {name.data(), name.size()})) return true;
  }
  return false;
}

std::string without_query(std::string_view target) {
  return std::string(target.substr(0, std::min(target.find('?'), target.size())));
}

}  // namespace

HttpConnection::HttpConnection(EdgeShard& shard, Socket socket, std::uint64_t id, bool overloaded)
    : Connection(shard, std::move(socket), id), overloaded_(overloaded) {
  shard.context().metrics.http_connections.add(1);
}

HttpConnection::~HttpConnection() {
  EdgeContext& context = shard_.context();
  context.metrics.http_connections.add(-1);
  context.connections.fetch_sub(1, std::memory_order_relaxed);
}

void HttpConnection::start() {
  begin_request();
  expect_progress(overloaded_ ? kLingerTimeout : kRequestTimeout);
  read_more();
}

void HttpConnection::begin_request() {
  parser_ = std::make_unique<Parser>();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(kMaxBodyBytes);
  parser_->eager(true);
}

void HttpConnection::expect_progress(std::chrono::milliseconds within) {
  shard_.shard().timers().schedule(*this, shard_.shard().now() + within);
}

// A connection without a request in flight ends at once; one that is being answered ends behind
// the answer.
void HttpConnection::drain() {
  close_after_write_ = true;
  if (out_.empty()) finish();
}

void HttpConnection::abort() { close_socket(); }

void HttpConnection::on_timer(std::chrono::steady_clock::time_point) {
  if (lingering_) return close_socket();
  EdgeMetrics& metrics = shard_.context().metrics;
  if (writing_) {
    metrics.http_errors[HttpError::kUnread]->add();
    return close_socket();
  }
  if (unparsed_.empty() && !parser_->got_some()) {
    // Between two requests silence is in order.
    if (!answered_) metrics.http_errors[HttpError::kSilent]->add();
    return close_socket();
  }
  metrics.http_errors[HttpError::kTimeout]->add();
  refuse(408, "Request Timeout");
}

// A second wait would read on for a client that is to be held back.
void HttpConnection::read_more() {
  if (std::exchange(reading_, true)) return;
  wait_readable();
}

void HttpConnection::on_readable() {
  reading_ = false;
  const std::span<char> buffer = shard_.read_buffer();
  const ssize_t n = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
  if (n == 0) return close_socket();
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return read_more();
    return close_socket();
  }
  std::span<char> bytes = buffer.first(static_cast<std::size_t>(n));
  if (lingering_) return read_more();
  if (!unparsed_.empty()) {
    unparsed_.append(bytes.data(), bytes.size());
    std::string whole = std::exchange(unparsed_, {});
    if (!parse(whole)) return;
  } else if (!parse(bytes)) {
    return;
  }
  if (socket_.is_open()) read_more();
}

// True if the connection goes on as HTTP. While an answer is being written, further requests wait
// in `unparsed_`, and nothing more is read than fits one buffer.
bool HttpConnection::parse(std::span<char> bytes) {
  int requests = 0;
  while (!bytes.empty() && !lingering_) {
    const bool had_its_turn = requests == kRequestsPerTurn;
    if (had_its_turn || !out_.empty()) {
      unparsed_.assign(bytes.data(), bytes.size());
      if (out_.empty()) shard_.read_later(*this);
      return false;
    }
    // Empty lines before a request are no matter. See: RFC 9112 section 2.2.
    while (!parser_->got_some() && !bytes.empty() && (bytes[0] == '\r' || bytes[0] == '\n')) {
      bytes = bytes.subspan(1);
    }
    if (bytes.empty()) return true;
    boost::system::error_code error;
    const std::size_t used = parser_->put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    // A head is read only when all of it is there.
    if (error == http::error::bad_value && blur_connection(bytes)) {
      begin_request();
      continue;
    }
    bytes = bytes.subspan(used);
    if (error == http::error::need_more) {
      unparsed_.assign(bytes.data(), bytes.size());
      return true;
    }
    if (error) {
      refuse(error);
      return true;
    }
    if (!parser_->is_done()) continue;
    const Request request = parser_->release();
    begin_request();
    if (!handle(request, bytes)) return false;
    ++requests;
  }
  return true;
}

bool HttpConnection::handle(const Request& request, std::span<char> rest) {
  EdgeContext& context = shard_.context();
  const auto connection = header(request, http::field::connection);
  const auto upgrade = header(request, http::field::upgrade);
  const bool is_upgrade = websocket::is_upgrade(connection, upgrade);
  const bool is_events = sse::is_events_path(view(request.target())) &&
                         request.method() != http::verb::options && !is_upgrade;
  if (is_events) return handle_events(request);
  if (overloaded_) {
    refuse(503, "Service Unavailable");
    return true;
  }
  const bool lacks_host =
      !is_upgrade && request.version() == 11 && request.find(http::field::host) == request.end();
  if (!is_known_method(request) || !is_target(view(request.target())) || lacks_host) {
    refuse(http::error::bad_value);
    return true;
  }
  if (is_upgrade) return handle_upgrade(request, rest);

  context.metrics.http_requests.add();
  const bool keep_alive = request.keep_alive() && !context.draining.load();
  HttpAnswer answer = answer_to(request);
  if (!has_header(answer, "Content-Length") && answer.status != 204) {
    answer.headers.emplace_back("Content-Length", std::to_string(answer.body.size()));
  }
  answer.headers.emplace_back("Date", http_date());
  answer.headers.emplace_back("Connection", keep_alive ? "keep-alive" : "close");
  if (keep_alive) answer.headers.emplace_back("Keep-Alive", "timeout=5");
  if (request.method() == http::verb::head) answer.body.clear();
  close_after_write_ = !keep_alive;
  answered_ = true;
  write(answer.to_bytes());
  if (socket_.is_open() && out_.empty()) expect_progress(kKeepAliveTimeout);
  return true;
}

HttpAnswer HttpConnection::answer_to(const Request& request) const {
  const EdgeContext& context = shard_.context();
  const std::string_view target = view(request.target());
  const auto origin = header(request, http::field::origin);
  const bool is_options = request.method() == http::verb::options;
  if (is_options && sse::is_events_path(target)) {
    return engineio::answer_preflight(context.origins, origin,
                                      header(request, http::field::access_control_request_headers));
  }
  if (engineio::is_under_path(target, context.settings.socket_io_path)) {
    if (is_options) {
      return engineio::answer_preflight(
          context.origins, origin, header(request, http::field::access_control_request_headers));
    }
    engineio::Request checked;
    checked.method = view(request.method_string());
    checked.query = engineio::parse_query(target);
    checked.origin = origin;
    const auto refusal = engineio::check_request(checked, context.origins);
    const auto why = refusal.value_or(engineio::Refusal::kBadRequest);
    context.metrics.handshake_refusals[static_cast<std::size_t>(why)]->add();
    return engineio::answer_refusal(why, context.origins, origin);
  }
  const bool read_only =
      request.method() == http::verb::get || request.method() == http::verb::head;
  if (context.settings.demo && read_only) {
    if (auto page = demo_page(without_query(target))) return *std::move(page);
  }
  return not_found();
}

bool HttpConnection::handle_upgrade(const Request& request, std::span<char> rest) {
  const EdgeContext& context = shard_.context();
  const std::string_view target = view(request.target());
  const auto refuse_with = [&](const HttpAnswer& answer) {
    close_after_write_ = true;
    write(answer.to_bytes());
    return true;
  };
  if (!engineio::is_under_path(target, context.settings.socket_io_path)) {
    return refuse_with(websocket::refuse_upgrade(404, "Not Found", "Not Found", "Content-Type"));
  }
  const auto origin = header(request, http::field::origin);
  engineio::Request checked;
  checked.method = view(request.method_string());
  checked.query = engineio::parse_query(target);
  checked.upgrade = true;
  checked.origin = origin;
  if (const auto refusal = engineio::check_request(checked, context.origins)) {
    context.metrics.handshake_refusals[static_cast<std::size_t>(*refusal)]->add();
    return refuse_with(engineio::answer_refused_upgrade(*refusal, context.origins, origin));
  }
  const auto upgrade = header(request, http::field::upgrade);
  const auto key = header(request, http::field::sec_websocket_key);
  const auto version = header(request, http::field::sec_websocket_version);
  const auto protocol = header(request, http::field::sec_websocket_protocol);
  websocket::HandshakeResult handshake =
      websocket::check_handshake({view(request.method_string()), upgrade, key, version, protocol});
  if (!handshake.accepted) return refuse_with(handshake.answer);
  // A stock server finds out only now, and sends its 101 all the same; a client is better served by
  // an answer that it can read.
  if (const auto refusal = engineio::check_protocol(checked.query)) {
    context.metrics.handshake_refusals[static_cast<std::size_t>(*refusal)]->add();
    return refuse_with(engineio::answer_refused_upgrade(*refusal, context.origins, origin));
  }
  engineio::append_cors(handshake.answer, context.origins, origin);
  become_websocket(handshake.answer.to_bytes(), rest);
  return false;
}

void HttpConnection::become_websocket(std::string response, std::span<char> rest) {
  const auto connection = std::make_shared<SocketIoConnection>(shard_, std::move(socket_), id_);
  const auto self = shared_from_this();  // leaving the register must not end this call
  take_leave(connection);
  connection->start(std::move(response), rest);
}

// The register holds the successor from here on, who has the socket.
void HttpConnection::take_leave(const std::shared_ptr<Connection>& successor) {
  shard_.context().connections.fetch_add(1, std::memory_order_relaxed);  // ours goes with us
  shard_.shard().timers().cancel(*this);
  // In this order: a draining shard must not find itself empty in between.
  shard_.add(successor);
  shard_.remove(*this);
}

// An event stream, or its refusal. Never a 5xx: after one a browser's EventSource gives up for
// good. False if the connection is not HTTP any more.
bool HttpConnection::handle_events(const Request& request) {
  EdgeContext& context = shard_.context();
  const auto origin = header(request, http::field::origin);
  HttpAnswer answer{200, "OK", {}, ""};
  answer.headers.emplace_back("Content-Type", "text/event-stream");
  answer.headers.emplace_back("Cache-Control", "no-store");
  answer.headers.emplace_back("X-Accel-Buffering", "no");
  engineio::append_cors(answer, context.origins, origin);
  answer.headers.emplace_back("Date", http_date());
  answer.headers.emplace_back("Connection", "close");
  close_after_write_ = true;
  const auto last_event_id = header(request, "Last-Event-ID");
  auto stream = sse::parse_stream_request(view(request.target()), last_event_id,
                                          context.settings.max_rooms_per_connection);
  if (!context.origins.allows(origin)) {
    answer = engineio::answer_refusal(engineio::Refusal::kForbidden, context.origins, origin);
  } else if (request.method() != http::verb::get && request.method() != http::verb::head) {
    answer = {405, "Method Not Allowed", {}, ""};
    answer.headers.emplace_back("Allow", "GET, HEAD, OPTIONS");
  } else if (!stream) {
    answer = {400, "Bad Request", {}, stream.error().json};
    answer.headers.emplace_back("Content-Type", "application/json");
    engineio::append_cors(answer, context.origins, origin);
  } else if (request.method() == http::verb::head) {
    write(answer.to_bytes());
    return true;
  } else if (overloaded_ || context.draining.load()) {
    answer.body = sse::retry_block(kBusyRetry + jittered(kBusyRetry));
  } else {
    const auto connection =
        std::make_shared<SseConnection>(shard_, std::move(socket_), id_, std::move(stream).value());
    const auto self = shared_from_this();
    take_leave(connection);
    connection->start(answer.to_bytes());
    return false;
  }
  context.metrics.http_requests.add();
  if (answer.status != 200) {
    answer.headers.emplace_back("Content-Length", std::to_string(answer.body.size()));
    answer.headers.emplace_back("Connection", "close");
  }
  write(answer.to_bytes());
  return true;
}

// For a request that cannot be read.
void HttpConnection::refuse(const boost::system::error_code& error) {
  EdgeMetrics& metrics = shard_.context().metrics;
  if (error == http::error::header_limit) {
    metrics.http_errors[HttpError::kHeadTooLarge]->add();
    refuse(431, "Request Header Fields Too Large");
  } else if (error == http::error::body_limit) {
    metrics.http_errors[HttpError::kBodyTooLarge]->add();
    refuse(413, "Payload Too Large");
  } else {
    metrics.http_errors[HttpError::kMalformed]->add();
    refuse(400, "Bad Request");
  }
}

// As Node's http server says it: a bare status line, then the end.
void HttpConnection::refuse(int status, std::string_view reason) {
  close_after_write_ = true;
  write("HTTP/1.1 " + std::to_string(status) + " " + std::string(reason) +
        "\r\nConnection: close\r\n\r\n");
}

void HttpConnection::write(std::string bytes) {
  out_ += bytes;
  if (!writing_) flush();
}

void HttpConnection::flush() {
  while (!out_.empty()) {
    const ssize_t n = ::send(socket_.native_handle(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return close_socket();
      writing_ = true;
      expect_progress(shard_.context().settings.write_timeout);
      return wait_writable();
    }
    out_.erase(0, static_cast<std::size_t>(n));
  }
  out_.shrink_to_fit();
  writing_ = false;
  if (close_after_write_) finish();
}

void HttpConnection::on_writable() {
  flush();
  if (!socket_.is_open() || writing_ || lingering_) return;
  expect_progress(kKeepAliveTimeout);
  go_on();
}

// With what came behind the request that was answered last.
void HttpConnection::go_on() {
  std::string whole = std::exchange(unparsed_, {});
  if (parse(whole) && socket_.is_open()) read_more();
}

// Says that nothing more comes, and waits a moment for the client to close first: closing with
// unread bytes in the socket would reset it, and the client would lose the answer.
void HttpConnection::finish() {
  if (lingering_) return;
  lingering_ = true;
  ::shutdown(socket_.native_handle(), SHUT_WR);
  expect_progress(kLingerTimeout);
}

}  // namespace notifications::edge
