#include "core/redis/reply_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace notifications::redis {
namespace {

class Seen : public ReplyParser::Sink {
 public:
  void on_reply(Reply reply) override {
    replies.push_back(std::move(reply));
    if (replies.size() == close_after) is_open = false;
  }
  void on_message(std::string_view channel, std::string_view message) override {
    messages.emplace_back(channel, message);
    if (messages.size() == close_after) is_open = false;
  }
  bool open() const override { return is_open; }

  std::vector<Reply> replies;
  std::vector<std::pair<std::string, std::string>> messages;
  std::size_t close_after = 0;
  bool is_open = true;
};

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
std::string message(const std::string& channel, const std::string& text) {
  return "*3\r\n" + bulk("message") + bulk(channel) + bulk(text);
}

class ReplyParserTest : public testing::Test {
 protected:
  Seen seen_;
  ReplyParser parser_{seen_};
};

TEST_F(ReplyParserTest, ReadsEveryKindOfReply) {
  ASSERT_TRUE(parser_.consume("+OK\r\n-ERR no\r\n:-42\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*0\r\n"));
  ASSERT_EQ(seen_.replies.size(), 7u);
  EXPECT_EQ(seen_.replies[0].kind, Reply::Kind::kString);
  EXPECT_EQ(seen_.replies[0].text, "OK");
  EXPECT_EQ(seen_.replies[1].kind, Reply::Kind::kError);
  EXPECT_EQ(seen_.replies[1].text, "ERR no");
  EXPECT_EQ(seen_.replies[2].kind, Reply::Kind::kInteger);
  EXPECT_EQ(seen_.replies[2].integer, -42);
  EXPECT_EQ(seen_.replies[3].text, "a\r\n");
  EXPECT_EQ(seen_.replies[4].kind, Reply::Kind::kNil);
  EXPECT_EQ(seen_.replies[5].kind, Reply::Kind::kNil);
  EXPECT_EQ(seen_.replies[6].kind, Reply::Kind::kArray);
  EXPECT_TRUE(seen_.replies[6].elements.empty());
}

TEST_F(ReplyParserTest, ReadsNestedArraysCutAnywhere) {
  const std::string text = "*3\r\n:1\r\n*2\r\n*1\r\n$1\r\nx\r\n$-1\r\n+end\r\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Seen seen;
    ReplyParser parser(seen);
    ASSERT_TRUE(parser.consume(text.substr(0, cut)));
    ASSERT_TRUE(parser.consume(text.substr(cut)));
    ASSERT_EQ(seen.replies.size(), 1u) << cut;
    const Reply& root = seen.replies[0];
    ASSERT_EQ(root.elements.size(), 3u) << cut;
    EXPECT_EQ(root.elements[0].integer, 1);
    ASSERT_EQ(root.elements[1].elements.size(), 2u) << cut;
    EXPECT_EQ(root.elements[1].elements[0].elements.at(0).text, "x");
    EXPECT_EQ(root.elements[1].elements[1].kind, Reply::Kind::kNil);
    EXPECT_EQ(root.elements[2].text, "end");
  }
}

TEST_F(ReplyParserTest, HandsOutMessagesCutAnywhere) {
  const std::string text = message("c", "first\r\n") + message("other", "") + "*3\r\n" +
                           bulk("subscribe") + bulk("c") + ":1\r\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Seen seen;
    ReplyParser parser(seen);
    parser.expect_messages();
    ASSERT_TRUE(parser.consume(text.substr(0, cut)));
    ASSERT_TRUE(parser.consume(text.substr(cut)));
    ASSERT_EQ(seen.messages.size(), 2u) << cut;
    EXPECT_EQ(seen.messages[0], std::make_pair(std::string("c"), std::string("first\r\n")));
    EXPECT_EQ(seen.messages[1], std::make_pair(std::string("other"), std::string()));
    ASSERT_EQ(seen.replies.size(), 1u) << cut;
    ASSERT_EQ(seen.replies[0].elements.size(), 3u) << cut;
    EXPECT_EQ(seen.replies[0].elements[0].text, "subscribe");
  }
}

TEST_F(ReplyParserTest, AMessageArrayIsAReplyWhileNoMessagesAreExpected) {
  ASSERT_TRUE(parser_.consume(message("c", "text")));
  EXPECT_TRUE(seen_.messages.empty());
  ASSERT_EQ(seen_.replies.size(), 1u);
  EXPECT_EQ(seen_.replies[0].elements.at(2).text, "text");
}

TEST_F(ReplyParserTest, TakesMessagesOfAnySizeInPiecesOfAnySize) {
  parser_.expect_messages();
  for (const std::size_t size : {0u, 1u, 8191u, 8192u, 70'000u, 3'000'000u}) {
    const std::string text = message("c", std::string(size, 'x'));
    for (std::size_t at = 0; at < text.size(); at += 60'000)
      ASSERT_TRUE(parser_.consume(std::string_view(text).substr(at, 60'000)));
    EXPECT_EQ(seen_.messages.back().second.size(), size);
  }
  EXPECT_EQ(seen_.messages.size(), 6u);
}

TEST_F(ReplyParserTest, StopsAtOnceWhenTheSinkCloses) {
  seen_.close_after = 2;
  parser_.expect_messages();
  EXPECT_TRUE(parser_.consume(message("c", "1") + message("c", "2") + message("c", "3")));
  EXPECT_EQ(seen_.messages.size(), 2u);
}

TEST_F(ReplyParserTest, RefusesWhatIsNotRedis) {
  for (const char* text :
       {"HTTP/1.1 400 Bad Request\r\n\r\n", "$-7\r\n", "*-7\r\n", ":x\r\n",
        "$99999999999999999999\r\n", "*99999999999999999999\r\n", "%1\r\n", "\x16\x03\x01"}) {
    Seen seen;
    ReplyParser parser(seen);
    EXPECT_FALSE(parser.consume(text)) << text;
    EXPECT_NE(parser.error(), "") << text;
    EXPECT_TRUE(seen.replies.empty());
  }
}

TEST_F(ReplyParserTest, RefusesArraysNestedTooDeepRatherThanCrash) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "*1\r\n";
  EXPECT_FALSE(parser_.consume(text));
  EXPECT_NE(parser_.error().find("nested"), std::string::npos) << parser_.error();
}

TEST_F(ReplyParserTest, AnAnnouncedLengthCostsNothingUntilTheElementsCome) {
  EXPECT_TRUE(parser_.consume("*2147483647\r\n:1\r\n:2\r\n"));
  EXPECT_TRUE(parser_.consume("$536870912\r\nabc"));
  EXPECT_TRUE(seen_.replies.empty());
}

TEST_F(ReplyParserTest, OddMessagesDoNoHarm) {
  parser_.expect_messages();
  const std::string odd = "*3\r\n" + bulk("message") + ":1\r\n*1\r\n:2\r\n" +  // wrong types
                          "*2\r\n" + bulk("message") + bulk("c") +             // too short
                          "*4\r\n" + bulk("pmessage") + bulk("p*") + bulk("c") + bulk("t") +
                          "*3\r\n" + bulk("message") + "$-1\r\n$-1\r\n" + message("c", "good");
  EXPECT_TRUE(parser_.consume(odd));
  EXPECT_EQ(seen_.messages.back(), std::make_pair(std::string("c"), std::string("good")));
}

}  // namespace
}  // namespace notifications::redis
