#include "core/runtime/memory.h"

#include <malloc.h>

#include <algorithm>

namespace notifications {

std::size_t live_bytes() {
  const struct mallinfo2 use = ::mallinfo2();
  return use.uordblks + use.hblkhd;
}

bool MemoryTrim::due(std::size_t consumers) {
  most_ = std::max(most_, consumers);
  const std::size_t gone = most_ - consumers;
  if (gone < kCrowd || gone < consumers) return false;
  most_ = consumers;
  return true;
}

void MemoryTrim::run() { ::malloc_trim(0); }

}  // namespace notifications
