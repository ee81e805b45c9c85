#pragma once

#include <functional>
#include <thread>

namespace notifications::notifyctl {

// ReaderWatch notices that nobody reads a pipe or socket any more, as in `stream | head -1`,
// without writing to it: the next event may be hours away.
class ReaderWatch {
 public:
  // `gone` is called at most once, on a thread of its own; never for a file or a terminal, which
  // have no reader to lose. It outlives the watch.
  ReaderWatch(int fd, std::function<void()> gone);
  ~ReaderWatch();
  ReaderWatch(const ReaderWatch&) = delete;
  ReaderWatch& operator=(const ReaderWatch&) = delete;

 private:
  void wait();

  const int fd_;
  const int end_;  // an eventfd: written to when the watch is over
  const std::function<void()> gone_;
  std::thread thread_;
};

}  // namespace notifications::notifyctl
