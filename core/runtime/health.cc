#include "core/runtime/health.h"

#include <array>
#include <string_view>

#include "core/json/scanner.h"

namespace notifications {
namespace {

// JsonObject writes the members of one JSON object in the order of the calls.
class JsonObject {
 public:
  std::string& member(std::string_view key) {
    if (out_.back() != '{') out_ += ',';
    json::append_string(out_, key);
    return out_ += ':';
  }
  void text(std::string_view key, std::string_view value) {
    json::append_string(member(key), value);
  }
  void number(std::string_view key, std::int64_t value) { member(key) += std::to_string(value); }
  void flag(std::string_view key, bool value) { member(key) += value ? "true" : "false"; }
  std::string end() { return std::move(out_) + "}"; }

 private:
  std::string out_ = "{";
};

constexpr std::array<std::string_view, 6> kLogLevels = {"trace", "debug", "info",
                                                        "warn",  "error", "off"};

// The label sets that counted something.
std::string by_label(const Metrics& metrics, std::string_view metric) {
  JsonObject object;
  for (const auto& [label, value] : metrics.by_label(metric)) {
    if (value != 0) object.number(label, value);
  }
  return object.end();
}

// Null with the journal off.
std::string journal_json(const Metrics& metrics) {
  constexpr std::string_view kLag = "notifications_journal_lag_seconds";
  if (metrics.by_label(kLag).empty()) return "null";
  JsonObject object;
  object.number("lag_seconds", metrics.total(kLag));
  object.number("read_age_seconds", metrics.total("notifications_journal_read_age_seconds"));
  object.member("replay_pages_by_source") += by_label(metrics, "notifications_replay_pages_total");
  object.number("replayed_events_total", metrics.total("notifications_replayed_events_total"));
  object.number("gaps_total", metrics.total("notifications_replay_gaps_total"));
  return object.end();
}

std::string loop_lags_json(const RealtimeState& state) {
  std::string out = "[";
  for (const auto lag : state.loop_lags) {
    if (out.size() > 1) out += ',';
    out += std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(lag).count());
  }
  return out + "]";
}

std::string redis_json(const RealtimeState& state) {
  JsonObject object;
  object.flag("configured", state.redis_configured);
  object.flag("connected", state.broker.connected);
  object.flag("flowing", state.broker.flowing);
  object.number("reconnects_total", static_cast<std::int64_t>(state.broker.reconnects));
  if (state.broker.last_error.empty()) {
    object.member("last_error") += "null";
  } else {
    object.text("last_error", state.broker.last_error);
  }
  return object.end();
}

}  // namespace

AdminResponse healthz(std::span<const std::unique_ptr<Shard>> shards, Shard::Clock::time_point now,
                      std::chrono::milliseconds stuck_after) {
  for (const auto& shard : shards) {
    if (now - shard->last_turn() > stuck_after) {
      return {503, "text/plain; charset=utf-8",
              "shard " + std::to_string(shard->id()) + " is stuck\n"};
    }
  }
  return {200, "text/plain; charset=utf-8", "ok\n"};
}

std::string_view name(LogLevel level) { return kLogLevels[static_cast<std::size_t>(level)]; }

std::optional<LogLevel> log_level_asked_for(std::string_view query) {
  constexpr std::string_view kKey = "level=";
  if (query.substr(0, kKey.size()) != kKey) return std::nullopt;
  return parse_log_level(query.substr(kKey.size()));
}

std::string realtime_json(const RealtimeState& state, const Metrics& metrics) {
  JsonObject object;
  const auto total = [&](std::string_view key, std::string_view metric) {
    object.number(key, metrics.total(metric));
  };
  const auto labels = [&](std::string_view key, std::string_view metric) {
    object.member(key) += by_label(metrics, metric);
  };
  object.text("program", name(state.program));
  object.text("version", state.version);
  object.number("uptime_seconds", state.uptime.count());
  object.flag("ready", state.ready);
  object.flag("draining", state.draining);
  object.number("drain_connections",
                state.draining ? static_cast<std::int64_t>(state.consumers) : 0);
  total("connects_total", "notifications_connects_total");
  total("disconnects_total", "notifications_disconnects_total");
  labels("disconnects_by_reason", "notifications_disconnects_total");
  total("active_connections", "notifications_connections");
  labels("connections_by_kind", "notifications_connections");
  total("connection_limit", "notifications_connection_limit");
  object.number("active_rooms", static_cast<std::int64_t>(state.rooms));
  object.number("active_subscriptions", static_cast<std::int64_t>(state.subscriptions));
  total("subscribes_total", "notifications_subscribes_total");
  total("events_received_total", "notifications_events_received_total");
  total("events_invalid_total", "notifications_events_invalid_total");
  labels("events_invalid_by_reason", "notifications_events_invalid_total");
  total("events_unwatched_total", "notifications_events_unwatched_total");
  total("messages_sent_total", "notifications_deliveries_total");
  labels("events_sent_by_type", "notifications_events_delivered_total");
  total("messages_dropped_total", "notifications_deliveries_dropped_total");
  total("outbound_queued_bytes", "notifications_outbound_queued_bytes");
  total("slow_evictions_total", "notifications_slow_evictions_total");
  total("bytes_received_total", "notifications_received_bytes_total");
  total("bytes_sent_total", "notifications_sent_bytes_total");
  labels("publishes_by_outcome", "notifications_publishes_total");
  object.member("shard_loop_lag_ms") += loop_lags_json(state);
  object.member("journal") += journal_json(metrics);
  object.member("redis") += redis_json(state);
  return object.end() + "\n";
}

}  // namespace notifications
