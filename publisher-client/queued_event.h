#pragma once

#include <cstdint>
#include <string>

#include "core/envelope.h"
#include "notifications/publisher.h"

namespace notifications::publishing {

// One accepted event on its way to Redis.
struct QueuedEvent {
  std::string id;    // the envelope's
  std::string ts;    // the envelope's
  std::string text;  // the envelope's JSON text
  Publisher::OnDelivery on_delivery;
  std::size_t charged_bytes = 0;  // what it takes of the queue's bounds
  std::uint64_t epoch = 0;        // which flush waits for it; set by EventQueue
};

// A thread metric that waits in the coalescer: its envelope gets a new ts, and is encoded again,
// when it leaves.
struct PendingMetric {
  QueuedEvent event;
  Envelope envelope;
};

}  // namespace notifications::publishing
