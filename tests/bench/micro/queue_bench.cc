// What the outbound queue adds to a delivery: a burst is pushed, gathered and consumed.

#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "core/frame_arena.h"
#include "core/outbound_queue.h"

namespace notifications::bench {
namespace {

void write_all(OutboundQueue& queue) {
  std::array<iovec, 64> parts;
  while (!queue.empty()) {
    std::size_t size = 0;
    const std::size_t used = queue.gather(parts);
    for (std::size_t i = 0; i < used; ++i) size += parts[i].iov_len;
    queue.consume(size);
  }
}

// Frames that lie side by side, as those of one burst do.
void BurstOfNeighbours(benchmark::State& state) {
  FrameArena arena;
  std::vector<SharedBytes> frames;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    frames.push_back(arena.place(std::string(280, 'x')));
  }
  OutboundQueue queue;
  for (auto _ : state) {
    for (const SharedBytes& frame : frames) queue.push(frame);
    write_all(queue);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BurstOfNeighbours)->Arg(1)->Arg(8)->Arg(64);

// Frames that each have an owner of their own.
void BurstOfStrangers(benchmark::State& state) {
  std::vector<SharedBytes> frames;
  for (std::int64_t i = 0; i < state.range(0); ++i) frames.emplace_back(std::string(280, 'x'));
  OutboundQueue queue;
  for (auto _ : state) {
    for (const SharedBytes& frame : frames) queue.push(frame);
    write_all(queue);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BurstOfStrangers)->Arg(1)->Arg(8)->Arg(64);

}  // namespace
}  // namespace notifications::bench
