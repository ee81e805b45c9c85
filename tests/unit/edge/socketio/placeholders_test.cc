#include "edge/socketio/placeholders.h"

#include <gtest/gtest.h>

#include <string>

namespace notifications::socketio {
namespace {

TEST(Placeholders, AreValidWhereThereAreNone) {
  EXPECT_TRUE(are_placeholders_valid("", 1));
  EXPECT_TRUE(are_placeholders_valid("[]", 1));
  EXPECT_TRUE(are_placeholders_valid(R"("_placeholder")", 1));
  EXPECT_TRUE(are_placeholders_valid(R"(["x",{"num":9},[[{}]],null])", 1));
}

TEST(Placeholders, ForgetAWrongValueThatARepeatedKeyReplaces) {
  const std::string wrong = R"({"_placeholder":true,"num":1})";
  EXPECT_FALSE(are_placeholders_valid("[{\"a\":" + wrong + "}]", 1));
  EXPECT_TRUE(are_placeholders_valid("[{\"a\":" + wrong + ",\"a\":[]}]", 1));
  EXPECT_TRUE(
      are_placeholders_valid("[{\"a\":" + wrong + ",\"b\":" + wrong + ",\"b\":1,\"a\":{}}]", 1));
  EXPECT_FALSE(are_placeholders_valid("[{\"a\":" + wrong + ",\"b\":" + wrong + ",\"b\":1}]", 1));
  EXPECT_TRUE(are_placeholders_valid("[" + wrong + "]", 2));
}

TEST(Placeholders, AreCheckedInManyKeysAtOnce) {
  std::string data = "[{";
  for (int i = 0; i < 20'000; ++i) {
    data += "\"" + std::to_string(i) + R"(":{"_placeholder":true,"num":5},)";
  }
  EXPECT_FALSE(are_placeholders_valid(data + "\"x\":1}]", 1));
  EXPECT_TRUE(are_placeholders_valid(data + "\"x\":1}]", 6));
}

}  // namespace
}  // namespace notifications::socketio
