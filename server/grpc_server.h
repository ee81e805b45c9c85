#pragma once

#include <grpcpp/server.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/broker.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/runtime/front.h"
#include "core/runtime/shard.h"
#include "core/settings.h"
#include "server/gateway_service.h"
#include "server/tls_credentials.h"

namespace notifications {
class Process;
}

namespace notifications::server {

// GrpcServer is the gRPC front of a process: the gateway service with the standard health and
// reflection services, on one address.
//
// Health ("" and "notifications.v1.NotificationsGateway") is SERVING only while events flow and
// the process is not draining: a load balancer that asks sees what /readyz says.
// Thread: main, all functions.
class GrpcServer final : public Front {
 public:
  struct Options {
    Address listen;
    StreamLimits limits;
    TlsFiles tls = {};
    std::vector<std::string> publish_tokens = {};  // none: everybody may publish
  };

  // All references outlive the server.
  // `replayer` is null with the journal off.
  GrpcServer(Options options, Broker& broker, Replayer* replayer, const std::vector<Shard*>& shards,
             Metrics& metrics, Log& log);
  ~GrpcServer() override;  // stops

  // Listens; every call is answered UNAVAILABLE "starting" until start().
  std::optional<std::string> open() override;
  void start() override;
  void set_ready(bool ready) override;
  std::size_t consumers() const override { return service_.streams(); }
  // Streams end UNAVAILABLE "draining", each at a random time within `period`; Publish is served
  // for as long as there are streams.
  void drain(std::chrono::milliseconds period, std::function<void()> done) override;
  void stop() override;

  // Where it listens, with the real port. Requires: open() succeeded.
  const Address& address() const { return options_.listen; }

 private:
  void announce(bool serving);
  void finish(std::chrono::milliseconds period);

  Options options_;
  Log& log_;
  GatewayService service_;
  std::unique_ptr<grpc::Server> server_;
  // Waits while the process drains, as gRPC's own shutdown blocks its caller.
  std::thread drain_thread_;
};

// The gRPC front of a process, with the process's settings.
std::unique_ptr<Front> make_grpc_server(Process& process);

}  // namespace notifications::server
