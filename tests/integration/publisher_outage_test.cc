#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/publisher_fixture.h"

namespace notifications::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using Admission = Publisher::Admission;
using Status = Publisher::DeliveryStatus;
using Counts = std::map<Status, std::size_t>;

// SilentServer speaks just enough of Redis' protocol to be logged in to, takes one event on each
// connection, and hangs up without an answer.
class SilentServer {
 public:
  SilentServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
      throw std::runtime_error("no loopback port to listen on");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }

  ~SilentServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

  // Everything that was said on all connections. Requires: nobody is connected any more.
  std::string heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  void serve() {
    for (int peer; (peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      if (read_until(peer, "PING\r\n") && ::send(peer, "+PONG\r\n", 7, MSG_NOSIGNAL) == 7) {
        read_until(peer, "}\r\n");
      }
      ::close(peer);
    }
  }

  bool read_until(int peer, std::string_view end) {
    std::string text;
    char buffer[4096];
    while (text.find(end) == std::string::npos) {
      const ssize_t size = ::recv(peer, buffer, sizeof buffer, 0);
      if (size <= 0) return false;
      text.append(buffer, static_cast<std::size_t>(size));
    }
    const std::lock_guard lock(mutex_);
    heard_ += text;
    return true;
  }

  int listener_;
  int port_ = 0;
  std::mutex mutex_;
  std::string heard_;  // guarded by mutex_
  std::thread thread_;
};

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class PublisherOutage : public testing::Test {
 protected:
  Deliveries deliveries_;  // before the publishers of the tests: outlives them
};

TEST_F(PublisherOutage, SendsWhatWasAcceptedWhileRedisWasAwayInOrder) {
  RedisServer redis(not_started());
  Publisher publisher(options_for(redis.url()));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  }
  EXPECT_FALSE(publisher.flush(milliseconds(20)));
  EXPECT_FALSE(publisher.counters().connected);
  EXPECT_EQ(publisher.counters().queued_events, 100u);

  redis.start();
  EXPECT_TRUE(publisher.flush(kPatience));
  const auto reports = deliveries_.first(100);
  ASSERT_EQ(reports.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(reports[static_cast<std::size_t>(i)].id, "id-" + std::to_string(i + 1));
    EXPECT_EQ(reports[static_cast<std::size_t>(i)].status, Status::kDelivered);
  }
  EXPECT_TRUE(publisher.counters().connected);
}

TEST_F(PublisherOutage, ConnectsAgainAfterRedisWasKilledAndPublishesWhatCameMeanwhile) {
  RedisServer redis;
  Publisher publisher(options_for(redis.url()));
  ASSERT_TRUE(publish_number(publisher, 0));
  ASSERT_TRUE(publisher.flush(kPatience));
  redis.kill();
  const auto deadline = steady_clock::now() + kPatience;
  while (publisher.counters().connected && steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  for (int i = 1; i <= 10; ++i) ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  redis.start();
  EXPECT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kDelivered, 10}}));
  EXPECT_EQ(publisher.counters().connects, 2u);
}

TEST_F(PublisherOutage, ALostAnswerIsReportedAsUnknownAndTheEventNotSentAgain) {
  SilentServer server;
  auto options = options_for(server.url());
  options.client_name = "";
  options.max_in_flight_events = 1;
  {
    Publisher publisher(options);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
    }
    EXPECT_TRUE(publisher.flush(kPatience));
    EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kUnknown, 3}}));
    EXPECT_EQ(deliveries_.first(3).at(0).detail, "the connection was lost before the answer came");
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(occurrences(server.heard(), numbered_text(i + 1, i)), 1u) << i;
  }
}

TEST_F(PublisherOutage, AServerThatHangsCostsOnlyWhatIsOnTheWire) {
  RedisServer redis;
  auto options = options_for(redis.url());
  options.max_in_flight_events = 2;
  options.answer_timeout = milliseconds(500);
  options.connect_timeout = milliseconds(1000);
  Publisher publisher(options);
  ASSERT_TRUE(publish_number(publisher, 0));
  ASSERT_TRUE(publisher.flush(kPatience));

  redis.sigstop();
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(publish_number(publisher, i, deliveries_.callback()));
  EXPECT_EQ(deliveries_.first(2).at(1).status, Status::kUnknown);
  redis.sigcont();
  EXPECT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kUnknown, 2}, {Status::kDelivered, 3}}));
}

TEST_F(PublisherOutage, PublishReturnsWhileRedisHangsAndRefusesTheNewestWhenFull) {
  RedisServer redis;
  auto options = options_for(redis.url());
  options.max_queued_events = 20'000;
  options.close_timeout = milliseconds(0);
  Publisher publisher(options);
  ASSERT_TRUE(publish_number(publisher, 0));
  ASSERT_TRUE(publisher.flush(kPatience));

  redis.sigstop();
  const auto began = steady_clock::now();
  std::size_t accepted = 0;
  std::size_t full = 0;
  for (int i = 0; i < 50'000; ++i) {
    const auto receipt = publish_number(publisher, i, deliveries_.callback());
    accepted += receipt.admission == Admission::kAccepted ? 1 : 0;
    full += receipt.admission == Admission::kQueueFull ? 1 : 0;
    if (receipt.admission == Admission::kQueueFull) {
      EXPECT_EQ(receipt.error, "the queue is full");
    }
  }
  EXPECT_LT(steady_clock::now() - began, seconds(15));
  EXPECT_EQ(accepted, 20'000u);
  EXPECT_EQ(full, 30'000u);
  EXPECT_EQ(publisher.counters().queue_full, 30'000u);

  redis.sigcont();
  EXPECT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kDelivered, 20'000}}));
  EXPECT_TRUE(publish_number(publisher, 1));
}

TEST_F(PublisherOutage, FlushKeepsItsDeadlineAndWhatIsQueued) {
  RedisServer redis;
  Publisher publisher(options_for(redis.url()));
  ASSERT_TRUE(publish_number(publisher, 0));
  ASSERT_TRUE(publisher.flush(kPatience));

  redis.sigstop();
  ASSERT_TRUE(publish_number(publisher, 1, deliveries_.callback()));
  const auto began = steady_clock::now();
  EXPECT_FALSE(publisher.flush(began + milliseconds(50)));
  EXPECT_GE(steady_clock::now() - began, milliseconds(50));
  EXPECT_LT(steady_clock::now() - began, seconds(10));
  redis.sigcont();
  EXPECT_TRUE(publisher.flush(kPatience));
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kDelivered, 1}}));
}

