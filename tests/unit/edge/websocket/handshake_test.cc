#include "edge/websocket/handshake.h"

#include <gtest/gtest.h>

#include <string>

namespace notifications::websocket {
namespace {

HandshakeRequest good() {
  HandshakeRequest request;
  request.method = "GET";
  request.upgrade = "websocket";
  request.key = "dGhlIHNhbXBsZSBub25jZQ==";
  request.version = "13";
  return request;
}

// The refusal's bytes; "" if the handshake is accepted.
std::string refusal(const HandshakeRequest& request) {
  const HandshakeResult result = check_handshake(request);
  return result.accepted ? "" : result.answer.to_bytes();
}

TEST(Handshake, ProvesThatTheKeyWasRead) {
  // The example of RFC 6455, section 1.3.
  EXPECT_EQ(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(Handshake, IsAcceptedWithTheBytesOfAStockServer) {
  const HandshakeResult result = check_handshake(good());
  EXPECT_TRUE(result.accepted);
  EXPECT_EQ(result.answer.to_bytes(),
            "HTTP/1.1 101 Switching Protocols\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "\r\n");
}

TEST(Handshake, RefusesOtherMethods) {
  HandshakeRequest request = good();
  request.method = "POST";
  EXPECT_EQ(refusal(request),
            "HTTP/1.1 405 Method Not Allowed\r\n"
            "Connection: close\r\n"
            "Content-Type: text/html\r\n"
            "Content-Length: 19\r\n"
            "\r\n"
            "Invalid HTTP method");
}

TEST(Handshake, RefusesOtherUpgrades) {
  HandshakeRequest request = good();
  for (const auto upgrade : {"h2c", "websocket, h2c", "websockets", ""}) {
    request.upgrade = upgrade;
    EXPECT_EQ(refusal(request),
              "HTTP/1.1 400 Bad Request\r\n"
              "Connection: close\r\n"
              "Content-Type: text/html\r\n"
              "Content-Length: 22\r\n"
              "\r\n"
              "Invalid Upgrade header");
  }
  request.upgrade = "WebSocket";
  EXPECT_EQ(refusal(request), "");
}

TEST(Handshake, RefusesKeysThatAreNotSixteenBytes) {
  HandshakeRequest request = good();
  const std::string expected =
      "HTTP/1.1 400 Bad Request\r\n"
      "Connection: close\r\n"
      "Content-Type: text/html\r\n"
      "Content-Length: 43\r\n"
      "\r\n"
      "Missing or invalid Sec-WebSocket-Key header";
  for (const auto key :
       {"", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZ_==",
        "dGhlIHNhbXBsZSBub25jZQAA", "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="}) {
    request.key = key;
    EXPECT_EQ(refusal(request), expected) << key;
  }
  request.key = std::nullopt;
  EXPECT_EQ(refusal(request), expected);
}

TEST(Handshake, NamesTheVersionsItSpeaks) {
  HandshakeRequest request = good();
  const std::string expected =
      "HTTP/1.1 400 Bad Request\r\n"
      "Connection: close\r\n"
      "Content-Type: text/html\r\n"
      "Content-Length: 47\r\n"
      "Sec-WebSocket-Version: 13, 8\r\n"
      "\r\n"
      "Missing or invalid Sec-WebSocket-Version header";
  for (const auto version : {"", "7", "14", "abc", "13, 8", "-13"}) {
    request.version = version;
    EXPECT_EQ(refusal(request), expected) << version;
  }
  request.version = std::nullopt;
  EXPECT_EQ(refusal(request), expected);
  for (const auto version : {"13", "8", "13.0", "0xd", "+8"}) {
    request.version = version;
    EXPECT_EQ(refusal(request), "") << version;
  }
}

TEST(Handshake, ChoosesTheFirstSubprotocol) {
  HandshakeRequest request = good();
  const auto chosen = [&](std::string_view offered) {
    request.protocol = offered;
    const HandshakeResult result = check_handshake(request);
    return result.accepted ? result.answer.headers.back().second : "refused";
  };
  EXPECT_EQ(chosen("chat"), "chat");
  EXPECT_EQ(chosen("a, b"), "a");
  EXPECT_EQ(chosen("b\t,a"), "b");
  EXPECT_EQ(chosen("x-y.z!#$,a"), "x-y.z!#$");
  for (const auto bad :
       {"", ",", "a,", ",a", "a,,b", "a, a", "a b", "a;q=1", "\"a\"", " a", "a "}) {
    EXPECT_EQ(chosen(bad), "refused") << bad;
  }
  request.protocol = "a,,b";
  EXPECT_EQ(refusal(request),
            "HTTP/1.1 400 Bad Request\r\n"
            "Connection: close\r\n"
            "Content-Type: text/html\r\n"
            "Content-Length: 37\r\n"
            "\r\n"
            "Invalid Sec-WebSocket-Protocol header");
}

TEST(Handshake, ChecksInTheOrderOfAStockServer) {
  HandshakeRequest request;
  request.method = "GET";
  EXPECT_NE(refusal(request).find("Invalid Upgrade"), std::string::npos);
  request.upgrade = "websocket";
  request.protocol = ",";
  EXPECT_NE(refusal(request).find("Sec-WebSocket-Key"), std::string::npos);
  request.key = good().key;
  EXPECT_NE(refusal(request).find("Sec-WebSocket-Version"), std::string::npos);
  request.version = "13";
  EXPECT_NE(refusal(request).find("Sec-WebSocket-Protocol"), std::string::npos);
}

TEST(Handshake, IsAskedForByBothHeaders) {
  EXPECT_TRUE(is_upgrade("Upgrade", "websocket"));
  EXPECT_TRUE(is_upgrade("keep-alive, upgrade", "h2c"));
  EXPECT_TRUE(is_upgrade("UPGRADE ,close", "websocket"));
  EXPECT_FALSE(is_upgrade("upgrade", ""));
  EXPECT_FALSE(is_upgrade("keep-alive", "websocket"));
  EXPECT_FALSE(is_upgrade("upgraded", "websocket"));
  EXPECT_FALSE(is_upgrade("Upgrade", std::nullopt));
  EXPECT_FALSE(is_upgrade(std::nullopt, "websocket"));
}

}  // namespace
}  // namespace notifications::websocket
