#pragma once

#include <functional>
#include <memory>
#include <string>

#include "compose/platform-server/api.h"

namespace platform {

// HttpListener serves one function over HTTP/1.1, with threads of CivetWeb's.
//
// Thread: `answer` is called on several threads at a time.
class HttpListener {
 public:
  using Answer = std::function<Response(Request)>;

  // Binds `address` ("127.0.0.1:3010") and serves. Throws std::runtime_error if it cannot.
  HttpListener(const std::string& address, Answer answer);
  ~HttpListener();  // finishes what is being answered
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  // The port bound, which the system chose if 0 was asked for.
  int port() const;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace platform
