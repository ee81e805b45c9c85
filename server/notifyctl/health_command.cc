// notifyctl health: asks gRPC's health service.

#include <grpcpp/client_context.h>

#include <cstdio>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/notifyctl/client.h"
#include "server/notifyctl/commands.h"

namespace notifications::notifyctl {
namespace {

using grpc::health::v1::HealthCheckResponse;

constexpr Flag kFlags[] = {
    {"service", "NAME", "the service to ask for [the server as a whole]"},
};

Outcome run(const Arguments& arguments, StopSignal&) {
  const auto common = read_common(arguments);
  if (!common) return bad_usage(common.error());
  const auto channel = connect(common->server, common->tls, common->timeout);
  if (!channel) return channel.error();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + common->timeout);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(arguments.get("service"));
  HealthCheckResponse response;
  const grpc::Status status =
      grpc::health::v1::Health::NewStub(*channel)->Check(&context, request, &response);
  if (!status.ok()) return outcome_of(status);
  std::puts(HealthCheckResponse::ServingStatus_Name(response.status()).c_str());
  return {response.status() == HealthCheckResponse::SERVING ? kOk : kFailed, ""};
}

}  // namespace

const Command kHealthCommand{
    "health", "says whether the server serves: SERVING (code 0) or NOT_SERVING (code 1)", kFlags,
    run};

}  // namespace notifications::notifyctl
