#include "edge/recovery.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace notifications::edge {
namespace {

Position at(const std::string& text) { return *parse_position(text); }

// A session in these rooms, each live from its position.
SessionRecord session(const std::vector<std::pair<std::string, std::string>>& rooms) {
  SessionRecord record;
  for (const auto& [name, since] : rooms) record.rooms.push_back({name, at(since)});
  return record;
}

Envelope to(std::vector<std::string> rooms) {
  Envelope envelope;
  envelope.rooms = std::move(rooms);
  return envelope;
}

std::string start(const SessionRecord& record, const std::optional<Position>& offset) {
  const auto from = replay_start(record, offset);
  return from ? from->text() : "nothing";
}

TEST(ReplayStart, IsNowhereWithoutRooms) {
  EXPECT_EQ(start(SessionRecord{}, std::nullopt), "nothing");
  EXPECT_EQ(start(SessionRecord{}, at("e.5-0")), "nothing");
}

TEST(ReplayStart, IsWhereTheFirstRoomBecameLiveIfNothingWasSeen) {
  EXPECT_EQ(start(session({{"graph", "e.20-0"}, {"threads", "e.10-0"}}), std::nullopt), "e.10-0");
}

TEST(ReplayStart, IsTheOffset) {
  EXPECT_EQ(start(session({{"graph", "e.10-0"}}), at("e.15-0")), "e.15-0");
}

// Stock clients never reset their offset, not even for a fresh session.
TEST(ReplayStart, IgnoresAnOffsetOfAnEarlierSession) {
  EXPECT_EQ(start(session({{"graph", "e.10-0"}}), at("e.9-0")), "e.10-0");
  EXPECT_EQ(start(session({{"graph", "e.10-0"}}), at("d.99-0")), "e.10-0");
}

// What was looked at since the last event need not be there any more.
TEST(ReplayStart, IsWhatWasCheckedIfAllThatWasSentArrived) {
  SessionRecord record = session({{"graph", "e.10-0"}});
  record.checked = at("e.90-0");
  EXPECT_EQ(start(record, std::nullopt), "e.90-0");
  EXPECT_EQ(start(record, at("e.5-0")), "e.90-0");  // of an earlier session
  record.sent = at("e.15-0");
  EXPECT_EQ(start(record, at("e.15-0")), "e.90-0");
}

TEST(ReplayStart, GoesBackToWhatDidNotArrive) {
  SessionRecord record = session({{"graph", "e.10-0"}});
  record.sent = at("e.15-0");
  record.checked = at("e.90-0");
  EXPECT_EQ(start(record, at("e.12-0")), "e.12-0");
  EXPECT_EQ(start(record, std::nullopt), "e.10-0");
  EXPECT_EQ(start(record, at("e.9-0")), "e.10-0");
}

// The record is written now and then; the client knows better.
TEST(ReplayStart, IsTheOffsetIfMoreWasSentThanTheRecordKnows) {
  SessionRecord record = session({{"graph", "e.10-0"}});
  record.sent = at("e.15-0");
  record.checked = at("e.20-0");
  EXPECT_EQ(start(record, at("e.30-0")), "e.30-0");
}

// What was checked when nothing had been sent yet may be gone from the journal since.
TEST(ReplayStart, IsTheOffsetIfTheRecordKnowsOfNothingThatWasSent) {
  SessionRecord record = session({{"graph", "e.10-0"}});
  record.checked = at("e.20-0");
  EXPECT_EQ(start(record, at("e.30-0")), "e.30-0");
  EXPECT_EQ(start(record, at("e.15-0")), "e.20-0");
}

TEST(ReplayStart, IsNotBeforeWhatTheClientSawOfAllItsRooms) {
  const SessionRecord record = session({{"graph", "e.10-0"}, {"threads", "e.50-0"}});
  EXPECT_EQ(start(record, at("e.30-0")), "e.30-0");
}

TEST(Concerns, TakesEventsOfItsRoomsBehindTheOffset) {
  const SessionRecord record = session({{"graph", "e.10-0"}});
  EXPECT_TRUE(concerns(record, at("e.12-0"), at("e.13-0"), to({"graph"})));
  EXPECT_FALSE(concerns(record, at("e.12-0"), at("e.12-0"), to({"graph"})));
  EXPECT_FALSE(concerns(record, at("e.12-0"), at("e.11-0"), to({"graph"})));
  EXPECT_FALSE(concerns(record, at("e.12-0"), at("e.13-0"), to({"threads"})));
  EXPECT_TRUE(concerns(record, at("e.12-0"), at("e.13-0"), to({"threads", "graph"})));
}

TEST(Concerns, TakesEventsBehindTheirRoomsPositionOnly) {
  const SessionRecord record = session({{"graph", "e.10-0"}, {"threads", "e.50-0"}});
  EXPECT_FALSE(concerns(record, std::nullopt, at("e.10-0"), to({"graph"})));
  EXPECT_TRUE(concerns(record, std::nullopt, at("e.11-0"), to({"graph"})));
  EXPECT_FALSE(concerns(record, std::nullopt, at("e.40-0"), to({"threads"})));
  EXPECT_TRUE(concerns(record, std::nullopt, at("e.40-0"), to({"threads", "graph"})));
  EXPECT_FALSE(concerns(record, at("e.20-0"), at("e.40-0"), to({"threads"})));
  EXPECT_TRUE(concerns(record, at("e.20-0"), at("e.51-0"), to({"threads"})));
}

TEST(Concerns, MatchesRoomsAsWritten) {
  const SessionRecord record = session({{"thread:a", "e.10-0"}});
  EXPECT_FALSE(concerns(record, std::nullopt, at("e.11-0"), to({"thread:A"})));
  EXPECT_FALSE(concerns(record, std::nullopt, at("e.11-0"), to({"Thread:a"})));
}

// Epochs cannot be compared: what stands in a new one was not seen in an old one.
TEST(Concerns, TakesEventsOfANewEpoch) {
  const SessionRecord record = session({{"graph", "e.10-0"}});
  EXPECT_TRUE(concerns(record, at("e.12-0"), at("f.1-0"), to({"graph"})));
  EXPECT_TRUE(concerns(record, std::nullopt, at("f.1-0"), to({"graph"})));
}

}  // namespace
}  // namespace notifications::edge
