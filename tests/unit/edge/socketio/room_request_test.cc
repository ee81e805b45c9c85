#include "edge/socketio/room_request.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace notifications::socketio {
namespace {

// The argument of the ack.
std::string ack(std::string_view payload) {
  const auto request = parse_room_request(payload);
  return request ? rooms_ack(request->rooms) : issues_ack(request.error());
}

// The ack of a request with these issues.
std::string refused(std::string_view issues) {
  return R"({"ok":false,"error":"invalid_payload","issues":[)" + std::string(issues) + "]}";
}

TEST(RoomRequest, TakesRoomsThenRoomThenNothing) {
  EXPECT_EQ(ack("{}"), R"({"ok":true,"rooms":[]})");
  EXPECT_EQ(ack(R"({"rooms":[]})"), R"({"ok":true,"rooms":[]})");
  EXPECT_EQ(ack(R"({"room":"graph"})"), R"({"ok":true,"rooms":["graph"]})");
  EXPECT_EQ(ack(R"({"rooms":["threads"],"room":"graph"})"), R"({"ok":true,"rooms":["threads"]})");
  EXPECT_EQ(ack(R"({"room":"graph","rooms":[]})"), R"({"ok":true,"rooms":["graph"]})");
}

TEST(RoomRequest, KeepsOrderAndRepetitions) {
  EXPECT_EQ(ack(R"({"rooms":["thread:b","graph","thread:a","graph","Thread:A"]})"),
            R"({"ok":true,"rooms":["thread:b","graph","thread:a","graph","Thread:A"]})");
}

TEST(RoomRequest, DecodesEscapesInKeysAndRooms) {
  EXPECT_EQ(ack(R"({"r\u006foms":["gr\u0061ph"]})"), R"({"ok":true,"rooms":["graph"]})");
}

TEST(RoomRequest, LetsTheLastOfARepeatedKeyCount) {
  EXPECT_EQ(ack(R"({"rooms":["x"],"rooms":["graph"]})"), R"({"ok":true,"rooms":["graph"]})");
  EXPECT_EQ(ack(R"({"rooms":["graph"],"rooms":["x"]})"),
            refused(R"({"path":["rooms",0],"message":"Invalid","code":"invalid_string"})"));
}

TEST(RoomRequest, NamesTheTypeOfAPayloadThatIsNoObject) {
  const auto wrong = [](std::string_view received) {
    return refused(R"({"path":[],"message":"Expected object, received )" + std::string(received) +
                   R"(","code":"invalid_type"})");
  };
  EXPECT_EQ(ack("null"), wrong("null"));
  EXPECT_EQ(ack("[]"), wrong("array"));
  EXPECT_EQ(ack(R"([{"room":"graph"}])"), wrong("array"));
  EXPECT_EQ(ack(R"("graph")"), wrong("string"));
  EXPECT_EQ(ack("1e999"), wrong("number"));
  EXPECT_EQ(ack("true"), wrong("boolean"));
}

TEST(RoomRequest, NamesTheTypeOfRoomsThatAreNoArray) {
  const auto wrong = [](std::string_view received) {
    return refused(R"({"path":["rooms"],"message":"Expected array, received )" +
                   std::string(received) + R"(","code":"invalid_type"})");
  };
  EXPECT_EQ(ack(R"({"rooms":null})"), wrong("null"));
  EXPECT_EQ(ack(R"({"rooms":"graph"})"), wrong("string"));
  EXPECT_EQ(ack(R"({"rooms":{"0":"graph"}})"), wrong("object"));
  EXPECT_EQ(ack(R"({"rooms":0})"), wrong("number"));
}

