#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

namespace notifications::server {

// Why a stream ended, once it was open: the one table of labels and statuses.
enum class StreamEnd {
  kClientLeft,    // cancelled by the client, or its connection is gone
  kQueueFull,     // more waited for it than --max_outbound_bytes
  kWriteStalled,  // no write progress for --write_timeout while data waited
  kDraining,      // this server is about to leave
};
inline constexpr int kStreamEnds = 4;

// The word for logs and metrics: "client_left", "queue_full", ...
std::string_view name(StreamEnd end);

// What the client is told.
grpc::Status status_of(StreamEnd end);

// True if the consumer read too slowly.
bool is_slow(StreamEnd end);

}  // namespace notifications::server
