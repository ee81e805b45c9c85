#include "core/sparse_table.h"

#include <gtest/gtest.h>

#include <string>

#include "core/string_map.h"

namespace notifications {
namespace {

TEST(SparseTable, GivesBackWhatAnAlmostEmptyTableHolds) {
  StringMap<int> table;
  for (int i = 0; i < 100'000; ++i) table[std::to_string(i)] = i;
  const std::size_t full = table.capacity();
  for (int i = 10; i < 100'000; ++i) {
    table.erase(std::to_string(i));
    shrink_if_sparse(table);
  }
  EXPECT_LT(table.capacity(), full / 16);
  ASSERT_EQ(table.size(), 10u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(table.at(std::to_string(i)), i);
}

TEST(SparseTable, LeavesSmallAndWellFilledTablesAlone) {
  StringMap<int> table;
  for (int i = 0; i < 500; ++i) table[std::to_string(i)] = i;
  const std::size_t small = table.capacity();
  table.clear();
  for (int i = 0; i < 500; ++i) table[std::to_string(i)] = i;
  for (int i = 0; i < 499; ++i) {
    table.erase(std::to_string(i));
    shrink_if_sparse(table);
  }
  EXPECT_EQ(table.capacity(), small);
}

}  // namespace
}  // namespace notifications
