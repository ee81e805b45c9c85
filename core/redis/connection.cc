#include "core/redis/connection.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <random>
#include <utility>

#include "core/redis/lookup.h"
#include "core/redis/reply_parser.h"

namespace notifications::redis {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Large enough that a flood costs few system calls; one recv per turn leaves the loop to others.
constexpr std::size_t kReadBuffer = 256 * 1024;
// A write buffer that grew beyond this is given back.
constexpr std::size_t kKeptWriteBuffer = 1024 * 1024;

void append_command(std::string& out, const std::vector<std::string_view>& arguments) {
  std::size_t size = 16;
  for (const auto argument : arguments) size += argument.size() + 16;
  // Grow by doubling: an exact reserve for each command would copy a batch again and again.
  if (out.capacity() - out.size() < size)
    out.reserve(std::max(out.size() + size, 2 * out.capacity()));
  out.append("*").append(std::to_string(arguments.size())).append("\r\n");
  for (const auto argument : arguments) {
    out.append("$").append(std::to_string(argument.size())).append("\r\n");
    out.append(argument).append("\r\n");
  }
}

// A dead peer is noticed after 30 s at most, idle (keepalive) or not (user timeout: keepalive does
// not run while data waits for an acknowledgement). Failures are ignored: these only help.
void tune(tcp::socket& socket) {
  const int fd = socket.native_handle();
  const auto set = [fd](int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
  // A program that uses the publisher may start others: they must not hold the connection open.
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace

// Link is the connection's life across attempts; it survives the Connection until the last
// asynchronous operation has come back.
//
// Every callback may call anything, the destructor of Connection included: after each one the code
// looks again at what is left (`attempt_`, `state_`) before it goes on.
class Connection::Link : public std::enable_shared_from_this<Link>, private ReplyParser::Sink {
 public:
  Link(asio::io_context& io, Options options, Callbacks callbacks)
      : io_(io),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        retry_timer_(io),
        read_buffer_(new char[kReadBuffer]),
        random_(std::random_device{}()) {}

  void start() {
    if (state_ == State::kIdle) connect();
  }
  void send(const std::vector<std::string_view>& arguments, ReplyHandler done);
  void subscribe(std::string_view channel, ReplyHandler done);
  void flush_now() {
    if (attempt_ != nullptr) flush_idle(attempt_);
  }
  void reset(std::string_view why) { drop(std::string(why)); }
  void stop();

  bool up() const { return state_ == State::kUp; }
  std::size_t pending_bytes() const {
    return attempt_ == nullptr
               ? 0
               : attempt_->outgoing.size() + attempt_->writing.size() - attempt_->written;
  }

 private:
  enum class State { kIdle, kConnecting, kUp, kWaiting, kStopped };

  // All that belongs to one socket; replaced as a whole, so nothing leaks into the next one.
  struct Attempt {
    Attempt(asio::io_context& io, ReplyParser::Sink& sink)
        : socket(io), deadline(io), parser(sink) {}

    void close() {
      error_code ignored;
      lookup.forget();
      deadline.cancel();
      socket.close(ignored);
    }

    Lookup lookup;
    Lookup::Endpoints endpoints;  // to try, in this order
    tcp::socket socket;
    asio::steady_timer deadline;
    ReplyParser parser;
    std::deque<ReplyHandler> awaiting;  // in the order of the commands
    std::string outgoing;               // gathered for the next write
    std::size_t unsent = 0;             // how many of `awaiting` are still in `outgoing`
    std::string writing;                // being written
    std::size_t written = 0;            // bytes of `writing` the kernel has taken
    bool flush_posted = false;
  };
  using AttemptPtr = std::shared_ptr<Attempt>;

  void connect();
  void connect_to(const AttemptPtr& attempt, Lookup::Endpoints endpoints);
  void log_in();
  void refuse_login(std::string what, const Reply& reply);
  void finish_login(const Reply& reply);

  void command(const std::vector<std::string_view>& arguments, ReplyHandler done);
  void flush(const AttemptPtr& attempt);
  void flush_idle(const AttemptPtr& attempt);
  void read(const AttemptPtr& attempt);
  void on_read(const AttemptPtr& attempt, std::size_t size);

  void on_reply(Reply reply) override;
  void on_message(std::string_view channel, std::string_view message) override;
  bool open() const override { return attempt_ != nullptr; }

  void drop(std::string why);
  void answer_all(Attempt& attempt);
  void answer_refused();
  milliseconds next_pause();
  std::string address() const {
    return options_.url.host + " port " + std::to_string(options_.url.port);
  }

  // Constant after construction.
  asio::io_context& io_;
  const Options options_;
  const Callbacks callbacks_;

  // The io_context's thread only.
  State state_ = State::kIdle;
  AttemptPtr attempt_;  // null while waiting or stopped
  asio::steady_timer retry_timer_;
  std::unique_ptr<char[]> read_buffer_;
  std::deque<ReplyHandler> refused_;  // sent while down; to be answered in the next turn
  bool heard_ = false;                // whether this turn handed out a reply
  int failures_ = 0;                  // in a row
  steady_clock::time_point up_since_;
  std::minstd_rand random_;
};

void Connection::Link::connect() {
  state_ = State::kConnecting;
  attempt_ = std::make_shared<Attempt>(io_, static_cast<ReplyParser::Sink&>(*this));
  const auto attempt = attempt_;
  attempt->deadline.expires_after(options_.connect_timeout);
  attempt->deadline.async_wait([self = shared_from_this(), attempt](error_code error) {
    if (error || attempt != self->attempt_ || self->state_ != State::kConnecting) return;
    self->drop("no connection to " + self->address() + " within " +
               std::to_string(self->options_.connect_timeout.count()) + " ms");
  });
  // Addresses skip the lookup: it takes a thread.
  error_code error;
  const auto literal = asio::ip::make_address(options_.url.host, error);
  if (!error) return connect_to(attempt, {tcp::endpoint(literal, options_.url.port)});
  attempt->lookup.start(
      io_, options_.url.host, options_.url.port,
      [self = shared_from_this(), attempt](std::string failed, Lookup::Endpoints found) {
        if (attempt != self->attempt_) return;
        if (!failed.empty())
          return self->drop("cannot resolve " + self->options_.url.host + ": " + failed);
        self->connect_to(attempt, std::move(found));
      });
}

void Connection::Link::connect_to(const AttemptPtr& attempt, Lookup::Endpoints endpoints) {
  attempt->endpoints = std::move(endpoints);
  asio::async_connect(
      attempt->socket, attempt->endpoints,
      [self = shared_from_this(), attempt](error_code error, const tcp::endpoint&) {
        if (attempt != self->attempt_) return;
        if (error)
          return self->drop("cannot connect to " + self->address() + ": " + error.message());
        tune(attempt->socket);
        attempt->socket.non_blocking(true, error);
        self->read(attempt);
        self->log_in();
      });
}

// All of the login leaves in one write; the first refusal is the reason that is told.
void Connection::Link::log_in() {
  const Url& url = options_.url;
  if (!url.user.empty()) {
    command({"AUTH", url.user, url.password},
            [this](const Reply& reply) { refuse_login("authentication failed", reply); });
  } else if (!url.password.empty()) {
    command({"AUTH", url.password}, [this](const Reply& reply) {
      // A server without a password is no reason to stay away; other clients agree.
      if (reply.text.find("without any password configured") == std::string::npos)
        refuse_login("authentication failed", reply);
    });
  }
  if (url.database != 0) {
    const std::string database = std::to_string(url.database);
    command({"SELECT", database}, [this, database](const Reply& reply) {
      refuse_login("database " + database + " refused", reply);
    });
  }
  // An access list may deny it: a name is only for people.
  if (!options_.client_name.empty()) command({"CLIENT", "SETNAME", options_.client_name}, {});
  // Ends the login even where nothing else was asked, and tells a server that is not ready yet.
  command({"PING"}, [this](const Reply& reply) { finish_login(reply); });
}

void Connection::Link::refuse_login(std::string what, const Reply& reply) {
  if (reply.kind != Reply::Kind::kError || state_ != State::kConnecting) return;
  std::string why = reply.text;
  // A server that does not know AUTH quotes its arguments.
  const std::string& password = options_.url.password;
  for (auto at = why.find(password); !password.empty() && at != std::string::npos;
       at = why.find(password, at + 3))
    why.replace(at, password.size(), "***");
  drop(what + ": " + why);
}

void Connection::Link::finish_login(const Reply& reply) {
  if (reply.kind == Reply::Kind::kLost || reply.kind == Reply::Kind::kNotSent) return;
  if (state_ != State::kConnecting) return;
  const bool denied = reply.kind == Reply::Kind::kError && !starts_with(reply.text, "NOPERM");
  if (denied && starts_with(reply.text, "NOAUTH"))
    return refuse_login("authentication required", reply);
  if (denied) return refuse_login("the server refuses commands", reply);
  state_ = State::kUp;
  up_since_ = steady_clock::now();
  attempt_->deadline.cancel();
  if (callbacks_.on_up) callbacks_.on_up();
}

void Connection::Link::send(const std::vector<std::string_view>& arguments, ReplyHandler done) {
  if (state_ == State::kUp) return command(arguments, std::move(done));
  if (!done || state_ == State::kStopped) return;
  refused_.push_back(std::move(done));
  if (refused_.size() == 1)
    asio::post(io_, [self = shared_from_this()] { self->answer_refused(); });
}

void Connection::Link::subscribe(std::string_view channel, ReplyHandler done) {
  if (state_ == State::kUp) attempt_->parser.expect_messages();
  send({"SUBSCRIBE", channel}, std::move(done));
}

void Connection::Link::command(const std::vector<std::string_view>& arguments, ReplyHandler done) {
  append_command(attempt_->outgoing, arguments);
  attempt_->awaiting.push_back(std::move(done));
  ++attempt_->unsent;
  if (attempt_->flush_posted || !attempt_->writing.empty()) return;
  attempt_->flush_posted = true;
  asio::post(io_, [self = shared_from_this(), attempt = attempt_] {
    attempt->flush_posted = false;
    self->flush_idle(attempt);
  });
}

// Unless a write is under way, which goes on by itself.
void Connection::Link::flush_idle(const AttemptPtr& attempt) {
  if (attempt->writing.empty()) flush(attempt);
}

void Connection::Link::flush(const AttemptPtr& attempt) {
  if (attempt != attempt_) return;
  if (attempt->written == attempt->writing.size()) {
    attempt->writing.clear();
    attempt->written = 0;
    if (attempt->writing.capacity() > kKeptWriteBuffer) attempt->writing.shrink_to_fit();
    std::swap(attempt->writing, attempt->outgoing);
    attempt->unsent = 0;
  }
  if (attempt->writing.empty()) return;
  attempt->socket.async_write_some(
      asio::buffer(attempt->writing) + attempt->written,
      [self = shared_from_this(), attempt](error_code error, std::size_t size) {
        if (attempt != self->attempt_) return;
        if (error) return self->drop("connection lost: " + error.message());
        attempt->written += size;
        self->flush(attempt);
      });
}

void Connection::Link::read(const AttemptPtr& attempt) {
  attempt->socket.async_read_some(
      asio::buffer(read_buffer_.get(), kReadBuffer),
      [self = shared_from_this(), attempt](error_code error, std::size_t size) {
        if (attempt != self->attempt_) return;
        if (error == asio::error::eof) return self->drop("connection closed by the server");
        if (error) return self->drop("connection lost: " + error.message());
        self->on_read(attempt, size);
      });
}

void Connection::Link::on_read(const AttemptPtr& attempt, std::size_t size) {
  heard_ = false;
  const bool valid = attempt->parser.consume({read_buffer_.get(), size});
  if (heard_ && state_ == State::kUp && callbacks_.on_drained) callbacks_.on_drained();
  if (attempt != attempt_) return;
  if (!valid) return drop("protocol error: " + attempt->parser.error());
  read(attempt);
}

void Connection::Link::on_reply(Reply reply) {
  heard_ = true;
  if (attempt_->awaiting.empty()) return drop("protocol error: a reply that nobody asked for");
  // Out of the queue first: the handler may send, reset or stop.
  const ReplyHandler done = std::move(attempt_->awaiting.front());
  attempt_->awaiting.pop_front();
  if (done) done(std::move(reply));
}

void Connection::Link::on_message(std::string_view channel, std::string_view message) {
  heard_ = true;
  if (callbacks_.on_message) callbacks_.on_message(channel, message);
}

void Connection::Link::drop(std::string why) {
  if (attempt_ == nullptr) return;
  const auto self = shared_from_this();
  const auto attempt = std::exchange(attempt_, nullptr);
  attempt->close();
  // Only a connection that lasted counts as the end of the trouble: a server that accepts and then
  // hangs up must not be called ten times a second.
  if (state_ == State::kUp && steady_clock::now() - up_since_ >= options_.backoff_max)
    failures_ = 0;
  state_ = State::kWaiting;
  const milliseconds pause = next_pause();
  retry_timer_.expires_after(pause);
  retry_timer_.async_wait([self](error_code error) {
    if (!error && self->state_ == State::kWaiting) self->connect();
  });
  answer_all(*attempt);
  if (state_ == State::kWaiting && callbacks_.on_down) callbacks_.on_down(why, pause);
}

void Connection::Link::answer_all(Attempt& attempt) {
  auto awaiting = std::exchange(attempt.awaiting, {});
  const std::size_t sent = awaiting.size() - attempt.unsent;
  for (std::size_t i = 0; i < awaiting.size(); ++i) {
    Reply reply;
    reply.kind = i < sent ? Reply::Kind::kLost : Reply::Kind::kNotSent;
    if (awaiting[i]) awaiting[i](std::move(reply));
  }
}

void Connection::Link::answer_refused() {
  for (auto refused = std::exchange(refused_, {}); auto& done : refused) {
    Reply reply;
    reply.kind = Reply::Kind::kNotSent;
    done(std::move(reply));
  }
}

milliseconds Connection::Link::next_pause() {
  milliseconds pause = options_.backoff_min;
  for (int i = 0; i < failures_ && pause < options_.backoff_max; ++i) pause *= 2;
  pause = std::min(pause, options_.backoff_max);
  ++failures_;
  // Between half and all of it: a fleet that lost one server does not come back as one.
  const auto half = pause.count() / 2;
  return milliseconds(half + std::uniform_int_distribution<std::int64_t>(0, half)(random_));
}

void Connection::Link::stop() {
  if (state_ == State::kStopped) return;
  const auto self = shared_from_this();
  state_ = State::kStopped;
  retry_timer_.cancel();
  const auto attempt = std::exchange(attempt_, nullptr);
  if (attempt != nullptr) {
    attempt->close();
    answer_all(*attempt);
  }
  answer_refused();
}

Connection::Connection(asio::io_context& io, Options options, Callbacks callbacks)
    : link_(std::make_shared<Link>(io, std::move(options), std::move(callbacks))) {}
Connection::~Connection() { stop(); }
void Connection::start() { link_->start(); }
void Connection::send(const std::vector<std::string_view>& arguments, ReplyHandler done) {
  link_->send(arguments, std::move(done));
}
void Connection::subscribe(std::string_view channel, ReplyHandler done) {
  link_->subscribe(channel, std::move(done));
}
void Connection::reset(std::string_view why) { link_->reset(why); }
void Connection::flush() { link_->flush_now(); }
bool Connection::up() const { return link_->up(); }
std::size_t Connection::pending_bytes() const { return link_->pending_bytes(); }
void Connection::stop() {
  // The link may outlive this object's destructor if a callback runs it.
  const auto link = link_;
  link->stop();
}

}  // namespace notifications::redis
