#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/redis/reply_parser.h"

namespace notifications::test {

// A server that does as it is told: `answer` returns the raw bytes for each command.
class ScriptedRedis {
 public:
  using Words = std::vector<std::string>;

  explicit ScriptedRedis(boost::asio::io_context& io)
      : acceptor_(io, boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)) {
    accept();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void hang_up() {
    for (auto& peer : std::exchange(peers_, {})) peer->socket.close();
  }
  void send(const std::string& bytes) {
    boost::asio::write(peers_.back()->socket, boost::asio::buffer(bytes));
  }

  // Bytes of the newest peer that have arrived and were not read.
  std::size_t unread() const { return peers_.back()->socket.available(); }

  std::function<std::string(const Words&)> answer = [](const Words& command) {
    return command[0] == "PING" ? "+PONG\r\n" : "+OK\r\n";
  };
  bool reading = true;
  std::vector<Words> commands;
  int accepted = 0;
  int reads = 0;

 private:
  struct Peer : redis::ReplyParser::Sink, std::enable_shared_from_this<Peer> {
    Peer(ScriptedRedis& owner, boost::asio::ip::tcp::socket connected)
        : server(owner), socket(std::move(connected)) {}
    void read() {
      if (!server.reading) return;
      socket.async_read_some(
          boost::asio::buffer(buffer),
          [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
            if (error) return;
            ++self->server.reads;
            self->parser.consume({self->buffer.data(), size});
            if (self->socket.is_open()) self->read();
          });
    }
    void on_reply(redis::Reply command) override {
      Words words;
      for (redis::Reply& word : command.elements) words.push_back(std::move(word.text));
      server.commands.push_back(words);
      const std::string bytes = server.answer(words);
      boost::system::error_code ignored;
      boost::asio::write(socket, boost::asio::buffer(bytes), ignored);
    }
    void on_message(std::string_view, std::string_view) override {}
    bool open() const override { return socket.is_open(); }

    ScriptedRedis& server;
    boost::asio::ip::tcp::socket socket;
    redis::ReplyParser parser{*this};
    std::array<char, 65536> buffer;
  };

  void accept() {
    acceptor_.async_accept(
        [this](boost::system::error_code error, boost::asio::ip::tcp::socket socket) {
          if (error) return;
          ++accepted;
          peers_.push_back(std::make_shared<Peer>(*this, std::move(socket)));
          peers_.back()->read();
          accept();
        });
  }

  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<std::shared_ptr<Peer>> peers_;
};

}  // namespace notifications::test
