#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "core/result.h"
#include "publisher-client/scene.h"
#include "server/notifyctl/commands.h"
#include "server/notifyctl/exit_code.h"

namespace notifications::notifyctl {

// DemoFeed is a way in for the demo's events: gRPC or Redis.
//
// Thread: main.
class DemoFeed {
 public:
  struct Totals {
    std::uint64_t published = 0;
    std::uint64_t failed = 0;
  };

  virtual ~DemoFeed() = default;
  // Sends one event. An outcome other than kOk ends the demo; a failure that may pass is counted,
  // and said in last_problem().
  virtual Outcome send(const SceneEvent& event) = 0;
  // Waits for what is on its way.
  virtual void finish() {}
  virtual Totals totals() const = 0;
  // Why events fail just now; "" if they do not.
  virtual std::string last_problem() const = 0;
};

using DemoFeedResult = Result<std::unique_ptr<DemoFeed>, Outcome>;

// Publishes through the server's Publish, one event after the other.
DemoFeedResult grpc_feed(const CommonFlags& common);

// Publishes through the publisher client.
DemoFeedResult redis_feed(const std::string& redis_url, const std::string& channel,
                          std::chrono::milliseconds timeout);

}  // namespace notifications::notifyctl
