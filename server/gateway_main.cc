// notifications-gateway: both fronts in one process; in memory unless a Redis URL is given.

#include <memory>

#include "core/runtime/process.h"
#include "edge/edge_front.h"
#include "server/grpc_server.h"

int main(int argc, char** argv) {
  using namespace notifications;
  return run_program(Program::kGateway, argc, argv, [](Process& process) {
    process.add(std::make_unique<edge::EdgeFront>(process));
    process.add(server::make_grpc_server(process));
  });
}
