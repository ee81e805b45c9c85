#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/notifyctl/load/client.h"

namespace notifications::load {

// Crowd is many clients on one thread and one epoll: it connects them and moves their bytes.
//
// Thread: any one; nothing runs but within poll().
class Crowd final : private Client::Ear {
 public:
  struct Options {
    std::string host = "127.0.0.1";  // an IPv4 address
    std::uint16_t port = 0;
    std::string path = "/socket.io";
    Dialect dialect = Dialect::kSocketIo;
    // Loopback only: clients come from as many of 127.0.0.1, 127.0.0.2, ...
    int source_addresses = 1;
    // Clients keep what their sessions are resumed by.
    bool sessions = false;
    // The rooms that a client subscribes to, by the number it was given, as the inside of a JSON
    // array.
    std::function<std::string(std::uint32_t)> rooms_json;
  };
  // Called from poll(), for an event of any client.
  using OnEvent = std::function<void(Client& client, std::string_view packet)>;

  explicit Crowd(Options options);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  void on_event(OnEvent handler) { on_event_ = std::move(handler); }
  // Also waits for `fd` to be readable and calls `handler` then; the crowd does not own it.
  void watch(int fd, std::function<void()> handler);

  // Begins one more connection, whose client joins the room. False with error() set if the system
  // refuses.
  bool connect(std::uint32_t room);
  // Loses all connections without a word; the clients stay.
  void drop_all();
  // Connects the dropped client `index` again, to resume its session. False with error() set if
  // the system refuses or it has none.
  bool resume(std::size_t index);
  // Waits for at most `timeout` and handles what is ready; returns how many sockets that were.
  std::size_t poll(std::chrono::milliseconds timeout);

  std::size_t size() const { return links_.size(); }
  std::size_t live() const { return live_; }
  // Clients whose peer closed or misbehaved, and the first reason.
  std::size_t lost() const { return lost_; }
  const std::string& error() const { return error_; }
  std::uint64_t bytes_in() const { return bytes_in_; }

  // Ends all connections at once, with a reset: thousands of ports must not wait for their end.
  void close_all();

 private:
  struct Link {
    Link(int socket, std::uint32_t id, std::uint32_t room, Dialect dialect)
        : fd(socket), client(id, room, dialect) {}
    int fd;
    Client client;
    bool connecting = true;
    std::string unsent;
  };

  int open_socket(std::uint32_t id);
  void on_live(Client& client) override;
  void on_event(Client& client, std::string_view packet) override;
  void serve(Link& link, std::uint32_t events);
  void read(Link& link);
  void send(Link& link, std::string_view bytes);
  void want(const Link& link, std::uint32_t events, int operation) const;
  void lose(Link& link, const std::string& why);
  bool fail(const std::string& what);

  const Options options_;
  const std::string request_;
  int epoll_ = -1;
  OnEvent on_event_;
  std::vector<std::unique_ptr<Link>> links_;
  int watched_fd_ = -1;
  std::function<void()> watched_;
  std::vector<char> buffer_;
  std::string out_;  // answers of the client being read
  std::size_t live_ = 0;
  std::size_t lost_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::string error_;
};

}  // namespace notifications::load
