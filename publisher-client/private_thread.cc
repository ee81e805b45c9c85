#include "publisher-client/private_thread.h"

#include <pthread.h>
#include <signal.h>

#include <boost/asio/executor_work_guard.hpp>
#include <chrono>
#include <future>
#include <utility>

namespace notifications::publishing {

struct PrivateThread::Shared {
  boost::asio::io_context io{1};
  std::promise<void> stopped;
  // These outlive the io_context: both sides talk about its end.
  struct End {
    std::promise<void> released;  // the owner has let go of it
    std::promise<void> ended;     // it is gone
  };
  std::shared_ptr<End> end = std::make_shared<End>();
};

PrivateThread::PrivateThread() : shared_(std::make_shared<Shared>()) {}

boost::asio::io_context& PrivateThread::io() { return shared_->io; }

void PrivateThread::start() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([shared = shared_]() mutable { run(std::move(shared)); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "notif-publisher");
}

void PrivateThread::run(std::shared_ptr<Shared> shared) {
  {
    const auto work = boost::asio::make_work_guard(shared->io);
    shared->io.run();
  }
  shared->stopped.set_value();
  const auto end = shared->end;
  end->released.get_future().wait();
  shared.reset();  // the last reference: the owner let go before it said so
  end->ended.set_value();
}

void PrivateThread::wait_until_stopped() { shared_->stopped.get_future().wait(); }

void PrivateThread::end() {
  constexpr std::chrono::milliseconds kPatience{200};
  const auto end = shared_->end;
  shared_.reset();
  end->released.set_value();
  const auto ended = end->ended.get_future().wait_for(kPatience);
  ended == std::future_status::ready ? thread_.join() : thread_.detach();
}

}  // namespace notifications::publishing
