// What it costs to check an envelope and take it apart, once per event.

#include <benchmark/benchmark.h>

#include "core/envelope_codec.h"
#include "tests/bench/micro/sample.h"

namespace notifications::bench {
namespace {

void DecodeEnvelope(benchmark::State& state) {
  const std::string text = sample_text(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    auto decoded = decode_envelope(text);
    if (!decoded) state.SkipWithError("the sample is invalid");
    benchmark::DoNotOptimize(decoded);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(DecodeEnvelope)->Arg(256)->Arg(16 << 10)->Arg(256 << 10);

void RefuseEnvelope(benchmark::State& state) {
  std::string text = sample_text(256);
  text.back() = ']';  // wrong in the last byte: all of it was checked for nothing
  for (auto _ : state) benchmark::DoNotOptimize(decode_envelope(text));
}
BENCHMARK(RefuseEnvelope);

}  // namespace
}  // namespace notifications::bench
