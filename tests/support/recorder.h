#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/broker.h"

namespace notifications::test {

// How long a test waits for what must come; reached only when it fails.
inline constexpr std::chrono::seconds kPatience{20};

// True once `condition` holds; false if it still does not after `patience`. For what cannot be
// waited on: the condition is asked again every few milliseconds.
inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds patience = kPatience) {
  const auto limit = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// IoThread runs an io_context on a thread of its own, like the broker's thread of a program.
class IoThread {
 public:
  IoThread() : work_(io.get_executor()), thread_([this] { io.run(); }) {}
  ~IoThread() {
    io.stop();
    thread_.join();
  }
  // Runs `work` on the thread and waits for it.
  void call(const std::function<void()>& work) {
    std::promise<void> done;
    boost::asio::post(io, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  std::thread::id id() const { return thread_.get_id(); }

  boost::asio::io_context io;

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

// EventRecorder is a sink that remembers. Thread: any.
class EventRecorder : public EventSink {
 public:
  void on_message(const Incoming& message) override {
    const std::lock_guard lock(mutex_);
    texts_.emplace_back(message.text);
    threads_.push_back(std::this_thread::get_id());
    ++open_;
    changed_.notify_all();
  }
  void on_batch_end() override {
    const std::lock_guard lock(mutex_);
    ++batches_;
    if (open_ == 0) ++empty_batches_;
    open_ = 0;
    changed_.notify_all();
  }

  // Waits for `count` messages and the end of their batch; false if they do not come.
  bool await(std::size_t count, std::chrono::milliseconds patience = kPatience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return texts_.size() >= count && open_ == 0; });
  }
  bool await_text(const std::string& text, std::chrono::milliseconds patience = kPatience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] {
      for (const auto& have : texts_)
        if (have == text) return true;
      return false;
    });
  }

  std::vector<std::string> texts() const { return locked(texts_); }
  std::vector<std::thread::id> threads() const { return locked(threads_); }
  std::size_t batches() const { return locked(batches_); }
  std::size_t empty_batches() const { return locked(empty_batches_); }

 private:
  template <class T>
  T locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> texts_;
  std::vector<std::thread::id> threads_;
  std::size_t batches_ = 0;
  std::size_t empty_batches_ = 0;
  std::size_t open_ = 0;  // messages since the last batch end
};

// Publishes and returns at once; the future holds the outcome.
inline std::future<PublishOutcome> publish(Broker& broker, std::string text,
                                           std::chrono::milliseconds limit = kPatience) {
  auto promise = std::make_shared<std::promise<PublishOutcome>>();
  auto outcome = promise->get_future();
  PublishCommand command;
  command.id = "id";
  command.ts = "2026-02-19T12:00:00.000Z";
  command.text = std::move(text);
  command.deadline = std::chrono::steady_clock::now() + limit;
  // set_value throws if it is called twice: that is how "exactly once" is checked.
  broker.publish(std::move(command),
                 [promise](PublishOutcome result) { promise->set_value(std::move(result)); });
  return outcome;
}

// The outcome, or a status that no test expects if there is none within twice the patience.
inline PublishOutcome await(std::future<PublishOutcome> outcome) {
  if (outcome.wait_for(2 * kPatience) == std::future_status::ready) return outcome.get();
  PublishOutcome none;
  none.status = PublishStatus{-1};
  none.detail = "no outcome at all";
  return none;
}

}  // namespace notifications::test
