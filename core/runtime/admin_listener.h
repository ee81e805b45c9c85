#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/result.h"
#include "core/settings.h"

namespace notifications {

// What an admin endpoint answers.
struct AdminResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct AdminError {
  std::string message;
};

// AdminListener serves /metrics, /healthz, /readyz and /health/realtime over HTTP on its own
// address, with threads of its own: it answers even when every shard is stuck.
//
// A thin shell around CivetWeb. Thread: handlers run on its threads, several at a time.
class AdminListener {
 public:
  // Path to handler; other paths are 404, other methods than GET and HEAD 405.
  using Handlers = std::map<std::string, std::function<AdminResponse()>>;

  // With a token, the paths of `guarded` are 401 without `Authorization: Bearer <token>`.
  struct Guard {
    std::string token;  // "" for none
    std::set<std::string> paths;
  };

  // Binds and serves; the error is one line (address in use, unknown host).
  static Result<std::unique_ptr<AdminListener>, AdminError> open(const Address& address,
                                                                 Handlers handlers, Guard guard);
  ~AdminListener();  // stops

  // The address bound, with the port the system chose.
  const Address& address() const;

 private:
  struct Server;
  explicit AdminListener(std::unique_ptr<Server> server);
  std::unique_ptr<Server> server_;
};

}  // namespace notifications
