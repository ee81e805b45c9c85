#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/redis/url.h"

namespace notifications::redis {

// One reply of the server, or the reason there is none.
struct Reply {
  enum class Kind {
    kString,  // bulk or status
    kInteger,
    kArray,
    kNil,
    kError,    // the server said no: `text` is its message
    kNotSent,  // the connection was down; nothing was written
    kLost,     // written, but the connection dropped before the answer: outcome unknown
  };
  Kind kind = Kind::kNil;
  std::string text;
  std::int64_t integer = 0;
  std::vector<Reply> elements;

  bool failed() const {
    return kind == Kind::kError || kind == Kind::kNotSent || kind == Kind::kLost;
  }
};

// Connection is one connection to a Redis server that comes back by itself: it resolves names
// without blocking, connects with a timeout and TCP keepalive, logs in, selects the database, sets
// its client name where the server allows it, and after a loss reconnects for ever with a capped,
// jittered back-off.
//
// Why not hiredis' own asynchronous client: its connect resolves names with a blocking call, it has
// no timeouts, and a PING on a subscribed connection confuses its callbacks. hiredis parses replies
// here; Asio does the rest.
//
// Thread: the one that runs the io_context (all functions and callbacks), unless said otherwise.
// Every callback may call every function, the destructor included.
class Connection {
 public:
  struct Options {
    Url url;
    std::string client_name;                          // for CLIENT SETNAME; "" for none
    std::chrono::milliseconds connect_timeout{5000};  // resolve, connect and log in together
    std::chrono::milliseconds backoff_min{100};       // first pause; doubles up to the next
    std::chrono::milliseconds backoff_max{5000};
  };

  // What the owner is told. Any may be empty.
  struct Callbacks {
    // Logged in and ready for commands; called after every connect, the first included.
    std::function<void()> on_up;
    // The connection was lost or could not be made; `why` is one line without secrets. Called for
    // every failed attempt; `next_try` says when it tries again.
    std::function<void(std::string_view why, std::chrono::milliseconds next_try)> on_down;
    // A message of a subscribed channel. Views are valid during the call only.
    std::function<void(std::string_view channel, std::string_view message)> on_message;
    // All that was readable has been handed out; called once per turn with at least one reply.
    std::function<void()> on_drained;
  };
  using ReplyHandler = std::function<void(Reply)>;

  Connection(boost::asio::io_context& io, Options options, Callbacks callbacks);
  ~Connection();  // stops
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Starts to connect. Called once.
  void start();

  // Pipelines one command; `done` (may be empty) is called exactly once: with the reply in order,
  // or with kNotSent at once (posted, never from within send) if the connection is down, or with
  // kLost when it drops. Commands sent in one turn of the loop leave in one write.
  void send(const std::vector<std::string_view>& arguments, ReplyHandler done);

  // Writes what was sent in this turn at once, and does not wait for its end.
  void flush();

  // SUBSCRIBE on this connection; `done` is called when the server confirmed or refused. From then
  // on the connection takes only (un)subscribe. Subscriptions are not renewed after a loss: do it
  // in on_up.
  void subscribe(std::string_view channel, ReplyHandler done);

  // Gives the connection up as dead (a probe did not come back) and reconnects.
  void reset(std::string_view why);

  bool up() const;
  // Bytes written to the connection but not yet taken by the kernel.
  std::size_t pending_bytes() const;

  // Closes; outstanding handlers get kLost or kNotSent before it returns; no callback after that
  // (a handler given to send() afterwards is destroyed uncalled).
  void stop();

 private:
  class Link;
  std::shared_ptr<Link> link_;
};

}  // namespace notifications::redis
