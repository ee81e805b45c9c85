#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/redis/redis_broker.h"
#include "tests/support/journal_node.h"
#include "tests/support/redis_server.h"

namespace notifications::test {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

inline constexpr const char* kStream = "notifications.v1:journal";
inline constexpr const char* kMeta = "notifications.v1:meta";
inline constexpr const char* kLease = "notifications.v1:legacy";
inline constexpr const char* kChannel = "notifications.v1";

// Nodes with a journal on one Redis, which the test treats badly.
class RedisJournalTest : public testing::Test {
 protected:
  static constexpr auto kProbe = 200ms;

  void serve(RedisServer::Options options = {}) {
    server_ = std::make_unique<RedisServer>(std::move(options));
  }
  void serve_durable() {
    RedisServer::Options options;
    options.durable = true;
    serve(options);
  }

  // A node that runs and is ready.
  std::unique_ptr<JournalNode> start(std::size_t window_bytes = 64 << 20) {
    auto node = start_unready(window_bytes);
    EXPECT_TRUE(node->becomes_ready());
    return node;
  }
  std::unique_ptr<JournalNode> start_unready(std::size_t window_bytes = 64 << 20) {
    auto node = std::make_unique<JournalNode>(
        [this](boost::asio::io_context& io, Log& log, Metrics& metrics) {
          redis::RedisBroker::Options options;
          options.url = redis::parse_url(url_.empty() ? server_->url() : url_).value();
          options.instance = "test:" + std::to_string(++instances_);
          options.probe_interval = kProbe;
          options.canary_timeout = 1s;
          options.connect_timeout = 500ms;
          options.backoff_min = 10ms;
          options.backoff_max = 100ms;
          options.journal = journal_;
          options.legacy_wait = 50ms;
          options.legacy_lease = 600ms;
          options.session_limit = session_limit_;
          return std::make_unique<redis::RedisBroker>(io, options, log, metrics);
        },
        window_bytes);
    node->start();
    return node;
  }

  // Publishes from outside, as the platform's publisher does without a journal.
  void publish_plainly(int n, const std::string& room = "graph") {
    server_->command({"PUBLISH", kChannel, envelope_of(n, room)});
  }
  std::int64_t stream_length() { return server_->command({"XLEN", kStream}).integer; }
  std::string head_in_redis() { return server_->command({"HGET", kMeta, "head"}).text; }
  void kill_connections() { server_->command({"CLIENT", "KILL", "TYPE", "normal"}); }
  void kill_subscribers() { server_->command({"CLIENT", "KILL", "TYPE", "pubsub"}); }

  std::unique_ptr<RedisServer> server_;
  std::string url_;
  JournalOptions journal_;
  std::chrono::milliseconds session_limit_{10'000};
  int instances_ = 0;
};

// Publishes events 1, 2, ... of a room from a thread of its own until it is told to stop. Each must
// be acknowledged in the end.
class LoadOf {
 public:
  LoadOf(JournalNode& node, std::chrono::microseconds pause, std::string room = "graph")
      : thread_([this, &node, pause, room = std::move(room)] {
          while (!stop_) {
            outcomes_.push_back(node.publish_later(++last_, room));
            std::this_thread::sleep_for(pause);
          }
        }) {}
  ~LoadOf() {
    if (thread_.joinable()) end();
  }
  // Stops; the number of the last event. Fails the test if one was not acknowledged.
  int end() {
    stop_ = true;
    thread_.join();
    for (auto& outcome : outcomes_) {
      const PublishOutcome result = await(std::move(outcome));
      EXPECT_EQ(result.status, PublishStatus::kPublished) << result.detail;
    }
    return last_;
  }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> last_ = 0;
  std::vector<std::future<PublishOutcome>> outcomes_;
  std::thread thread_;
};

}  // namespace notifications::test
