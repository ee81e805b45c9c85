// The Redis broker against a server that dies, freezes, refuses and comes back.

#include "core/redis/redis_broker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/recorder.h"
#include "tests/support/redis_server.h"
#include "tests/support/relay.h"

namespace notifications::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// A log whose lines are kept.
class Lines {
 public:
  Log& log() { return log_; }
  std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  // How many lines hold `phrase`.
  int count(const std::string& phrase) const {
    int found = 0;
    for (const auto& line : all()) found += line.find(phrase) != std::string::npos ? 1 : 0;
    return found;
  }
  std::string text() const {
    std::string joined;
    for (const auto& line : all()) joined += line;
    return joined;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  Log log_{LogLevel::kInfo, LogFormat::kText, [this](std::string_view line) {
             const std::lock_guard lock(mutex_);
             lines_.emplace_back(line);
           }};
};

class RedisBrokerTest : public testing::Test {
 protected:
  static constexpr auto kProbe = 200ms;
  static constexpr auto kSlack = 150ms;  // for a machine that has other things to do

  // Connects with short waits; `url` defaults to the server's.
  void start(const std::string& url = {}) {
    redis::RedisBroker::Options options;
    options.url = redis::parse_url(url.empty() ? server_->url() : url).value();
    options.instance = "edge:test:1";
    options.probe_interval = kProbe;
    options.canary_timeout = canary_timeout_;
    options.connect_timeout = 500ms;
    options.backoff_min = 10ms;
    options.backoff_max = 100ms;
    options.max_outstanding = 1000;
    broker_ = std::make_unique<redis::RedisBroker>(thread_.io, options, lines_.log(), metrics_);
    broker_->start(sink_);
  }
  void serve(const RedisServer::Options& options = {}) {
    server_ = std::make_unique<RedisServer>(options);
  }
  // The port is known, but nothing listens until start().
  void serve_later() {
    RedisServer::Options options;
    options.start = false;
    serve(options);
  }
  void serve_with_password(const std::string& password) {
    RedisServer::Options options;
    options.password = password;
    serve(options);
  }
  void serve_with_config(const std::string& line) {
    RedisServer::Options options;
    options.config = {line};
    serve(options);
  }
  bool becomes_ready() {
    return eventually([&] { return broker_->status().connected && broker_->status().flowing; });
  }
  bool becomes_unready() {
    return eventually([&] { return !broker_->status().flowing; });
  }
  bool error_becomes(const std::string& phrase) {
    return eventually(
        [&] { return broker_->status().last_error.find(phrase) != std::string::npos; });
  }
  // Publishes from outside, as another process would.
  bool publish_outside(const std::string& text) {
    return server_->command({"PUBLISH", "notifications.v1", text}).integer > 0;
  }

  std::chrono::milliseconds canary_timeout_ = 1s;
  IoThread thread_;
  EventRecorder sink_;
  Lines lines_;
  Metrics metrics_;
  std::unique_ptr<RedisServer> server_;
  std::unique_ptr<redis::RedisBroker> broker_;  // stops before the thread does
};

// ---- losing Redis

TEST_F(RedisBrokerTest, ReadinessFallsAndRisesAndEventsFlowAgainAfterARestart) {
  serve();
  start();
  ASSERT_TRUE(becomes_ready());
  server_->kill();
  ASSERT_TRUE(becomes_unready());
  EXPECT_FALSE(broker_->status().connected);
  // A trickle goes on meanwhile: each ends at its deadline.
  const auto lost = await(publish(*broker_, "while away", 100ms));
  EXPECT_EQ(lost.status, PublishStatus::kUnavailable) << lost.detail;
  server_->start();
  ASSERT_TRUE(becomes_ready());
  EXPECT_EQ(await(publish(*broker_, "from inside")).status, PublishStatus::kPublished);
  EXPECT_TRUE(publish_outside("from outside"));
  ASSERT_TRUE(sink_.await(2));
  EXPECT_EQ(sink_.texts(), (std::vector<std::string>{"from inside", "from outside"}));
  EXPECT_EQ(broker_->status().reconnects, 1u);
  EXPECT_EQ(metrics_.total("notifications_redis_reconnects_total"), 1);
}

TEST_F(RedisBrokerTest, NothingIsLostOrDoubledUnderATrickleWhileTheConnectionStands) {
  serve();
  start();
  ASSERT_TRUE(becomes_ready());
  // Restarted twice in the middle; what was acknowledged by the restarted server arrives once.
  std::vector<std::string> expected;
  int number = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) {
      expected.push_back("event " + std::to_string(number++));
      ASSERT_EQ(await(publish(*broker_, expected.back())).status, PublishStatus::kPublished);
    }
    ASSERT_TRUE(sink_.await(expected.size()));
    server_->stop();
    ASSERT_TRUE(becomes_unready());
    server_->start();
    ASSERT_TRUE(becomes_ready());
  }
  EXPECT_EQ(sink_.texts(), expected);
  EXPECT_EQ(sink_.empty_batches(), 0u) << "probes are no events";
}

