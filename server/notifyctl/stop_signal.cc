#include "server/notifyctl/stop_signal.h"

#include <pthread.h>
#include <unistd.h>

#include <utility>

namespace notifications::notifyctl {

StopSignal::StopSignal(int exit_code) : exit_code_(exit_code) {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = std::thread([this] { wait(); });
}

StopSignal::~StopSignal() {
  done_ = true;
  pthread_kill(thread_.native_handle(), SIGINT);
  thread_.join();
}

void StopSignal::wait() {
  int signal = 0;
  sigwait(&signals_, &signal);
  if (done_) return;
  stopped_ = true;
  const std::lock_guard lock(mutex_);
  if (!stop_) _exit(exit_code_);
  stop_();
}

void StopSignal::stop() { pthread_kill(thread_.native_handle(), SIGINT); }

void StopSignal::on_stop(std::function<void()> stop) {
  const std::lock_guard lock(mutex_);
  stop_ = std::move(stop);
}

}  // namespace notifications::notifyctl
