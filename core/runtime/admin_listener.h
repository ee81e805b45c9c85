#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

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

// A request that changes something.
struct AdminChange {
  std::string_view query;  // what stands behind the `?`, as it came; "" if nothing
  std::string_view peer;   // the address it comes from
  std::string_view host;   // its Host header, "" if it has none
};

// What may be done with one path of the admin listener.
struct AdminPage {
  std::function<AdminResponse()> get;  // GET and HEAD
  // PUT; null if there is nothing to change. PUT, because no page of another site can make a
  // browser on this host send one: it would ask first, by OPTIONS, and hear 405.
  std::function<AdminResponse(const AdminChange&)> put = nullptr;
};

// AdminListener serves /metrics, /healthz, /readyz, /health/realtime and /log_level over HTTP on
// its own address, with threads of its own: it answers even when every shard is stuck.
//
// A thin shell around CivetWeb. Thread: pages run on its threads, several at a time.
class AdminListener {
 public:
  // By path; other paths are 404, other methods than a page has 405.
  using Pages = std::map<std::string, AdminPage>;

  // With a token, the paths of `guarded` and all changes are 401 without
  // `Authorization: Bearer <token>`. Without one a change is 403 unless it comes from this host and
  // names it by an address or as localhost: a web page of another site in a browser here cannot,
  // even if the name of its site has come to lead here.
  struct Guard {
    std::string token;  // "" for none
    std::set<std::string> paths;
  };

  // Binds and serves; the error is one line (address in use, unknown host).
  static Result<std::unique_ptr<AdminListener>, AdminError> open(const Address& address,
                                                                 Pages pages, Guard guard);
  ~AdminListener();  // stops

  // The address bound, with the port the system chose.
  const Address& address() const;

 private:
  struct Server;
  explicit AdminListener(std::unique_ptr<Server> server);
  std::unique_ptr<Server> server_;
};

}  // namespace notifications
