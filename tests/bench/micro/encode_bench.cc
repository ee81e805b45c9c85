// What it costs to make the bytes that a client gets, once per event and format; and to look them
// up, once per delivery.

#include <benchmark/benchmark.h>

#include "core/frame_arena.h"
#include "edge/socketio/encode.h"
#include "edge/websocket/frame.h"
#include "tests/bench/micro/sample.h"

namespace notifications::bench {
namespace {

std::string encode_frame(const Publication& publication) {
  const Envelope& envelope = publication.envelope();
  return websocket::text_frame(
      socketio::encode_event(envelope.event, envelope.payload, publication.position()));
}

void EncodeFrame(benchmark::State& state) {
  const auto publication = sample_publication({"graph"}, static_cast<std::size_t>(state.range(0)));
  FrameArena arena;
  for (auto _ : state) benchmark::DoNotOptimize(arena.place(encode_frame(*publication)));
}
BENCHMARK(EncodeFrame)->Arg(256)->Arg(16 << 10);

void LookUpFrame(benchmark::State& state) {
  const auto publication = sample_publication({"graph"});
  FrameArena arena;
  for (auto _ : state) {
    benchmark::DoNotOptimize(publication->frame(WireFormat::kSocketIo, &encode_frame, &arena));
  }
}
BENCHMARK(LookUpFrame);

}  // namespace
}  // namespace notifications::bench
