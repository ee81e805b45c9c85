#include "server/stream_end.h"

#include <array>

namespace notifications::server {
namespace {

struct Row {
  std::string_view name;
  grpc::StatusCode code;
  const char* message;
};
constexpr std::array<Row, kStreamEnds> kTable{{
    {"client_left", grpc::StatusCode::CANCELLED, "cancelled"},
    {"queue_full", grpc::StatusCode::RESOURCE_EXHAUSTED,
     "slow consumer: too much data waits to be read"},
    {"write_stalled", grpc::StatusCode::RESOURCE_EXHAUSTED,
     "slow consumer: nothing was read for too long"},
    {"draining", grpc::StatusCode::UNAVAILABLE, "draining"},
}};

const Row& row(StreamEnd end) { return kTable[static_cast<std::size_t>(end)]; }

}  // namespace

std::string_view name(StreamEnd end) { return row(end).name; }

grpc::Status status_of(StreamEnd end) { return {row(end).code, row(end).message}; }

bool is_slow(StreamEnd end) {
  return end == StreamEnd::kQueueFull || end == StreamEnd::kWriteStalled;
}

}  // namespace notifications::server
