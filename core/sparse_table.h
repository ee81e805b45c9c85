#pragma once

#include <cstddef>

namespace notifications {

// Gives back the memory of a hash table of Abseil's that has become almost empty: erasing alone
// never does. For tables whose size peers decide.
//
// To be called after each erase; what it costs is spread over the erases that led there.
// Iterators and references into the table are void afterwards.
template <class Table>
void shrink_if_sparse(Table& table) {
  constexpr std::size_t kSmall = 1024;
  if (table.capacity() > kSmall && table.size() < table.capacity() / 8) table.rehash(0);
}

}  // namespace notifications