TEST_F(RedisBrokerTest, AnOutageIsToldInThreeLinesAtMost) {
  serve();
  start();
  ASSERT_TRUE(becomes_ready());
  EXPECT_EQ(lines_.all().size(), 1u) << lines_.text();
  EXPECT_EQ(lines_.count("redis connected"), 1);
  server_->kill();
  // Long enough for dozens of attempts.
  ASSERT_TRUE(eventually([&] { return lines_.count("redis lost") == 1; }));
  const auto until = steady_clock::now() + 3s;
  for (int i = 0; steady_clock::now() < until; ++i)
    await(publish(*broker_, "trickle " + std::to_string(i), 20ms));
  server_->start();
  ASSERT_TRUE(becomes_ready());
  ASSERT_TRUE(eventually([&] { return lines_.count("redis back") == 1; }));
  EXPECT_EQ(lines_.count("redis lost"), 1);
  EXPECT_LE(lines_.all().size(), 1u + 3u) << lines_.text();
}

TEST_F(RedisBrokerTest, AFrozenServerIsNoticedWithinThreeProbeIntervals) {
  serve();
  canary_timeout_ = 10s;
  start();
  ASSERT_TRUE(becomes_ready());
  server_->sigstop();
  const auto frozen_at = steady_clock::now();
  ASSERT_TRUE(becomes_unready());
  EXPECT_LT(steady_clock::now() - frozen_at, 3 * kProbe + kSlack);
  const std::string why = broker_->status().last_error;
  EXPECT_EQ(why.rfind("no answer to a probe within 300 ms", 0), 0u) << why;
  server_->sigcont();
  ASSERT_TRUE(becomes_ready());
  // What the frozen server swallowed must not show up twice or break the stream.
  EXPECT_TRUE(publish_outside("after the thaw"));
  ASSERT_TRUE(sink_.await_text("after the thaw"));
}

TEST_F(RedisBrokerTest, PublishesToAFrozenServerEndAtTheirDeadline) {
  serve();
  start();
  ASSERT_TRUE(becomes_ready());
  server_->sigstop();
  const auto begin = steady_clock::now();
  auto early = publish(*broker_, "early", 100ms);
  auto late = publish(*broker_, "late", 2000ms);
  EXPECT_EQ(await(std::move(early)).status, PublishStatus::kTimedOut);
  EXPECT_GE(steady_clock::now() - begin, 100ms);
  EXPECT_LT(steady_clock::now() - begin, 300ms);
  // The probe gives the connection up before this one's deadline.
  const auto outcome = await(std::move(late));
  EXPECT_EQ(outcome.status, PublishStatus::kUnavailable) << outcome.detail;
  EXPECT_LT(steady_clock::now() - begin, 2000ms + 200ms);
}

// A socket that is open at this end only, one at a time: the other one must not suffer for it.
class HalfOpenTest : public RedisBrokerTest {
 protected:
  HalfOpenTest() {
    canary_timeout_ = 10s;  // so that only the probe's own limit can be what notices
    serve();
    relay_ = std::make_unique<Relay>(relay_thread_.io, server_->port());
    start("redis://127.0.0.1:" + std::to_string(relay_->port()));
  }
  ~HalfOpenTest() override {
    relay_thread_.call([this] { relay_.reset(); });
  }
  // The ids under which the server knows our connections of one kind.
  std::string ids(const char* type) {
    std::string found;
    const std::string list = server_->command({"CLIENT", "LIST", "TYPE", type}).text;
    for (std::size_t at = 0; at < list.size(); at = list.find('\n', at) + 1) {
      const std::string line = list.substr(at, list.find('\n', at) - at);
      if (line.find(" name=edge:test:1 ") != std::string::npos)
        found += line.substr(0, line.find(' ')) + " ";
    }
    return found;
  }

  IoThread relay_thread_;
  std::unique_ptr<Relay> relay_;
};

