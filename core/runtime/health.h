#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/broker.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/runtime/admin_listener.h"
#include "core/runtime/shard.h"
#include "core/settings.h"

namespace notifications {

// What the admin listener says about a process's condition. Thread: any (plain functions).

// After so long without a turn of its loop a shard is taken for stuck: a restart helps.
inline constexpr std::chrono::milliseconds kStuckAfter{10'000};

// 200 unless a shard's loop has not turned for longer than `stuck_after` at `now`; whatever else is
// wrong, Redis above all, is no reason to restart the process.
AdminResponse healthz(std::span<const std::unique_ptr<Shard>> shards, Shard::Clock::time_point now,
                      std::chrono::milliseconds stuck_after = kStuckAfter);

// The word for a level, as --log_level takes it.
std::string_view name(LogLevel level);

// The level that `PUT /log_level` asks for by its query, which is `level=<word>` and nothing else.
std::optional<LogLevel> log_level_asked_for(std::string_view query);

// What /health/realtime needs to know beside the counters.
struct RealtimeState {
  Program program = Program::kGateway;
  std::string_view version;
  std::chrono::seconds uptime{0};
  bool ready = false;
  bool draining = false;
  std::size_t consumers = 0;  // that a drain has yet to end
  std::size_t rooms = 0;
  std::size_t subscriptions = 0;
  std::vector<std::chrono::microseconds> loop_lags;  // by shard
  bool redis_configured = false;
  BrokerStatus broker;
};

// The counters as one JSON object, in one line.
std::string realtime_json(const RealtimeState& state, const Metrics& metrics);

}  // namespace notifications
