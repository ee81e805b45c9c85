#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>

namespace notifications {

// Runs `work` on the thread that runs `io` and returns when it is done. On that very thread, or
// when `io` has ended so that nobody would run it, it runs here.
// Requires: `io` has been run. Thread: any.
inline void run_and_wait(boost::asio::io_context& io, std::function<void()> work) {
  if (io.stopped() || io.get_executor().running_in_this_thread()) return work();
  struct State {
    std::once_flag once;
    std::promise<void> done;
  };
  const auto state = std::make_shared<State>();
  auto finished = state->done.get_future();
  boost::asio::post(io, [state, work] {
    std::call_once(state->once, work);
    state->done.set_value();
  });
  while (finished.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready)
    if (io.stopped()) return std::call_once(state->once, work);
}

}  // namespace notifications
