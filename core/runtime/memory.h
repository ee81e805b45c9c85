#pragma once

#include <cstddef>

namespace notifications {

// Bytes that the program has allocated and not freed; what its threads keep at hand is not seen.
// Costs the allocator's locks for a moment. Thread: any.
std::size_t live_bytes();

// MemoryTrim says when memory is worth giving back: after a crowd of consumers has gone. The
// allocator keeps what they used, in pieces, for a crowd that may never come again.
//
// Thread: any one.
class MemoryTrim {
 public:
  // How many have to go at least.
  static constexpr std::size_t kCrowd = 100;

  // Tells how many consumers there are now; true if at least half have gone since it was last true.
  bool due(std::size_t consumers);
  // Gives free memory back to the system. Milliseconds for each gigabyte.
  static void run();

 private:
  std::size_t most_ = 0;  // consumers since it was last due
};

}  // namespace notifications
