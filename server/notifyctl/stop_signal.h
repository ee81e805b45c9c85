#pragma once

#include <signal.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace notifications::notifyctl {

// StopSignal turns SIGINT, SIGTERM and stop() into a call of what on_stop() was given, once, on a
// thread of its own, where anything may be called; while there is nothing to call, into the end of
// the process.
//
// Made in main before any other thread starts, as the signals are blocked in all threads that are
// started later.
class StopSignal {
 public:
  // `exit_code`: of a process that ends while there is nothing to call.
  explicit StopSignal(int exit_code);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // What to do; null: end the process. Thread: any.
  void on_stop(std::function<void()> stop);

  // As a signal would. Thread: any.
  void stop();

  bool stopped() const { return stopped_.load(); }

 private:
  void wait();

  const int exit_code_;
  sigset_t signals_;
  std::atomic<bool> stopped_ = false;
  std::atomic<bool> done_ = false;
  std::mutex mutex_;
  std::function<void()> stop_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace notifications::notifyctl
