#include "tests/support/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "core/redis/reply_parser.h"

namespace notifications::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto kStartLimit = 20s;
constexpr auto kStopLimit = 10s;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("redis-server: " + what);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class Socket {
 public:
  Socket() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// Collects the replies of a blocking exchange.
class Replies : public redis::ReplyParser::Sink {
 public:
  void on_reply(redis::Reply reply) override { all.push_back(std::move(reply)); }
  void on_message(std::string_view, std::string_view) override {}
  bool open() const override { return true; }
  std::vector<redis::Reply> all;
};

using Command = std::vector<std::string_view>;

// The replies to `commands`; nothing if the server is not there or does not answer in time.
std::optional<std::vector<redis::Reply>> exchange(std::uint16_t port,
                                                  const std::vector<Command>& commands,
                                                  std::chrono::seconds limit) {
  const Socket socket;
  timeval wait{limit.count(), 0};
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  const sockaddr_in address = loopback(port);
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return std::nullopt;
  std::string out;
  for (const Command& command : commands) {
    out += "*" + std::to_string(command.size()) + "\r\n";
    for (const auto word : command) {
      out += "$" + std::to_string(word.size()) + "\r\n";
      out.append(word).append("\r\n");
    }
  }
  for (std::size_t sent = 0; sent < out.size();) {
    const ssize_t n = ::send(socket.fd(), out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return std::nullopt;
    sent += static_cast<std::size_t>(n);
  }
  Replies replies;
  redis::ReplyParser parser(replies);
  std::array<char, 65536> buffer;
  while (replies.all.size() < commands.size()) {
    const ssize_t n = ::recv(socket.fd(), buffer.data(), buffer.size(), 0);
    if (n <= 0 || !parser.consume({buffer.data(), static_cast<std::size_t>(n)}))
      return std::nullopt;
  }
  return std::move(replies.all);
}

}  // namespace

std::uint16_t free_port() {
  const Socket socket;
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    fail(std::string("no free port: ") + std::strerror(errno));
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(Options options) : options_(std::move(options)) {
  std::string pattern = (std::filesystem::temp_directory_path() / "redis-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    fail(std::string("no directory: ") + std::strerror(errno));
  directory_ = pattern;
  port_ = free_port();
  if (!options_.start) return;
  // Somebody may have taken the port since: then it exits at once, and another one is tried.
  for (int attempt = 1;; ++attempt) {
    write_config();
    spawn();
    if (await_ready()) return;
    if (attempt == 5) fail("does not start, see " + directory_ + "/redis.log");
    port_ = free_port();
  }
}

RedisServer::~RedisServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void RedisServer::start() {
  if (running()) return;
  write_config();
  // The port may be held for a moment by what had it before.
  for (int attempt = 1; attempt <= 5; ++attempt) {
    spawn();
    if (await_ready()) return;
  }
  fail("does not start again on port " + std::to_string(port_));
}

void RedisServer::stop() {
  if (!running()) return;
  ::kill(pid_, SIGCONT);
  ::kill(pid_, SIGTERM);
  for (const auto limit = steady_clock::now() + kStopLimit; steady_clock::now() < limit;) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return;
    }
    std::this_thread::sleep_for(2ms);
  }
  kill();
}

void RedisServer::kill() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  reap();
}

void RedisServer::sigstop() {
  ::kill(pid_, SIGSTOP);
  int status = 0;
  ::waitpid(pid_, &status, WUNTRACED);
}

void RedisServer::sigcont() { ::kill(pid_, SIGCONT); }

std::string RedisServer::url() const {
  const std::string login = options_.password.empty() ? "" : ":" + options_.password + "@";
  return "redis://" + login + "127.0.0.1:" + std::to_string(port_) + "/0";
}

redis::Reply RedisServer::command(std::initializer_list<std::string_view> arguments) const {
  return command(std::vector<std::string_view>(arguments));
}

redis::Reply RedisServer::command(const std::vector<std::string_view>& arguments) const {
  std::vector<Command> commands;
  if (!options_.password.empty()) commands.push_back({"AUTH", options_.password});
  commands.push_back(arguments);
  auto replies = exchange(port_, commands, 10s);
  if (!replies) fail("no answer to " + std::string(arguments.front()));
  return std::move(replies->back());
}

void RedisServer::write_config() const {
  std::ofstream file(directory_ + "/redis.conf");
  file << "bind 127.0.0.1\nport " << port_ << "\ndaemonize no\nsave \"\"\ndir " << directory_
       << "\nlogfile " << directory_ << "/redis.log\n";
  if (!options_.password.empty()) file << "requirepass " << options_.password << "\n";
  if (options_.durable) file << "appendonly yes\nappendfsync always\n";
  for (const std::string& line : options_.config) file << line << "\n";
  if (!file.flush()) fail("cannot write its configuration");
}

void RedisServer::spawn() {
  const std::string config = directory_ + "/redis.conf";
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) fail(std::string("fork: ") + std::strerror(errno));
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // the parent died before the line above
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDOUT_FILENO);
  ::execlp("redis-server", "redis-server", config.c_str(), static_cast<char*>(nullptr));
  ::_exit(127);
}

// False if it exited, or did not answer in time and was killed.
bool RedisServer::await_ready() {
  for (const auto limit = steady_clock::now() + kStartLimit; steady_clock::now() < limit;) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
    // Any answer but "loading" will do: a server that wants a login is ready, too.
    const auto replies = exchange(port_, {{"PING"}}, 2s);
    if (replies && replies->back().text.rfind("LOADING", 0) != 0) return true;
    std::this_thread::sleep_for(5ms);
  }
  kill();
  return false;
}

void RedisServer::reap() {
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace notifications::test
