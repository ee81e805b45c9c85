#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <thread>

namespace notifications::publishing {

// PrivateThread is the publisher's one thread, and the io_context that it runs.
//
// Why not a plain std::thread: destroying an io_context waits for a name lookup that hangs, and a
// program that ends must not. So the thread owns the io_context together with this object and
// destroys it; where that takes long, it is left to itself until the lookup gives up.
//
// Thread: its owner's, but for runs_here() (any).
class PrivateThread {
 public:
  PrivateThread();
  PrivateThread(const PrivateThread&) = delete;
  PrivateThread& operator=(const PrivateThread&) = delete;

  // Valid until end().
  boost::asio::io_context& io();

  // Starts the thread, which takes no signal: the program's own threads handle those.
  // Throws std::system_error. Called once.
  void start();

  bool runs_here() const { return std::this_thread::get_id() == thread_.get_id(); }

  // Returns when the thread has left the io_context for good. Requires: start(), and that a handler
  // calls io().stop(). Called once.
  void wait_until_stopped();

  // Ends the thread; takes 200 ms at most. Requires: wait_until_stopped() returned, and whatever
  // used io() is gone. Called once.
  void end();

 private:
  struct Shared;
  static void run(std::shared_ptr<Shared> shared);

  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace notifications::publishing
