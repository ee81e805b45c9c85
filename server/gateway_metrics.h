#pragma once

#include <array>

#include "core/metrics.h"
#include "server/stream_end.h"

namespace notifications::server {

// GatewayMetrics are the counters of the gRPC front; what every front has in common stands under
// the common names, with "grpc" as label. Thread: any.
struct GatewayMetrics {
  explicit GatewayMetrics(Metrics& metrics);

  Counter& ended(StreamEnd end) { return *streams_ended[static_cast<std::size_t>(end)]; }

  Gauge& streams;            // open now
  Counter& streams_opened;   // accepted
  Counter& streams_refused;  // bad requests, and any while draining
  std::array<Counter*, kStreamEnds> streams_ended;
  Counter& slow_evictions;
  Counter& dropped;  // events that waited for a slow consumer when its stream was ended
  Histogram& queue_bytes;
  Counter& messages_written;  // taken by the transport
  Counter& bytes_written;     // their sum, without gRPC's own framing
  // Publish calls, by outcome.
  Counter& published;
  Counter& publish_invalid;
  Counter& publish_unavailable;
  Counter& publish_refused;
  Counter& publish_cancelled;
  Counter& publish_unauthenticated;
};

}  // namespace notifications::server
