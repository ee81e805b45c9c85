#include "edge/socketio/encode.h"

#include <gtest/gtest.h>

#include <string>

#include "edge/socketio/violation.h"

namespace notifications::socketio {
namespace {

TEST(SocketIoEncode, AnswersConnect) {
  EXPECT_EQ(encode_connected("ojIckSD2jqNzOqIrAAAB"), R"(40{"sid":"ojIckSD2jqNzOqIrAAAB"})");
  EXPECT_EQ(encode_connected("sid", "pid"), R"(40{"sid":"sid","pid":"pid"})");
}

TEST(SocketIoEncode, EchoesANamespaceAsItCame) {
  EXPECT_EQ(encode_invalid_namespace("/ns"), R"(44/ns,{"message":"Invalid namespace"})");
  EXPECT_EQ(encode_invalid_namespace("/\u00E9\"\\?x=1"),
            "44/\u00E9\"\\?x=1,{\"message\":\"Invalid namespace\"}");
}

TEST(SocketIoEncode, PutsTheAcksArgumentIntoAnArray) {
  EXPECT_EQ(encode_ack("0", R"({"ok":true})"), R"(430[{"ok":true}])");
  EXPECT_EQ(encode_ack("1e+21", "{}"), "431e+21[{}]");
  EXPECT_EQ(encode_ack("NaN", "{}"), "43NaN[{}]");
}

TEST(SocketIoEncode, CopiesThePayloadOfAnEvent) {
  EXPECT_EQ(encode_event("node_status", R"({"n":12345678901234567890,"s":"\u0041"})"),
            R"(42["node_status",{"n":12345678901234567890,"s":"\u0041"}])");
  EXPECT_EQ(encode_event("a\"b\n\u2028", "null"), "42[\"a\\\"b\\n\u2028\",null]");
}

TEST(SocketIoEncode, PutsThePositionLast) {
  EXPECT_EQ(encode_event("x", "{}", "e1.1-0"), R"(42["x",{},"e1.1-0"])");
}

TEST(SocketIoViolation, HasANameOfItsOwn) {
  for (int i = 0; i < kViolations; ++i) {
    const auto own = name(static_cast<Violation>(i));
    EXPECT_NE(own, "unknown");
    for (int j = 0; j < i; ++j) EXPECT_NE(own, name(static_cast<Violation>(j)));
  }
}

}  // namespace
}  // namespace notifications::socketio
