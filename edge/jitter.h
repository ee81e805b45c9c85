#pragma once

#include <chrono>
#include <random>

namespace notifications::edge {

// A random time from nothing to `most`, so that what many do for one reason is not done at once.
// Thread: any.
inline std::chrono::milliseconds jittered(std::chrono::milliseconds most) {
  static thread_local std::minstd_rand random(std::random_device{}());
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::int64_t>(0, most.count())(random));
}

}  // namespace notifications::edge
