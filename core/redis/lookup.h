#pragma once

#include <netdb.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace notifications::redis {

// Lookup asks for the addresses of a host name on a thread of its own, and can be forgotten.
//
// Asio's resolver is not used: the io_context waits for its thread when it is destroyed, so that a
// program with a name server that does not answer would take half a minute to end.
//
// Thread: the one that runs the io_context.
class Lookup {
 public:
  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
  // `error` is empty, or one line that says why there are no endpoints.
  using Done = std::function<void(std::string error, Endpoints)>;

  Lookup() = default;
  ~Lookup() { forget(); }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  // Calls `done` on the io_context's thread, not from within; forgets the lookup before it.
  // Requires: the io_context outlives this.
  void start(boost::asio::io_context& io, std::string host, std::uint16_t port, Done done) {
    forget();
    request_ = std::make_shared<Request>();
    request_->io = &io;
    request_->done = std::move(done);
    try {
      std::thread([request = request_, host = std::move(host), port] {
        Endpoints found;
        std::string error = resolve(host, port, found);
        answer(request, std::move(error), std::move(found));
      }).detach();
    } catch (const std::system_error& failed) {
      answer(request_, failed.what(), {});
    }
  }

  // `done` is not called any more. The thread ends by itself, whenever that is.
  void forget() {
    const auto request = std::exchange(request_, nullptr);
    if (request == nullptr) return;
    Done done;  // dies after the lock
    const std::lock_guard lock(request->mutex);
    request->io = nullptr;
    done.swap(request->done);
  }

 private:
  struct Request {
    std::mutex mutex;
    boost::asio::io_context* io = nullptr;  // guarded by mutex; null once forgotten
    Done done;                              // guarded by mutex
  };

  static void answer(const std::shared_ptr<Request>& request, std::string error,
                     Endpoints endpoints) {
    const std::lock_guard lock(request->mutex);
    if (request->io == nullptr) return;
    boost::asio::post(*request->io, [request, error = std::move(error),
                                     endpoints = std::move(endpoints)]() mutable {
      Done done;
      {
        const std::lock_guard again(request->mutex);
        done = std::exchange(request->done, {});
      }
      if (done) done(std::move(error), std::move(endpoints));
    });
  }

  static std::string resolve(const std::string& host, std::uint16_t port, Endpoints& found) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (error != 0) return ::gai_strerror(error);
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
      boost::asio::ip::tcp::endpoint endpoint;
      if (at->ai_addrlen > endpoint.capacity()) continue;
      std::memcpy(endpoint.data(), at->ai_addr, at->ai_addrlen);
      endpoint.resize(at->ai_addrlen);
      endpoint.port(port);
      found.push_back(endpoint);
    }
    ::freeaddrinfo(list);
    return found.empty() ? "no usable address" : "";
  }

  std::shared_ptr<Request> request_;
};

}  // namespace notifications::redis
