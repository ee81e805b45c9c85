#pragma once

#include <sys/types.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/redis/connection.h"

namespace notifications::test {

// RedisServer is a real redis-server on a free loopback port, in a directory of its own.
//
// It is up when the constructor returns and gone, files and all, when the destructor does. It is
// killed with the thread that started it, so that a crashed test leaves nothing behind. Whatever
// goes wrong is an std::runtime_error, which fails the test.
//
// Thread: one.
class RedisServer {
 public:
  struct Options {
    std::string password;             // requirepass; "" for none
    bool durable = false;             // appendonly yes, appendfsync always
    std::vector<std::string> config;  // further lines of redis.conf, ACL users included
    bool start = true;                // false: the port is chosen, but nothing listens yet
  };

  RedisServer() : RedisServer(Options{}) {}
  explicit RedisServer(Options options);
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  // On the same port and in the same directory as before.
  void start();
  // Asks it to leave (SIGTERM) and waits.
  void stop();
  // SIGKILL.
  void kill();
  // Freezes it: the kernel goes on accepting connections and bytes, but nothing answers.
  void sigstop();
  void sigcont();

  bool running() const { return pid_ > 0; }
  std::uint16_t port() const { return port_; }
  // With the password, if there is one.
  std::string url() const;

  // Runs one command on a connection of its own, logged in. An error reply is a reply, too.
  redis::Reply command(std::initializer_list<std::string_view> arguments) const;
  redis::Reply command(const std::vector<std::string_view>& arguments) const;

 private:
  void write_config() const;
  void spawn();
  bool await_ready();
  void reap();

  Options options_;
  std::string directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

// A loopback port that was free a moment ago.
std::uint16_t free_port();

}  // namespace notifications::test
