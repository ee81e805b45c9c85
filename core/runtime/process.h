#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/broker.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/room_interest.h"
#include "core/runtime/admin_listener.h"
#include "core/runtime/dispatcher.h"
#include "core/runtime/front.h"
#include "core/runtime/health.h"
#include "core/runtime/memory.h"
#include "core/runtime/replayer.h"
#include "core/runtime/sessions.h"
#include "core/runtime/shard.h"
#include "core/settings.h"

namespace notifications {

// Process is what every program is made of, in the order in which it is built and, reversed, torn
// down: log, metrics, shards, broker, dispatcher, fronts, admin listener.
//
// Thread: main, unless said otherwise.
class Process {
 public:
  explicit Process(Settings settings);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const Settings& settings() const { return settings_; }
  Log& log() { return log_; }
  Metrics& metrics() { return metrics_; }
  Broker& broker() { return *broker_; }
  RoomInterest& interest() { return interest_; }
  // Serves the past; null with the journal off.
  Replayer* replayer() { return replayer_.get(); }
  Sessions* sessions() { return sessions_.get(); }
  // The shards that serve browsers; at least one.
  const std::vector<std::unique_ptr<Shard>>& shards() const { return shards_; }

  // Whether events can flow from the broker to this process, and it is not draining. Thread: any.
  bool ready() const { return ready_.load(std::memory_order_relaxed); }

  void add(std::unique_ptr<Front> front) { fronts_.push_back(std::move(front)); }

  // Opens, serves until SIGTERM or SIGINT, drains, stops. Returns the exit code. Called once.
  int run();

 private:
  bool open();
  void start();
  void drain();
  void announce_heads();
  void trim_memory(MemoryTrim trim);
  void update_ready();
  void change_log_level(LogLevel level, std::string_view by);
  AdminListener::Pages admin_pages();
  AdminResponse put_log_level(const AdminChange& change);
  AdminResponse readyz() const;
  RealtimeState realtime() const;
  // Any thread.
  std::size_t subscriptions() const;
  std::size_t consumers() const;

  // Constant after construction, in order of destruction reversed.
  const Settings settings_;
  Log log_;
  Metrics metrics_;
  const std::chrono::steady_clock::time_point started_at_;
  boost::asio::io_context main_io_;
  boost::asio::steady_timer trim_timer_;
  RoomInterest interest_;
  std::vector<std::unique_ptr<Shard>> shards_;
  // Set if the broker has a loop of its own: with one shard it shares that one's, since a hop is a
  // wake-up.
  std::unique_ptr<boost::asio::io_context> broker_io_;
  std::thread broker_thread_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Replayer> replayer_;
  std::unique_ptr<Sessions> sessions_;
  std::unique_ptr<boost::asio::steady_timer> head_timer_;  // on the broker's thread
  std::vector<std::unique_ptr<Front>> fronts_;
  std::unique_ptr<AdminListener> admin_;

  std::atomic<bool> ready_ = false;
  std::atomic<bool> draining_ = false;
  std::size_t fronts_draining_ = 0;
};

// The whole of a main(): reads the settings, builds a process, lets `add_fronts` add its fronts,
// runs it. Bad settings end with one line on stderr and code 2, an address in use with code 1.
int run_program(Program program, int argc, char** argv,
                const std::function<void(Process&)>& add_fronts);

}  // namespace notifications
