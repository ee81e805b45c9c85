#include "server/notifyctl/reader_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace notifications::notifyctl {
namespace {

bool has_reader_to_lose(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

}  // namespace

ReaderWatch::ReaderWatch(int fd, std::function<void()> gone)
    : fd_(fd), end_(eventfd(0, EFD_CLOEXEC)), gone_(std::move(gone)) {
  if (end_ >= 0 && has_reader_to_lose(fd)) thread_ = std::thread([this] { wait(); });
}

ReaderWatch::~ReaderWatch() {
  const std::uint64_t one = 1;
  if (thread_.joinable() && write(end_, &one, sizeof one) == sizeof one) thread_.join();
  if (end_ >= 0) close(end_);
}

void ReaderWatch::wait() {
  // No event is asked for: an error or a hang-up is told all the same.
  pollfd watched[] = {{fd_, 0, 0}, {end_, POLLIN, 0}};
  while (poll(watched, 2, -1) < 0 && errno == EINTR) {
  }
  if (watched[1].revents == 0 && watched[0].revents != 0) gone_();
}

}  // namespace notifications::notifyctl
