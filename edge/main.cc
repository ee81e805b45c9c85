#include <memory>

#include "core/runtime/process.h"
#include "edge/edge_front.h"

// notifications-edge: browsers' edge.
int main(int argc, char** argv) {
  using namespace notifications;
  return run_program(Program::kEdge, argc, argv, [](Process& process) {
    process.add(std::make_unique<edge::EdgeFront>(process));
  });
}
