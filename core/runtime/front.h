#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace notifications {

// Front is one door through which consumers come in: Socket.IO and SSE, or gRPC.
//
// Thread: main, all functions.
class Front {
 public:
  virtual ~Front() = default;

  // Binds its address and logs `listening`; nothing is accepted yet. Returns one line if it can't.
  virtual std::optional<std::string> open() = 0;

  // Accepts from here on. Called after open() of all fronts succeeded, with the shards running.
  virtual void start() = 0;

  // Whether events can really flow from the broker to this process; called at every change and
  // once after start().
  virtual void set_ready(bool ready) = 0;

  // How many are connected now. Thread: any.
  virtual std::size_t consumers() const = 0;

  // Stops to accept and ends what is connected, spread over `period`; calls `done` (any thread)
  // when nothing is left.
  virtual void drain(std::chrono::milliseconds period, std::function<void()> done) = 0;

  // Ends whatever is left, at once. The shards still run.
  virtual void stop() = 0;
};

}  // namespace notifications
