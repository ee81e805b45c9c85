#include "edge/engineio/query.h"

#include <gtest/gtest.h>

#include <string>

namespace notifications::engineio {
namespace {

// "EIO|transport|sid", "-" where one is missing.
std::string describe(std::string_view target) {
  const Query query = parse_query(target);
  return query.eio.value_or("-") + "|" + query.transport.value_or("-") + "|" +
         query.sid.value_or("-");
}

TEST(Query, ReadsWhatAStockClientSends) {
  EXPECT_EQ(describe("/socket.io/?EIO=4&transport=websocket"), "4|websocket|-");
  EXPECT_EQ(describe("/socket.io/?EIO=4&transport=polling&t=abc&sid=x_-1"), "4|polling|x_-1");
  EXPECT_EQ(describe("/socket.io/"), "-|-|-");
  EXPECT_EQ(describe("/socket.io/?"), "-|-|-");
}

TEST(Query, LetsTheLastOfARepeatedKeyCount) {
  EXPECT_EQ(describe("/?EIO=3&EIO=4&transport=polling&transport=websocket"), "4|websocket|-");
  EXPECT_EQ(describe("/?EIO=4&EIO"), "|-|-");
}

TEST(Query, DecodesKeysAndValues) {
  EXPECT_EQ(describe("/?%45IO=%34&transport=web%73ocket"), "4|websocket|-");
  EXPECT_EQ(describe("/?EIO=+4&transport=a%2Bb&sid=%2"), " 4|a+b|%2");
  EXPECT_EQ(describe("/?EIO=%zz&transport=%&sid=%e4%"), "%zz|%|\xE4%");
  EXPECT_EQ(describe("/?sid=%00"), std::string("-|-|\0", 5));
}

TEST(Query, SplitsAtTheFirstEqualsAndSkipsWhatIsEmpty) {
  EXPECT_EQ(describe("/?&&EIO=4=5&=x&transport&sid="), "4=5||");
  EXPECT_EQ(describe("/?EIO=4?transport=websocket"), "4?transport=websocket|-|-");
  EXPECT_EQ(describe("/?EIO=4;transport=websocket"), "4;transport=websocket|-|-");
}

TEST(Query, IsCutAtTheFragment) {
  EXPECT_EQ(describe("/?EIO=4&transport=websocket#&transport=x"), "4|websocket|-");
  EXPECT_EQ(describe("/#?EIO=4"), "-|-|-");
}

TEST(Query, TellsKeysApartByCase) {
  EXPECT_EQ(describe("/?eio=4&Transport=websocket&SID=x"), "-|-|-");
}

TEST(Path, IsAPrefixWithItsSlash) {
  EXPECT_TRUE(is_under_path("/socket.io/", "/socket.io"));
  EXPECT_TRUE(is_under_path("/socket.io/?EIO=4", "/socket.io"));
  EXPECT_TRUE(is_under_path("/socket.io/a/b?x", "/socket.io"));
  EXPECT_FALSE(is_under_path("/socket.io", "/socket.io"));
  EXPECT_FALSE(is_under_path("/socket.io?EIO=4", "/socket.io"));
  EXPECT_FALSE(is_under_path("/socket.iox/", "/socket.io"));
  EXPECT_FALSE(is_under_path("/Socket.io/", "/socket.io"));
  EXPECT_FALSE(is_under_path("//socket.io/", "/socket.io"));
  EXPECT_FALSE(is_under_path("/", "/socket.io"));
}

}  // namespace
}  // namespace notifications::engineio
