#pragma once

#include <cstdint>

namespace notifications {

// Has the processor fetch the cache lines `first` to `last`, counted from the one at `address`, to
// be written to. An address that is none does no harm. Thread: any.
inline void prefetch_lines(const void* address, int first, int last) {
  constexpr int kLine = 64;
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (int line = first; line <= last; ++line) {
    __builtin_prefetch(
        reinterpret_cast<const void*>(at + static_cast<std::uintptr_t>(kLine * line)), 1);
  }
}

}  // namespace notifications
