#include "core/uuid.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

namespace notifications {
namespace {

TEST(Uuid, IsARandomOneOfVersion4InLowerCase) {
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = new_uuid();
    EXPECT_TRUE(std::regex_match(uuid, form)) << uuid;
    EXPECT_TRUE(seen.insert(uuid).second) << uuid;
  }
}

TEST(RandomId, HasTheLengthOfUnpaddedBase64Url) {
  EXPECT_EQ(new_random_id(0), "");
  EXPECT_EQ(new_random_id(1).size(), 2u);
  EXPECT_EQ(new_random_id(2).size(), 3u);
  EXPECT_EQ(new_random_id(3).size(), 4u);
  EXPECT_EQ(new_random_id(15).size(), 20u);
  EXPECT_EQ(new_random_id(16).size(), 22u);
}

TEST(RandomId, UsesTheWholeUrlSafeAlphabetAndNothingElse) {
  std::set<char> seen;
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = new_random_id(15);
    EXPECT_TRUE(ids.insert(id).second) << id;
    seen.insert(id.begin(), id.end());
  }
  std::set<char> alphabet{'-', '_'};
  for (char c = '0'; c <= '9'; ++c) alphabet.insert(c);
  for (char c = 'a'; c <= 'z'; ++c) alphabet.insert(c);
  for (char c = 'A'; c <= 'Z'; ++c) alphabet.insert(c);
  EXPECT_EQ(seen, alphabet);
}

}  // namespace
}  // namespace notifications
