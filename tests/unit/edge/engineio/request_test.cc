#include "edge/engineio/request.h"

#include <gtest/gtest.h>

#include <string>

namespace notifications::engineio {
namespace {

constexpr std::string_view kGood = "/socket.io/?EIO=4&transport=websocket";

struct OneSession final : SessionLookup {
  bool is_live(std::string_view sid) const override { return sid == "live"; }
} const kSessions;

Request upgrade(std::string_view target) {
  return {"GET", parse_query(target), true, std::nullopt};
}

// The code of the refusal; -1 if the request may go on.
int code(const Request& request, const OriginPolicy& origins = {}) {
  const auto refusal = check_request(request, origins, &kSessions);
  return refusal ? static_cast<int>(*refusal) : -1;
}

TEST(EngineIoRequest, PassesTheUpgradeOfAStockClient) {
  EXPECT_EQ(code(upgrade(kGood)), -1);
  EXPECT_EQ(code(upgrade(std::string(kGood) + "&sid=")), -1);
}

TEST(EngineIoRequest, ChecksTransportThenSidThenMethodThenUpgrade) {
  Request request{"POST", parse_query("/socket.io/?transport=polling&sid=x"), false, std::nullopt};
  EXPECT_EQ(code(request), 0);
  request.query.transport = "websocket";
  EXPECT_EQ(code(request), 1);
  request.query.sid = "";
  EXPECT_EQ(code(request), 2);
  request.method = "GET";
  EXPECT_EQ(code(request), 3);
  request.upgrade = true;
  EXPECT_EQ(code(request), -1);
}

TEST(EngineIoRequest, KnowsOneTransport) {
  for (const auto query : {"", "?transport=polling", "?transport=WEBSOCKET", "?transport=",
                           "?transport=webtransport", "?transport=websocket&transport=polling"}) {
    EXPECT_EQ(code(upgrade("/socket.io/" + std::string(query))), 0) << query;
  }
}

TEST(EngineIoRequest, RefusesOtherMethodsOfAHandshake) {
  for (const auto method : {"POST", "HEAD", "PUT", "DELETE", "get"}) {
    Request request = upgrade(kGood);
    request.method = method;
    EXPECT_EQ(code(request), 2) << method;
  }
}

TEST(EngineIoRequest, RefusesSessionIdsDeadOrAlive) {
  EXPECT_EQ(code(upgrade(std::string(kGood) + "&sid=__proto__")), 1);
  EXPECT_EQ(code(upgrade(std::string(kGood) + "&sid=live")), 3);
  EXPECT_EQ(check_request(upgrade(std::string(kGood) + "&sid=live"), {}), Refusal::kUnknownSid);
}

TEST(EngineIoRequest, RefusesControlCharactersInTheOrigin) {
  Request request = upgrade(kGood);
  request.origin = "http://a\x01";
  EXPECT_EQ(code(request), 3);
  request.origin = "http://a\x7F";
  EXPECT_EQ(code(request), 3);
  request.origin = "http://a\t\xE9";
  EXPECT_EQ(code(request), -1);
}

TEST(EngineIoRequest, ForbidsOriginsThatAreNotListed) {
  const OriginPolicy origins{{"https://app.example", "http://localhost:3000"}};
  Request request = upgrade(kGood);
  EXPECT_EQ(code(request, origins), -1);
  request.origin = "https://app.example";
  EXPECT_EQ(code(request, origins), -1);
  for (const auto origin : {"https://app.example.evil", "http://app.example", "null", "",
                            "https://APP.example", "https://app.example/"}) {
    request.origin = origin;
    EXPECT_EQ(code(request, origins), 4) << origin;
  }
}

TEST(EngineIoRequest, SpeaksRevisionFourOnly) {
  const auto refused = [](std::string_view query) {
    return check_protocol(parse_query("/?" + std::string(query))) == Refusal::kUnsupportedProtocol;
  };
  EXPECT_FALSE(refused("EIO=4"));
  for (const auto query : {"", "EIO=3", "EIO=5", "EIO=", "EIO=4x", "EIO=%204", "EIO=4&EIO=3"}) {
    EXPECT_TRUE(refused(query)) << query;
  }
}

TEST(EngineIoAnswer, RefusesPlainRequestsInJson) {
  const auto answer = [](Refusal refusal) {
    return answer_refusal(refusal, {}, "http://a").to_bytes();
  };
  const std::string head =
      "HTTP/1.1 400 Bad Request\r\n"
      "Access-Control-Allow-Origin: *\r\n"
      "Content-Type: application/json\r\n"
      "\r\n";
  EXPECT_EQ(answer(Refusal::kUnknownTransport),
            head + R"({"code":0,"message":"Transport unknown"})");
  EXPECT_EQ(answer(Refusal::kUnknownSid), head + R"({"code":1,"message":"Session ID unknown"})");
  EXPECT_EQ(answer(Refusal::kBadHandshakeMethod),
            head + R"({"code":2,"message":"Bad handshake method"})");
  EXPECT_EQ(answer(Refusal::kBadRequest), head + R"({"code":3,"message":"Bad request"})");
  EXPECT_EQ(answer(Refusal::kUnsupportedProtocol),
            head + R"({"code":5,"message":"Unsupported protocol version"})");
}

TEST(EngineIoAnswer, RefusesUpgradesInText) {
  EXPECT_EQ(answer_refused_upgrade(Refusal::kUnknownTransport, {}, std::nullopt).to_bytes(),
            "HTTP/1.1 400 Bad Request\r\n"
            "Connection: close\r\n"
            "Content-type: text/html\r\n"
            "Content-Length: 17\r\n"
            "\r\n"
            "Transport unknown");
}

TEST(EngineIoAnswer, ForbidsInJsonWithAndWithoutUpgrade) {
  const OriginPolicy origins{{"https://app.example"}};
  EXPECT_EQ(answer_refusal(Refusal::kForbidden, origins, "http://evil").to_bytes(),
            "HTTP/1.1 403 Forbidden\r\n"
            "Vary: Origin\r\n"
            "Content-Type: application/json\r\n"
            "\r\n"
            R"({"code":4,"message":"Forbidden"})");
  EXPECT_EQ(answer_refused_upgrade(Refusal::kForbidden, origins, "http://evil").to_bytes(),
            "HTTP/1.1 403 Forbidden\r\n"
            "Vary: Origin\r\n"
            "Content-Type: application/json\r\n"
            "Connection: close\r\n"
            "Content-Length: 32\r\n"
            "\r\n"
            R"({"code":4,"message":"Forbidden"})");
}

TEST(EngineIoAnswer, PreflightsAsTheCorsPackageDoes) {
  EXPECT_EQ(answer_preflight({}, "http://a", "x-a, y").to_bytes(),
            "HTTP/1.1 204 No Content\r\n"
            "Access-Control-Allow-Origin: *\r\n"
            "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n"
            "Vary: Access-Control-Request-Headers\r\n"
            "Access-Control-Allow-Headers: x-a, y\r\n"
            "Content-Length: 0\r\n"
            "\r\n");
  EXPECT_EQ(answer_preflight({}, std::nullopt, std::nullopt).to_bytes(),
            "HTTP/1.1 204 No Content\r\n"
            "Access-Control-Allow-Origin: *\r\n"
            "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n"
            "Vary: Access-Control-Request-Headers\r\n"
            "Content-Length: 0\r\n"
            "\r\n");
}

TEST(EngineIoAnswer, ReflectsAListedOriginAndVariesByIt) {
  const OriginPolicy origins{{"https://app.example"}};
  EXPECT_EQ(answer_preflight(origins, "https://app.example", std::nullopt).to_bytes(),
            "HTTP/1.1 204 No Content\r\n"
            "Access-Control-Allow-Origin: https://app.example\r\n"
            "Vary: Origin, Access-Control-Request-Headers\r\n"
            "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n"
            "Content-Length: 0\r\n"
            "\r\n");
  EXPECT_EQ(answer_preflight(origins, "http://evil", std::nullopt).to_bytes(),
            "HTTP/1.1 204 No Content\r\n"
            "Vary: Origin, Access-Control-Request-Headers\r\n"
            "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n"
            "Content-Length: 0\r\n"
            "\r\n");
}

TEST(EngineIoRefusal, HasANameForItsCounter) {
  EXPECT_EQ(name(Refusal::kUnknownTransport), "unknown_transport");
  EXPECT_EQ(name(Refusal::kUnsupportedProtocol), "unsupported_protocol");
}

}  // namespace
}  // namespace notifications::engineio
