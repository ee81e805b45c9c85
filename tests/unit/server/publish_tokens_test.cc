#include "server/publish_tokens.h"

#include <gtest/gtest.h>

namespace notifications::server {
namespace {

TEST(PublishTokens, LetEverybodyPublishIfThereAreNone) {
  EXPECT_TRUE(PublishTokens().admits(""));
  EXPECT_TRUE(PublishTokens().admits("Bearer whatever"));
}

TEST(PublishTokens, AdmitEachOfThemExactly) {
  const PublishTokens tokens({"first-token-0123", "second-token-45"});
  EXPECT_TRUE(tokens.admits("Bearer first-token-0123"));
  EXPECT_TRUE(tokens.admits("bEARER second-token-45"));
  for (const char* wrong :
       {"", "Bearer", "Bearer ", "Bearer  first-token-0123", "Bearer first-token-0123 ",
        "Bearer first-token-012", "Bearer first-token-01234", "Bearer First-token-0123",
        "Bearer first-token-0123first-token-0123", "Bearer first-token-0123,second-token-45",
        "Basic first-token-0123", "first-token-0123", "Bearerfirst-token-0123"}) {
    EXPECT_FALSE(tokens.admits(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace notifications::server