TEST(RoomRequest, ReportsEveryIssueInTheOrderOfTheSchema) {
  EXPECT_EQ(ack(R"({"z":1,"room":"y","rooms":["graph","Graph",1,null,[],{},true,"thread:1"]})"),
            refused(R"({"path":["rooms",1],"message":"Invalid","code":"invalid_string"},)"
                    R"({"path":["rooms",2],"message":"Invalid input","code":"invalid_union"},)"
                    R"({"path":["rooms",3],"message":"Invalid input","code":"invalid_union"},)"
                    R"({"path":["rooms",4],"message":"Invalid input","code":"invalid_union"},)"
                    R"({"path":["rooms",5],"message":"Invalid input","code":"invalid_union"},)"
                    R"({"path":["rooms",6],"message":"Invalid input","code":"invalid_union"},)"
                    R"({"path":["room"],"message":"Invalid","code":"invalid_string"},)"
                    R"({"path":[],"message":"Unrecognized key(s) in object: 'z'",)"
                    R"("code":"unrecognized_keys"})"));
}

TEST(RoomRequest, RefusesAWrongRoomBesideGoodRooms) {
  EXPECT_EQ(ack(R"({"rooms":["graph"],"room":null})"),
            refused(R"({"path":["room"],"message":"Invalid input","code":"invalid_union"})"));
  EXPECT_EQ(ack(R"({"room":["graph"]})"),
            refused(R"({"path":["room"],"message":"Invalid input","code":"invalid_union"})"));
}

TEST(RoomRequest, RefusesWhatOnlyLooksLikeARoom) {
  for (const auto room :
       {"", "Graph", "GRAPH", "thread:", "thread", "thread:1\\n", "thread:a b", " graph", "graph ",
        "thread:\\u0000", "run:\\u017f", "node:\\u212a", "\\u017fthreads", "node:*", "thread:a:b",
        "\\ud800", "thread:12345678901234567890123456789012345678901234567890123456789012345"}) {
    EXPECT_EQ(ack(R"({"room":")" + std::string(room) + "\"}"),
              refused(R"({"path":["room"],"message":"Invalid","code":"invalid_string"})"))
        << room;
  }
}

TEST(RoomRequest, ListsUnknownKeysInTheOrderOfProperties) {
  const auto unknown = [](std::string_view keys) {
    return refused(R"({"path":[],"message":"Unrecognized key(s) in object: )" + std::string(keys) +
                   R"(","code":"unrecognized_keys"})");
  };
  EXPECT_EQ(ack(R"({"b":1,"a":2,"2":0,"10":1,"1":2,"b":4})"), unknown("'1', '2', '10', 'b', 'a'"));
  EXPECT_EQ(ack(R"({"a":0,"4294967295":1,"4294967294":2,"01":3,"-1":4,"0":5})"),
            unknown("'0', '4294967294', 'a', '4294967295', '01', '-1'"));
  EXPECT_EQ(ack(R"({"__proto__":{"room":"graph"},"constructor":1,"toString":2})"),
            unknown("'__proto__', 'constructor', 'toString'"));
  EXPECT_EQ(ack(R"({"it's":1,"\"":2,"\ud800":3,"":4,"\n":5,"Rooms":6})"),
            unknown(R"('it's', '\"', '\ud800', '', '\n', 'Rooms')"));
}

TEST(RoomRequest, ReportsABoundedNumberOfIssuesInLinearTime) {
  std::string payload = R"({"rooms":[1)";
  for (int i = 1; i < 400'000; ++i) payload += ",1";
  payload += "]}";
  const std::string answer = ack(payload);
  const auto issues = static_cast<std::size_t>(std::count(answer.begin(), answer.end(), '{') - 1);
  EXPECT_EQ(issues, kMaxReportedIssues);
  EXPECT_LT(answer.size(), 1'000'000u);
}

TEST(RoomRequest, TakesAHundredThousandKeys) {
  std::string payload = "{";
  for (int i = 100'000; i > 0; --i) payload += "\"" + std::to_string(i) + "\":0,";
  payload += R"("room":"graph"})";
  EXPECT_NE(ack(payload).find("Unrecognized key(s) in object: '1', '2', '3', '4', '5',"),
            std::string::npos);
}

TEST(RoomRequest, HasShortAcksForOtherErrors) {
  EXPECT_EQ(error_ack("too_many_rooms"), R"({"ok":false,"error":"too_many_rooms"})");
}

}  // namespace
}  // namespace notifications::socketio
