#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/redis/connection.h"
#include "core/redis/url.h"
#include "notifications/publisher.h"
#include "tests/support/redis_server.h"

namespace notifications::test {

inline constexpr std::chrono::seconds kPatience{30};  // of waits that end at once when all is well

// ChannelListener hears everything that is published to one channel, from its construction on.
class ChannelListener {
 public:
  explicit ChannelListener(const std::string& redis_url,
                           const std::string& channel = "notifications.v1")
      : channel_(channel), connection_(io_, options(redis_url), callbacks()) {
    boost::asio::post(io_, [this] { connection_.start(); });
    thread_ = std::thread([this] { io_.run(); });
    live_.get_future().wait();
  }

  ~ChannelListener() {
    boost::asio::post(io_, [this] {
      connection_.stop();
      io_.stop();
    });
    thread_.join();
  }

  // The first `count` messages, or fewer if they do not come in time.
  std::vector<std::string> first(std::size_t count) {
    std::unique_lock lock(mutex_);
    heard_.wait_for(lock, kPatience, [&] { return messages_.size() >= count; });
    return messages_;
  }

 private:
  static redis::Connection::Options options(const std::string& redis_url) {
    redis::Connection::Options options;
    options.url = *redis::parse_url(redis_url);
    return options;
  }

  redis::Connection::Callbacks callbacks() {
    redis::Connection::Callbacks callbacks;
    callbacks.on_up = [this] {
      connection_.subscribe(channel_, [this](const redis::Reply&) { live_.set_value(); });
    };
    callbacks.on_message = [this](std::string_view, std::string_view text) { add(text); };
    return callbacks;
  }

  void add(std::string_view text) {
    const std::lock_guard lock(mutex_);
    messages_.emplace_back(text);
    heard_.notify_all();
  }

  const std::string channel_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::promise<void> live_;
  std::mutex mutex_;
  std::condition_variable heard_;
  std::vector<std::string> messages_;  // guarded by mutex_
  redis::Connection connection_;
  std::thread thread_;
};

inline RedisServer::Options not_started() {
  RedisServer::Options options;
  options.start = false;
  return options;
}

inline RedisServer::Options guarded_by(const std::string& password) {
  RedisServer::Options options;
  options.password = password;
  return options;
}

inline RedisServer::Options configured(std::vector<std::string> lines) {
  RedisServer::Options options;
  options.config = std::move(lines);
  return options;
}

// Deliveries collects the reports of a publisher. It must outlive it.
class Deliveries {
 public:
  using Status = Publisher::DeliveryStatus;

  Publisher::OnDelivery callback() {
    return [this](const Publisher::Delivery& delivery) {
      const std::lock_guard lock(mutex_);
      all_.push_back(delivery);
      reported_.notify_all();
    };
  }

  // Waits until at least `count` reports came; then all there are.
  std::vector<Publisher::Delivery> first(std::size_t count) {
    std::unique_lock lock(mutex_);
    reported_.wait_for(lock, kPatience, [&] { return all_.size() >= count; });
    return all_;
  }

  std::map<Status, std::size_t> by_status() {
    const std::lock_guard lock(mutex_);
    std::map<Status, std::size_t> counts;
    for (const auto& delivery : all_) ++counts[delivery.status];
    return counts;
  }

  // How often the most reported event was reported.
  std::size_t most_reports_of_one() {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::size_t> counts;
    std::size_t most = 0;
    for (const auto& delivery : all_) most = std::max(most, ++counts[delivery.id]);
    return most;
  }

 private:
  std::mutex mutex_;
  std::condition_variable reported_;
  std::vector<Publisher::Delivery> all_;  // guarded by mutex_
};

// Options with short waits and the time and ids of the literal texts: id-1, id-2, ...
inline Publisher::Options options_for(const std::string& redis_url) {
  Publisher::Options options;
  options.redis_url = redis_url;
  options.reconnect_min = std::chrono::milliseconds(10);
  options.reconnect_max = std::chrono::milliseconds(50);
  options.clock = [] {
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(1'771'502'400'123));
  };
  options.new_id = [count = std::make_shared<std::atomic<int>>(0)] {
    return "id-" + std::to_string(++*count);
  };
  return options;
}

// The envelope of publish_number().
inline std::string numbered_text(int id, int number) {
  return R"({"id":"id-)" + std::to_string(id) +
         R"(","ts":"2026-02-19T12:00:00.123Z","source":"platform-server","rooms":["graph"],)"
         R"("event":"test","payload":)" +
         std::to_string(number) + "}";
}

inline Publisher::Receipt publish_number(Publisher& publisher, int number,
                                         Publisher::OnDelivery on_delivery = {}) {
  return publisher.publish({"graph"}, "test", std::to_string(number), std::move(on_delivery));
}

// The payloads of such envelopes.
inline std::vector<int> numbers_of(const std::vector<std::string>& messages) {
  std::vector<int> numbers;
  for (const std::string& text : messages) {
    const auto at = text.rfind("\"payload\":");
    numbers.push_back(std::stoi(text.substr(at + 10)));
  }
  return numbers;
}

}  // namespace notifications::test
