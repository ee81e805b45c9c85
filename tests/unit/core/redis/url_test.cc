#include "core/redis/url.h"

#include <gtest/gtest.h>

#include <string>

namespace notifications::redis {
namespace {

Url parsed(std::string_view text) {
  auto url = parse_url(text);
  EXPECT_TRUE(url.ok()) << text << ": " << (url.ok() ? "" : url.error().message);
  return url.ok() ? *url : Url{};
}

std::string error_of(std::string_view text) {
  auto url = parse_url(text);
  EXPECT_FALSE(url.ok()) << text;
  return url.ok() ? "" : url.error().message;
}

TEST(RedisUrl, ReadsHostPortAndDatabase) {
  const Url url = parsed("redis://cache.example:6380/7");
  EXPECT_EQ(url.host, "cache.example");
  EXPECT_EQ(url.port, 6380);
  EXPECT_EQ(url.database, 7);
  EXPECT_EQ(url.user, "");
  EXPECT_EQ(url.password, "");
}

TEST(RedisUrl, FillsInPortAndDatabase) {
  for (const char* text : {"redis://cache", "redis://cache/", "REDIS://cache"}) {
    const Url url = parsed(text);
    EXPECT_EQ(url.host, "cache");
    EXPECT_EQ(url.port, 6379);
    EXPECT_EQ(url.database, 0);
  }
}

TEST(RedisUrl, ReadsUserAndPassword) {
  const Url url = parsed("redis://edge:pass@10.0.0.1:1/2");
  EXPECT_EQ(url.user, "edge");
  EXPECT_EQ(url.password, "pass");
  EXPECT_EQ(url.host, "10.0.0.1");
}

TEST(RedisUrl, ReadsAPasswordWithoutAUser) {
  const Url url = parsed("redis://:pass@cache");
  EXPECT_EQ(url.user, "");
  EXPECT_EQ(url.password, "pass");
}

TEST(RedisUrl, DecodesPercentEscapesOfUserAndPassword) {
  const Url url = parsed("redis://us%3Aer:p%40ss%2Fw%c3%a9%25@cache");
  EXPECT_EQ(url.user, "us:er");
  EXPECT_EQ(url.password, "p@ss/w\xc3\xa9%");
}

TEST(RedisUrl, KeepsColonsAndAtSignsOfThePassword) {
  EXPECT_EQ(parsed("redis://u:a:b@c@cache").password, "a:b@c");
  EXPECT_EQ(parsed("redis://u:a:b@c@cache").host, "cache");
}

TEST(RedisUrl, ReadsIpv6InBrackets) {
  EXPECT_EQ(parsed("redis://[::1]:7000/1").host, "::1");
  EXPECT_EQ(parsed("redis://[::1]:7000/1").port, 7000);
  EXPECT_EQ(parsed("redis://[2001:db8::2]").port, 6379);
}

TEST(RedisUrl, RefusesWhatIsNotARedisUrl) {
  for (const char* text :
       {"", "cache", "cache:6379", "http://cache", "redis:/cache", "unix:///tmp/s"})
    EXPECT_NE(error_of(text).find("it does not start with redis://"), std::string::npos) << text;
  EXPECT_NE(error_of("rediss://cache").find("TLS (rediss://) is not supported"), std::string::npos);
}

TEST(RedisUrl, RefusesBadPorts) {
  for (const char* port :
       {"", "0", "65536", "-1", "+1", "6379x", "x", " 1", "99999999999999999999"})
    EXPECT_NE(error_of("redis://cache:" + std::string(port)).find("the port is not a number"),
              std::string::npos)
        << port;
}

TEST(RedisUrl, RefusesBadDatabases) {
  for (const char* database : {"x", "-1", "+1", "1x", "1/2", "2147483648", "0?a=b", " 1", "1#f"})
    EXPECT_NE(error_of("redis://cache/" + std::string(database)).find("the database is not"),
              std::string::npos)
        << database;
  EXPECT_EQ(parsed("redis://cache/2147483647").database, 2147483647);
}

TEST(RedisUrl, RefusesBadHosts) {
  for (const char* text : {"redis://", "redis:///0", "redis://:6379", "redis://u:p@"})
    EXPECT_NE(error_of(text).find("it names no host"), std::string::npos) << text;
  for (const char* text : {"redis://ca che", "redis://[cache]", "redis://[::g]",
                           "redis://c\xc3\xa9", "redis://cache?db=1", "redis://a\nb"})
    EXPECT_NE(error_of(text).find("neither a name nor an address"), std::string::npos) << text;
  EXPECT_NE(error_of("redis://[::1").find("not closed by ]"), std::string::npos);
  EXPECT_NE(error_of("redis://[::1]x").find("only a port may follow"), std::string::npos);
  EXPECT_NE(error_of("redis://::1").find("in brackets"), std::string::npos);
}

TEST(RedisUrl, RefusesALoneWordAsLogin) {
  EXPECT_NE(error_of("redis://secret@cache").find("a login needs a colon"), std::string::npos);
}

TEST(RedisUrl, RefusesBrokenPercentEscapes) {
  for (const char* text : {"redis://u:%@cache", "redis://u:%4@cache", "redis://u:%zz@cache"})
    EXPECT_NE(error_of(text).find("percent sign"), std::string::npos) << text;
}

TEST(RedisUrl, ErrorsAreOneLineAndNeverHoldASecret) {
  for (const char* text :
       {"redis://u:hunter2@cache:x", "redis://u:hunter2@cache/x", "redis://u:hunter2@",
        "http://u:hunter2@c", "redis://u:hunter2%@cache", "redis://hunter2@cache",
        "redis://u:hun/hunter2@cache", "rediss://u:hunter2@cache", "redis://u:hunter2@ca che",
        "redis://u:hunter2"}) {
    const std::string error = error_of(text);
    EXPECT_EQ(error.find("hunter2"), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    EXPECT_EQ(error.rfind("bad Redis URL: ", 0), 0u) << error;
  }
}

TEST(RedisUrl, RedactsUserAndPassword) {
  EXPECT_EQ(parsed("redis://u:hunter2@cache:1/2").redacted(), "redis://cache:1/2");
  EXPECT_EQ(parsed("redis://[::1]").redacted(), "redis://[::1]:6379/0");
}

}  // namespace
}  // namespace notifications::redis
