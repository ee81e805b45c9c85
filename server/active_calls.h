#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace notifications::server {

// ActiveCalls counts the calls whose objects are alive, so that shutdown can wait for the last one.
//
// Thread: any. Outlives its tokens.
class ActiveCalls {
 public:
  // One call; a member of its object.
  class Token {
   public:
    explicit Token(ActiveCalls& calls) : calls_(calls) {
      const std::lock_guard lock(calls_.mutex_);
      ++calls_.count_;
    }
    ~Token() {
      const std::lock_guard lock(calls_.mutex_);
      if (--calls_.count_ == 0) calls_.none_.notify_all();
    }
    Token(const Token&) = delete;
    Token& operator=(const Token&) = delete;

   private:
    ActiveCalls& calls_;
  };

  void wait_until_none() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }
  // True if there was none before `deadline`, and before hurry().
  bool wait_until_none(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    none_.wait_until(lock, deadline, [this] { return count_ == 0 || hurry_; });
    return count_ == 0;
  }
  // Ends every wait that has a deadline, now and later.
  void hurry() {
    const std::lock_guard lock(mutex_);
    hurry_ = true;
    none_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  std::size_t count_ = 0;  // guarded by mutex_
  bool hurry_ = false;     // guarded by mutex_
};

}  // namespace notifications::server
