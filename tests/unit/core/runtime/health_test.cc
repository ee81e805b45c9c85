#include "core/runtime/health.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "core/json/scanner.h"

namespace notifications {
namespace {

using namespace std::chrono_literals;
using Clock = Shard::Clock;

class HealthzTest : public testing::Test {
 protected:
  HealthzTest() {
    for (int i = 0; i < 2; ++i) shards_.push_back(std::make_unique<Shard>(i, interest_));
  }

  // Waits until healthz() gives this status.
  bool becomes(int status, std::chrono::milliseconds stuck_after) {
    const auto limit = Clock::now() + 20s;
    while (healthz(shards_, Clock::now(), stuck_after).status != status) {
      if (Clock::now() > limit) return false;
      std::this_thread::sleep_for(5ms);
    }
    return true;
  }

  RoomInterest interest_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

TEST_F(HealthzTest, FailsOnlyAfterTenSecondsWithoutATurn) {
  const auto started = std::max(shards_[0]->last_turn(), shards_[1]->last_turn());
  EXPECT_EQ(healthz(shards_, started + 9999ms).status, 200);
  EXPECT_EQ(healthz(shards_, started + 9999ms).body, "ok\n");
  EXPECT_EQ(healthz(shards_, started + 10001ms).status, 503);
}

TEST_F(HealthzTest, NamesTheShardThatIsStuckAndForgivesIt) {
  for (const auto& shard : shards_) shard->start();
  std::promise<void> release;
  shards_[1]->post([held = release.get_future().share()] { held.wait(); });
  // An idle loop turns every quarter of a second.
  EXPECT_TRUE(becomes(503, 2s));
  EXPECT_EQ(healthz(shards_, Clock::now(), 2s).body, "shard 1 is stuck\n");
  release.set_value();
  EXPECT_TRUE(becomes(200, 2s));
}

TEST(LogLevelPage, KnowsTheLevelsByTheirWords) {
  for (const char* word : {"trace", "debug", "info", "warn", "error", "off"}) {
    const auto level = log_level_asked_for("level=" + std::string(word));
    ASSERT_TRUE(level) << word;
    EXPECT_EQ(name(*level), word);
  }
}

TEST(LogLevelPage, TakesNothingElse) {
  for (const char* query : {"", "debug", "level", "level=", "level=verbose", "level=Debug",
                            "level=debug ", "level=debug&level=info", "x=1&level=debug",
                            "level=%64ebug", "Level=debug", "level=debug\n"}) {
    EXPECT_FALSE(log_level_asked_for(query)) << query;
  }
}

TEST(RealtimeJson, SaysAllNamesFromTheStart) {
  Metrics metrics;
  RealtimeState state;
  state.program = Program::kEdge;
  state.version = "1.2.3";
  state.uptime = 7s;
  state.loop_lags = {1200us, 0us};
  EXPECT_EQ(
      realtime_json(state, metrics),
      R"({"program":"notifications-edge","version":"1.2.3","uptime_seconds":7,"ready":false,)"
      R"("draining":false,"drain_connections":0,)"
      R"("connects_total":0,"disconnects_total":0,"disconnects_by_reason":{},)"
      R"("active_connections":0,"connections_by_kind":{},"connection_limit":0,"active_rooms":0,)"
      R"("active_subscriptions":0,"subscribes_total":0,"events_received_total":0,)"
      R"("events_invalid_total":0,"events_invalid_by_reason":{},"events_unwatched_total":0,)"
      R"("messages_sent_total":0,"events_sent_by_type":{},"messages_dropped_total":0,)"
      R"("outbound_queued_bytes":0,"slow_evictions_total":0,"bytes_received_total":0,)"
      R"("bytes_sent_total":0,"publishes_by_outcome":{},"shard_loop_lag_ms":[1,0],"journal":null,)"
      R"("redis":{"configured":false,"connected":false,"flowing":false,)"
      R"("reconnects_total":0,"last_error":null}})"
      "\n");
}

TEST(RealtimeJson, CountsWhatWasCounted) {
  Metrics metrics;
  metrics.counter("notifications_deliveries_total", "").add(3);
  metrics.counter("notifications_events_delivered_total", "", {{"event", "node_state"}}).add(2);
  metrics.counter("notifications_events_delivered_total", "", {{"event", "node_status"}});
  metrics.gauge("notifications_connections", "", {{"kind", "sse"}}).set(4);
  metrics.gauge("notifications_connections", "", {{"kind", "websocket"}}).set(5);
  metrics.gauge("notifications_journal_lag_seconds", "").set(6);
  metrics.gauge("notifications_journal_read_age_seconds", "").set(2);
  metrics.counter("notifications_replay_pages_total", "", {{"from", "window"}}).add(8);
  metrics.counter("notifications_replayed_events_total", "").add(7);
  metrics.counter("notifications_replay_gaps_total", "").add(1);
  RealtimeState state;
  state.draining = true;
  state.consumers = 9;
  state.broker.last_error = "connection \"lost\"\n";
  const std::string json = realtime_json(state, metrics);
  EXPECT_TRUE(json::is_valid(json));
  EXPECT_NE(json.find(R"("active_connections":9,"connections_by_kind":{"sse":4,"websocket":5})"),
            json.npos);
  EXPECT_NE(json.find(R"("messages_sent_total":3,"events_sent_by_type":{"node_state":2},)"),
            json.npos);
  EXPECT_NE(json.find(R"("draining":true,"drain_connections":9,)"), json.npos);
  EXPECT_NE(json.find(R"("journal":{"lag_seconds":6,"read_age_seconds":2,)"
                      R"("replay_pages_by_source":{"window":8},)"
                      R"("replayed_events_total":7,"gaps_total":1},)"),
            json.npos);
  EXPECT_NE(json.find(R"("last_error":"connection \"lost\"\n")"), json.npos);
}

}  // namespace
}  // namespace notifications
