#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "notifications/publisher.h"

namespace platform {

struct Request {
  std::string_view method;
  std::string_view path;           // decoded, without the query
  std::vector<std::string> rooms;  // the values of `room` in the query, decoded
  std::string body;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// Api is the platform's own HTTP interface, as far as the deployment needs one:
//
//   POST /api/events/<event>?room=<room>&room=<room>   publishes the body, any JSON value, as
//   payload GET  /api/status                                   the publisher's counters GET
//   /healthz                                      the process lives GET  / a page that says who
//   answered
//
// A publish is answered when Redis has answered: 200 with the envelope's id and the number of
// gateways that heard it, 400 for what the contract forbids, 503 if it was not, or not surely,
// published.
//
// Thread: any, several at a time.
class Api {
 public:
  // `publisher` must outlive it.
  explicit Api(notifications::Publisher& publisher) : publisher_(publisher) {}

  Response answer(Request request);

 private:
  Response publish(std::string event, Request& request);
  Response status() const;

  notifications::Publisher& publisher_;
};

}  // namespace platform
