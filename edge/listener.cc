#include "edge/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace notifications::edge {
namespace {

using boost::asio::ip::tcp;

constexpr int kBacklog = 4096;  // the system caps it at somaxconn
// Accepts in one turn, so that a storm of connects leaves room for those who are connected.
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kPause{100};
// Connections beyond the limit that are told so at the same time.
constexpr std::uint64_t kOverloadAnswers = 64;

}  // namespace

Listener::Listener(boost::asio::io_context& io, EdgeContext& context, Assign assign)
    : context_(context), assign_(std::move(assign)), acceptor_(io), pause_timer_(io) {
  spare_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

Listener::~Listener() {
  if (spare_fd_ >= 0) ::close(spare_fd_);
}

std::optional<std::string> Listener::open(const Address& address) {
  const auto problem = [&](const boost::system::error_code& error) {
    return "cannot listen on " + address.text() + ": " + error.message();
  };
  boost::system::error_code error;
  boost::asio::io_context resolving;
  tcp::resolver resolver(resolving);
  const auto results =
      resolver.resolve(address.host, std::to_string(address.port),
                       tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) return problem(error);
  const tcp::endpoint endpoint = results.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  // Accepted sockets inherit it, which saves each of them the call.
  if (!error) acceptor_.set_option(tcp::no_delay(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (!error) acceptor_.non_blocking(true, error);
  if (error) return problem(error);
  bound_ = {acceptor_.local_endpoint().address().to_string(), acceptor_.local_endpoint().port()};
  return std::nullopt;
}

void Listener::start() { wait(); }

void Listener::stop() {
  boost::system::error_code ignored;
  pause_timer_.cancel();
  acceptor_.close(ignored);
}

void Listener::wait() {
  acceptor_.async_wait(tcp::acceptor::wait_read, [this](const boost::system::error_code& error) {
    if (!error) accept_some();
  });
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn && acceptor_.is_open(); ++i) {
    const int fd =
        ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        const int why = errno;
        if (why == EMFILE || why == ENFILE) shed_one();
        return pause("out of file descriptors or memory", why);
      }
      continue;  // ECONNABORTED and the like: that client is gone
    }
    context_.metrics.accepted.add();
    const std::uint64_t open = context_.connections.load(std::memory_order_relaxed);
    const bool overloaded = open >= context_.connection_limit;
    if (overloaded) {
      context_.metrics.refused.add();
      if (const auto suppressed = limit_log_.admit()) {
        context_.log.warn("connection limit reached",
                          {{"limit", context_.connection_limit}, {"suppressed", *suppressed}});
      }
      if (open >= context_.connection_limit + kOverloadAnswers) {
        ::close(fd);
        continue;
      }
    }
    context_.connections.fetch_add(1, std::memory_order_relaxed);
    assign_(fd, overloaded);
  }
  if (acceptor_.is_open()) wait();
}

void Listener::shed_one() {
  if (spare_fd_ < 0) return;
  ::close(spare_fd_);
  const int fd = ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
  if (fd >= 0) ::close(fd);
  context_.metrics.refused.add();
  spare_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void Listener::pause(const char* why, int error) {
  if (const auto suppressed = limit_log_.admit()) {
    context_.log.warn(
        "accepting pauses",
        {{"reason", why}, {"error", std::strerror(error)}, {"suppressed", *suppressed}});
  }
  pause_timer_.expires_after(kPause);
  pause_timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled && acceptor_.is_open()) wait();
  });
}

}  // namespace notifications::edge
