// notifications-server: the gRPC front, on Redis.

#include "core/runtime/process.h"
#include "server/grpc_server.h"

int main(int argc, char** argv) {
  using namespace notifications;
  return run_program(Program::kServer, argc, argv,
                     [](Process& process) { process.add(server::make_grpc_server(process)); });
}
