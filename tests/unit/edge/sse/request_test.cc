#include "edge/sse/request.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/scanner.h"

namespace notifications::sse {
namespace {

using Rooms = std::vector<std::string>;

auto parse(std::string_view query, std::optional<std::string_view> last_event_id = std::nullopt) {
  return parse_stream_request("/events?" + std::string(query), last_event_id, 1000);
}
Rooms rooms(std::string_view query) {
  const auto request = parse(query);
  return request ? request->rooms : Rooms{"refused: " + request.error().json};
}
std::string refusal(std::string_view query) {
  const auto request = parse(query);
  return request ? "accepted" : request.error().json;
}

TEST(StreamRequest, IsAskedForUnderItsPathOnly) {
  EXPECT_TRUE(is_events_path("/events"));
  EXPECT_TRUE(is_events_path("/events?room=graph"));
  EXPECT_TRUE(is_events_path("/events#x"));
  for (const char* target : {"/", "/event", "/events/", "/eventsx", "/Events", "events", "", "?"}) {
    EXPECT_FALSE(is_events_path(target)) << target;
  }
}

TEST(StreamRequest, TakesRoomsRepeatedOrSeparatedByCommas) {
  EXPECT_EQ(rooms("room=graph"), Rooms{"graph"});
  EXPECT_EQ(rooms("room=graph&room=thread:42"), (Rooms{"graph", "thread:42"}));
  EXPECT_EQ(rooms("rooms=graph,thread:42"), (Rooms{"graph", "thread:42"}));
  EXPECT_EQ(rooms("rooms=graph&x=y&room=threads"), (Rooms{"graph", "threads"}));
}

TEST(StreamRequest, ReadsWhatURLSearchParamsWrites) {
  EXPECT_EQ(rooms("room=thread%3A42"), Rooms{"thread:42"});
  EXPECT_EQ(rooms("rooms=graph%2Cthread%3a42"), (Rooms{"graph", "thread:42"}));
  EXPECT_EQ(rooms("%72oom=graph"), Rooms{"graph"});
}

TEST(StreamRequest, TakesEachRoomOnceAsWritten) {
  EXPECT_EQ(rooms("room=graph&rooms=graph,threads,graph"), (Rooms{"graph", "threads"}));
  EXPECT_EQ(rooms("room=Thread:1&room=thread:1"), (Rooms{"Thread:1", "thread:1"}));
}

TEST(StreamRequest, RefusesABadRoomAndNamesIt) {
  EXPECT_EQ(refusal("room=Graph"), R"({"error":"invalid_room","room":"Graph"})");
  EXPECT_EQ(refusal("room=graph&room=user:1"), R"({"error":"invalid_room","room":"user:1"})");
  EXPECT_EQ(refusal("rooms=graph,"), R"({"error":"invalid_room","room":""})");
  EXPECT_EQ(refusal("room=thread:*"), R"({"error":"invalid_room","room":"thread:*"})");
  EXPECT_EQ(refusal("room=a+b"), R"({"error":"invalid_room","room":"a b"})");
  EXPECT_EQ(refusal("room=%22%0A"), R"({"error":"invalid_room","room":"\"\n"})");
  EXPECT_EQ(refusal("room=graph%"), R"({"error":"invalid_room","room":"graph%"})");
  EXPECT_EQ(refusal("room=graph%0"), R"({"error":"invalid_room","room":"graph%0"})");
  EXPECT_EQ(refusal("room=graph%zz"), R"({"error":"invalid_room","room":"graph%zz"})");
}

TEST(StreamRequest, RefusesWithValidJsonWhateverTheBytes) {
  for (const std::string& query :
       {std::string("room=%ff%fe"), std::string("room=%00"), std::string("room=\xc3"),
        "room=" + std::string(199, 'x') + "%c3%a9%c3%a9", "room=" + std::string(100'000, 'y')}) {
    const std::string answer = refusal(query);
    EXPECT_TRUE(json::is_valid(answer)) << answer;
    EXPECT_LT(answer.size(), 1500u);
  }
}

TEST(StreamRequest, NeedsARoom) {
  for (const char* query : {"", "room", "room=", "rooms=", "format=envelope", "Room=graph"}) {
    EXPECT_EQ(refusal(query), R"({"error":"invalid_room","room":""})") << query;
  }
  EXPECT_FALSE(parse_stream_request("/events", std::nullopt, 1000));
}

TEST(StreamRequest, HasALimitOfRooms) {
  EXPECT_TRUE(parse_stream_request("/events?rooms=run:1,run:2,run:1", std::nullopt, 2));
  const auto over = parse_stream_request("/events?rooms=run:1,run:2,run:3", std::nullopt, 2);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().json, R"({"error":"too_many_rooms"})");
}

TEST(StreamRequest, GivesWholeEnvelopesOnDemand) {
  EXPECT_FALSE(parse("room=graph")->whole_envelopes);
  EXPECT_FALSE(parse("room=graph&format=event")->whole_envelopes);
  EXPECT_TRUE(parse("room=graph&format=envelope")->whole_envelopes);
}

TEST(StreamRequest, TakesTheCursorFromTheHeaderBeforeTheParameter) {
  EXPECT_EQ(parse("room=graph")->after, "");
  EXPECT_EQ(parse("room=graph&last_event_id=e.1-0")->after, "e.1-0");
  EXPECT_EQ(parse("room=graph", "e.2-0")->after, "e.2-0");
  EXPECT_EQ(parse("room=graph&last_event_id=e.1-0", "e.2-0")->after, "e.2-0");
  EXPECT_EQ(parse("room=graph&last_event_id=e.1-0", "")->after, "e.1-0");
  EXPECT_EQ(parse("room=graph&last_event_id=")->after, "");
}

// It is given back in the gap event.
TEST(StreamRequest, KeepsAnyCursorFitToBeShown) {
  EXPECT_EQ(parse("room=graph&last_event_id=%ff")->after, "?");
  EXPECT_LE(parse("room=graph", std::string(10'000, 'x'))->after.size(), 256u);
}

TEST(StreamRequest, EndsItsQueryAtTheFragment) {
  EXPECT_EQ(rooms("room=graph#&room=threads"), Rooms{"graph"});
}

}  // namespace
}  // namespace notifications::sse
