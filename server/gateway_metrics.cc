#include "server/gateway_metrics.h"

#include <string>

namespace notifications::server {
namespace {

Counter& publish_counter(Metrics& metrics, const char* outcome) {
  return metrics.counter("notifications_grpc_publishes_total", "Publish calls, by outcome.",
                         {{"outcome", outcome}});
}

std::array<Counter*, kStreamEnds> end_counters(Metrics& metrics) {
  std::array<Counter*, kStreamEnds> counters{};
  for (int i = 0; i < kStreamEnds; ++i)
    counters[static_cast<std::size_t>(i)] =
        &metrics.counter("notifications_disconnects_total", "Sessions ended, by reason.",
                         {{"reason", std::string(name(static_cast<StreamEnd>(i)))}});
  return counters;
}

}  // namespace

GatewayMetrics::GatewayMetrics(Metrics& metrics)
    : streams(metrics.gauge("notifications_connections", "Open connections by kind.",
                            {{"kind", "grpc"}})),
      streams_opened(
          metrics.counter("notifications_connects_total", "Sessions opened.", {{"front", "grpc"}})),
      streams_refused(metrics.counter("notifications_grpc_streams_refused_total",
                                      "Streams refused: a bad request, or draining.")),
      streams_ended(end_counters(metrics)),
      slow_evictions(metrics.counter("notifications_slow_evictions_total",
                                     "Consumers closed because they read too slowly.",
                                     {{"front", "grpc"}})),
      dropped(metrics.counter(
          "notifications_deliveries_dropped_total",
          "What waited for a consumer when it was closed because it read too slowly.",
          {{"front", "grpc"}})),
      queue_bytes(
          metrics.histogram("notifications_outbound_queue_bytes",
                            "Bytes that wait for a consumer, of some consumers each second.",
                            {0, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216})),
      messages_written(metrics.counter("notifications_grpc_messages_written_total",
                                       "Stream messages taken by the transport.")),
      bytes_written(metrics.counter("notifications_sent_bytes_total", "Bytes written to clients.",
                                    {{"front", "grpc"}})),
      published(publish_counter(metrics, "ok")),
      publish_invalid(publish_counter(metrics, "invalid")),
      publish_unavailable(publish_counter(metrics, "unavailable")),
      publish_refused(publish_counter(metrics, "refused")),
      publish_cancelled(publish_counter(metrics, "cancelled")),
      publish_unauthenticated(publish_counter(metrics, "unauthenticated")) {}

}  // namespace notifications::server