TEST_F(HalfOpenTest, OfTheEventConnectionIsNoticedAndPublishesGoOn) {
  ASSERT_TRUE(becomes_ready());
  const std::string commands = ids("normal");
  const auto frozen_at = steady_clock::now();
  relay_->freeze("SUBSCRIBE");
  auto outcome = publish(*broker_, "into the void");
  EXPECT_EQ(await(std::move(outcome)).status, PublishStatus::kPublished);
  ASSERT_TRUE(becomes_unready());
  EXPECT_LT(steady_clock::now() - frozen_at, 3 * kProbe + kSlack);
  ASSERT_TRUE(becomes_ready());
  EXPECT_TRUE(publish_outside("again"));
  ASSERT_TRUE(sink_.await_text("again"));
  EXPECT_EQ(ids("normal"), commands) << "the commands' connection was given up, too";
}

TEST_F(HalfOpenTest, OfTheCommandConnectionEndsPublishesAndIsNoticed) {
  ASSERT_TRUE(becomes_ready());
  const auto frozen_at = steady_clock::now();
  relay_->freeze("PX");  // the probe's SET
  ASSERT_TRUE(eventually([&] { return !broker_->status().last_error.empty(); }));
  EXPECT_LT(steady_clock::now() - frozen_at, 3 * kProbe + kSlack);
  ASSERT_TRUE(eventually([&] { return lines_.count("redis back") == 1; }));
  EXPECT_EQ(await(publish(*broker_, "again")).status, PublishStatus::kPublished);
  ASSERT_TRUE(sink_.await_text("again"));
}

TEST_F(RedisBrokerTest, AKilledConnectionComesBackByItself) {
  serve();
  start();
  ASSERT_TRUE(becomes_ready());
  for (const char* type : {"pubsub", "normal"}) {
    ASSERT_EQ(server_->command({"CLIENT", "KILL", "TYPE", type, "SKIPME", "yes"}).integer, 1)
        << type;
    ASSERT_TRUE(eventually([&] {
      return server_->command({"CLIENT", "LIST", "TYPE", type}).text.find("edge:test:1") !=
             std::string::npos;
    })) << type;
    ASSERT_TRUE(becomes_ready());
  }
  ASSERT_TRUE(eventually([&] { return publish_outside("again"); }));
  ASSERT_TRUE(sink_.await_text("again"));
}

TEST_F(RedisBrokerTest, PublishesOfAShortOutageWaitForTheConnection) {
  serve_later();
  start();
  ASSERT_TRUE(error_becomes("Connection refused"));
  auto waiting = publish(*broker_, "patient");
  server_->start();
  EXPECT_EQ(await(std::move(waiting)).status, PublishStatus::kPublished);
}

TEST_F(RedisBrokerTest, MorePublishesThanMayWaitAreRefusedAtOnce) {
  serve_later();
  start();
  ASSERT_TRUE(error_becomes("Connection refused"));
  std::vector<std::future<PublishOutcome>> waiting;
  for (int i = 0; i < 1000; ++i) waiting.push_back(publish(*broker_, "waiting"));
  const auto begin = steady_clock::now();
  const auto refused = await(publish(*broker_, "one too many"));
  EXPECT_EQ(refused.status, PublishStatus::kUnavailable);
  EXPECT_EQ(refused.detail, "too many publishes are waiting for Redis");
  EXPECT_LT(steady_clock::now() - begin, kPatience / 2);
  broker_->stop();
  for (auto& outcome : waiting)
    EXPECT_EQ(await(std::move(outcome)).status, PublishStatus::kUnavailable);
}

// ---- a server that is not there, or says no

TEST_F(RedisBrokerTest, AServerThatIsNotThereAtTheStartIsWaitedFor) {
  serve_later();
  start();
  ASSERT_TRUE(eventually([&] { return lines_.count("redis not reachable") == 1; }));
  EXPECT_FALSE(broker_->status().connected);
  const auto begin = steady_clock::now();
  const auto outcome = await(publish(*broker_, "{}", 150ms));
  EXPECT_EQ(outcome.status, PublishStatus::kUnavailable);
  EXPECT_NE(outcome.detail.find("Redis is not reachable: cannot connect to 127.0.0.1 port"),
            std::string::npos)
      << outcome.detail;
  EXPECT_GE(steady_clock::now() - begin, 150ms);
  server_->start();
  ASSERT_TRUE(becomes_ready());
  EXPECT_EQ(broker_->status().reconnects, 0u);
}

TEST_F(RedisBrokerTest, ANameThatDoesNotResolveIsSaid) {
  // Too long a label to be asked of any name server: the test stays on this machine.
  const std::string host = std::string(64, 'x') + ".invalid";
  start("redis://" + host + ":6379");
  ASSERT_TRUE(error_becomes("cannot resolve " + host + ": "));
  EXPECT_EQ(await(publish(*broker_, "{}", 50ms)).status, PublishStatus::kUnavailable);
}

