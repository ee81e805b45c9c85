#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace notifications::test {

// Relay stands between a client and a server on loopback, and can freeze single connections: they
// stay open, but nothing passes any more, as when a router forgot them.
//
// Thread: works on the one that runs `io`, and is destroyed there; `io` outlives it.
class Relay {
 public:
  Relay(boost::asio::io_context& io, std::uint16_t server_port)
      : io_(io),
        server_(boost::asio::ip::address_v4::loopback(), server_port),
        acceptor_(io, {boost::asio::ip::address_v4::loopback(), 0}),
        port_(acceptor_.local_endpoint().port()) {
    accept();
  }

  std::uint16_t port() const { return port_; }

  // Called on `io`'s thread with what the server sends; may change it, but not its length. Before
  // the first connection.
  void on_answer(std::function<void(std::string& bytes)> change) { change_ = std::move(change); }

  // Freezes the connections that stand now and whose client ever sent `word`. Thread: any.
  void freeze(std::string word) {
    boost::asio::post(io_, [this, word = std::move(word)] {
      for (const auto& weak : pairs_)
        if (const auto pair = weak.lock(); pair && pair->sent.find(word) != std::string::npos)
          pair->frozen = true;
    });
  }

 private:
  using Tcp = boost::asio::ip::tcp;
  struct Pair {
    Pair(Tcp::socket accepted, boost::asio::io_context& io)
        : client(std::move(accepted)), server(io) {}
    Tcp::socket client;
    Tcp::socket server;
    std::string sent;                          // by the client
    std::function<void(std::string&)> change;  // of what the server sends; may be empty
    bool frozen = false;
  };
  using PairPtr = std::shared_ptr<Pair>;
  using Buffer = std::array<char, 65536>;

  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, Tcp::socket socket) {
      if (error) return;
      const auto pair = std::make_shared<Pair>(std::move(socket), io_);
      pair->change = change_;
      pairs_.push_back(pair);
      pair->server.connect(server_, error);
      if (!error) {
        pump(pair, pair->client, pair->server, std::make_shared<Buffer>());
        pump(pair, pair->server, pair->client, std::make_shared<Buffer>());
      }
      accept();
    });
  }

  static void pump(const PairPtr& pair, Tcp::socket& from, Tcp::socket& to,
                   const std::shared_ptr<Buffer>& buffer) {
    from.async_read_some(
        boost::asio::buffer(*buffer),
        [pair, &from, &to, buffer](boost::system::error_code error, std::size_t size) {
          if (error) return close(*pair);
          if (pair->frozen) return pump(pair, from, to, buffer);  // swallowed
          if (&from == &pair->client) pair->sent.append(buffer->data(), size);
          if (&from == &pair->server && pair->change) {
            std::string bytes(buffer->data(), size);
            pair->change(bytes);
            bytes.copy(buffer->data(), size);
          }
          boost::asio::async_write(
              to, boost::asio::buffer(buffer->data(), size),
              [pair, &from, &to, buffer](boost::system::error_code failed, std::size_t) {
                if (failed) return close(*pair);
                pump(pair, from, to, buffer);
              });
        });
  }

  static void close(Pair& pair) {
    boost::system::error_code ignored;
    pair.client.close(ignored);
    pair.server.close(ignored);
  }

  boost::asio::io_context& io_;
  const Tcp::endpoint server_;
  Tcp::acceptor acceptor_;
  const std::uint16_t port_;
  std::function<void(std::string&)> change_;
  std::vector<std::weak_ptr<Pair>> pairs_;
};

}  // namespace notifications::test
