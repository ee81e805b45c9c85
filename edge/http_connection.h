#pragma once

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <span>
#include <string>

#include "edge/connection.h"
#include "edge/websocket/handshake.h"

namespace notifications::edge {

// HttpConnection is a connection that speaks HTTP/1.1: it answers plain requests, one after the
// other, until one of them turns it into a WebSocket.
//
// A request that does not arrive in time (Slowloris), is too large or is no HTTP ends the
// connection with a status that says so.
//
// Thread: shard.
class HttpConnection final : public Connection {
 public:
  // `overloaded`: every request is answered with 503 and the connection is closed.
  HttpConnection(EdgeShard& shard, Socket socket, std::uint64_t id, bool overloaded);
  ~HttpConnection() override;

  void start();
  void drain() override;
  void abort() override;

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Request = Parser::value_type;

  void on_readable() override;
  void on_writable() override;
  void on_turn() override { go_on(); }
  void on_timer(std::chrono::steady_clock::time_point now) override;

  void begin_request();
  void expect_progress(std::chrono::milliseconds within);
  bool parse(std::span<char> bytes);
  void go_on();
  bool handle(const Request& request, std::span<char> rest);
  bool handle_upgrade(const Request& request, std::span<char> rest);
  websocket::HttpAnswer answer_to(const Request& request) const;
  void become_websocket(std::string response, std::span<char> rest);
  bool handle_events(const Request& request);
  void take_leave(const std::shared_ptr<Connection>& successor);
  void refuse(const boost::system::error_code& error);
  void refuse(int status, std::string_view reason);
  void write(std::string bytes);
  void flush();
  void finish();
  void read_more();

  // This shard only.
  std::unique_ptr<Parser> parser_;
  std::string unparsed_;  // received, but not yet taken by the parser
  std::string out_;
  bool overloaded_;
  bool answered_ = false;  // a request before
  bool close_after_write_ = false;
  bool writing_ = false;    // waits for the socket to take more
  bool reading_ = false;    // waits for the client to send more
  bool lingering_ = false;  // answered for good; reads until the client closes
};

}  // namespace notifications::edge