TEST_F(RedisBrokerTest, LogsInWithAPassword) {
  serve_with_password("s3cret");
  start();
  ASSERT_TRUE(becomes_ready());
}

TEST_F(RedisBrokerTest, AMissingPasswordIsSaid) {
  serve_with_password("s3cret");
  start("redis://127.0.0.1:" + std::to_string(server_->port()));
  ASSERT_TRUE(error_becomes("authentication required: NOAUTH Authentication required."));
  EXPECT_FALSE(broker_->status().connected);
}

TEST_F(RedisBrokerTest, AWrongPasswordIsSaidAndNeverShown) {
  serve_with_password("s3cret");
  start("redis://:wr0ngpass@127.0.0.1:" + std::to_string(server_->port()));
  ASSERT_TRUE(error_becomes("authentication failed: WRONGPASS"));
  EXPECT_EQ(lines_.text().find("wr0ngpass"), std::string::npos) << lines_.text();
  EXPECT_EQ(lines_.count("redis not reachable"), 1) << lines_.text();
}

TEST_F(RedisBrokerTest, APasswordForAServerWithoutOneIsNoReasonToStayAway) {
  serve();
  start("redis://:needless@127.0.0.1:" + std::to_string(server_->port()));
  ASSERT_TRUE(becomes_ready());
}

TEST_F(RedisBrokerTest, AWrongDatabaseNumberIsSaid) {
  serve();
  start("redis://127.0.0.1:" + std::to_string(server_->port()) + "/99");
  ASSERT_TRUE(error_becomes("database 99 refused: ERR DB index is out of range"));
}

TEST_F(RedisBrokerTest, WorksWithAUserWhoMayDoOnlyWhatItNeeds) {
  serve_with_config(
      "user edge on >pw -@all +publish +subscribe +set +select "
      "~notifications.v1:canary:* &notifications.v1 &notifications.v1:canary:*");
  start("redis://edge:pw@127.0.0.1:" + std::to_string(server_->port()) + "/1");
  ASSERT_TRUE(becomes_ready());
  EXPECT_EQ(await(publish(*broker_, "{}")).status, PublishStatus::kPublished);
  ASSERT_TRUE(sink_.await(1));
}

TEST_F(RedisBrokerTest, AUserWhoMayNotSubscribeIsSaid) {
  serve_with_config("user edge on >pw +@all ~* &other");
  start("redis://edge:pw@127.0.0.1:" + std::to_string(server_->port()));
  ASSERT_TRUE(error_becomes("subscribe refused: NOPERM"));
  EXPECT_FALSE(broker_->status().connected);
  const auto outcome = await(publish(*broker_, "{}"));
  EXPECT_EQ(outcome.status, PublishStatus::kRefused);
  EXPECT_EQ(outcome.detail.rfind("NOPERM", 0), 0u) << outcome.detail;
}

TEST_F(RedisBrokerTest, AUserWhoMayNotWriteTheProbeIsConnectedButNotFlowing) {
  serve_with_config("user edge on >pw +@all -set ~* &*");
  start("redis://edge:pw@127.0.0.1:" + std::to_string(server_->port()));
  ASSERT_TRUE(error_becomes("probe refused: NOPERM"));
  EXPECT_TRUE(broker_->status().connected);
  EXPECT_FALSE(broker_->status().flowing);
}

TEST_F(RedisBrokerTest, AReadOnlyReplicaIsNotFlowingUntilItIsPromoted) {
  serve();
  ASSERT_EQ(server_->command({"REPLICAOF", "127.0.0.1", std::to_string(free_port())}).text, "OK");
  start();
  ASSERT_TRUE(error_becomes("probe refused: READONLY"));
  EXPECT_TRUE(broker_->status().connected);
  EXPECT_FALSE(broker_->status().flowing);
  ASSERT_EQ(server_->command({"REPLICAOF", "NO", "ONE"}).text, "OK");
  ASSERT_TRUE(becomes_ready());
  EXPECT_LE(lines_.all().size(), 2u) << lines_.text();
}

TEST_F(RedisBrokerTest, TheConnectionsAreNamed) {
  serve();
  start();
  ASSERT_TRUE(becomes_ready());
  const std::string clients = server_->command({"CLIENT", "LIST"}).text;
  std::size_t named = 0;
  for (auto at = clients.find("name=edge:test:1 "); at != std::string::npos;
       at = clients.find("name=edge:test:1 ", at + 1))
    ++named;
  EXPECT_EQ(named, 2u) << clients;
}

}  // namespace
}  // namespace notifications::test