TEST_F(PublisherOutage, TheDestructorIsBoundedAndReportsEveryEventOnce) {
  RedisServer redis;
  auto options = options_for(redis.url());
  options.close_timeout = milliseconds(300);
  options.coalesce_interval = hours(1);
  options.max_in_flight_events = 10;
  std::optional<Publisher> publisher(std::in_place, options);
  ASSERT_TRUE(publish_number(*publisher, 0));
  ASSERT_TRUE(publisher->flush(kPatience));

  redis.sigstop();
  for (int i = 0; i < 1000; ++i) publish_number(*publisher, i, deliveries_.callback());
  publisher->thread_activity_changed({.thread_id = "7", .activity = "a"}, deliveries_.callback());
  publisher->thread_activity_changed({.thread_id = "7", .activity = "b"}, deliveries_.callback());
  const auto began = steady_clock::now();
  publisher.reset();
  EXPECT_LT(steady_clock::now() - began, seconds(5));
  EXPECT_EQ(deliveries_.by_status(),
            (Counts{{Status::kUnknown, 10}, {Status::kNotSent, 991}, {Status::kSuperseded, 1}}));
  EXPECT_EQ(deliveries_.most_reports_of_one(), 1u);
}

TEST_F(PublisherOutage, TheDestructorFlushesWhatRedisTakesInTime) {
  RedisServer redis;
  auto options = options_for(redis.url());
  options.coalesce_interval = hours(1);
  options.close_timeout = kPatience;
  {
    Publisher publisher(options);
    for (int i = 0; i < 5000; ++i) publish_number(publisher, i, deliveries_.callback());
    publisher.thread_activity_changed({.thread_id = "7", .activity = "a"}, deliveries_.callback());
  }
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kDelivered, 5001}}));
}

// As exit() does with one that is static.
TEST_F(PublisherOutage, AForkedChildMayDestroyItAndTheParentGoesOn) {
  RedisServer redis;
  auto publisher = std::make_unique<Publisher>(options_for(redis.url()));
  ASSERT_TRUE(publish_number(*publisher, 1));
  ASSERT_TRUE(publisher->flush(kPatience));
  const pid_t child = fork();
  if (child == 0) {
    alarm(static_cast<unsigned>(kPatience.count()));  // ends a child that hangs
    publisher.reset();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  ASSERT_TRUE(publish_number(*publisher, 2));
  EXPECT_TRUE(publisher->flush(kPatience));
  EXPECT_EQ(publisher->counters().delivered, 2u);
}

TEST_F(PublisherOutage, TakesNothingOnceClosed) {
  RedisServer redis;
  Publisher publisher(options_for(redis.url()));
  ASSERT_TRUE(publish_number(publisher, 0, deliveries_.callback()));
  publisher.close();
  publisher.close();
  EXPECT_EQ(deliveries_.by_status(), (Counts{{Status::kDelivered, 1}}));
  const auto refused = publish_number(publisher, 1, deliveries_.callback());
  EXPECT_EQ(refused.admission, Admission::kClosed);
  EXPECT_EQ(refused.error, "the publisher is closed");
  EXPECT_EQ(publisher.thread_activity_changed({.thread_id = "7", .activity = "a"}).admission,
            Admission::kClosed);
  EXPECT_TRUE(publisher.flush(milliseconds(0)));
  EXPECT_FALSE(publisher.counters().connected);
}

TEST_F(PublisherOutage, EveryAcceptedEventIsReportedWhenOtherThreadsPublishDuringTheClose) {
  RedisServer redis;
  Publisher publisher(options_for(redis.url()));
  std::atomic<std::size_t> accepted = 0;
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (publish_number(publisher, 1, deliveries_.callback())) ++accepted;
    });
  }
  while (accepted < 100) std::this_thread::yield();
  publisher.close();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(deliveries_.first(0).size(), accepted);
  EXPECT_EQ(deliveries_.most_reports_of_one(), 1u);
}

TEST_F(PublisherOutage, SaysInOneLineThatRedisIsAwayAndInOneThatItIsBack) {
  auto down = guarded_by("secret");
  down.start = false;
  RedisServer redis(down);
  std::mutex mutex;
  std::vector<std::string> lines;
  auto options = options_for(redis.url());
  options.log = [&](std::string_view line) {
    const std::lock_guard lock(mutex);
    lines.emplace_back(line);
  };
  Publisher publisher(options);
  ASSERT_TRUE(publish_number(publisher, 0));
  EXPECT_FALSE(publisher.flush(milliseconds(200)));  // several attempts
  redis.start();
  ASSERT_TRUE(publisher.flush(kPatience));
  publisher.close();
  const std::string address = "redis://127.0.0.1:" + std::to_string(redis.port()) + "/0";
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], testing::StartsWith("redis at " + address + " is away, trying again: "));
  EXPECT_EQ(lines[1], "connected to redis at " + address);
}

}  // namespace
}  // namespace notifications::test
