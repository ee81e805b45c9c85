#include "edge/socketio/session.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace notifications::socketio {
namespace {

using std::chrono_literals::operator""s;
using Actions = std::vector<std::string>;

// A transport that writes down what it is asked for, and lets everybody in at once unless told to
// wait.
class SessionTest : public testing::Test, protected SessionPort {
 protected:
  SessionTest() { open(); }

  void open() {
    session_.open("eio", start_);
    take();
  }
  // What the session asks for on a client's message.
  Actions receive(std::string_view message) {
    session_.on_text(message, now_);
    return take();
  }
  Actions receive_binary() {
    session_.on_binary();
    return take();
  }
  Actions tick(std::chrono::seconds second) {
    now_ = start_ + second;
    const auto expired = session_.on_tick(now_);
    if (expired == Session::Expired::kPing) actions_.push_back("expired ping");
    if (expired == Session::Expired::kConnect) actions_.push_back("expired connect");
    return take();
  }
  void connect() { ASSERT_EQ(receive("40"), (Actions{"connect ", R"(send 40{"sid":"s1"})"})); }

  Actions take() { return std::exchange(actions_, {}); }

  bool lets_in_ = true;
  int sids_ = 0;
  const Session::Clock::time_point start_{1000s};
  Session::Clock::time_point now_ = start_;
  const Session::Options options_;
  Session session_{*this, options_};

 private:
  void send(std::string packet) override { actions_.push_back("send " + packet); }
  void connect(std::string_view auth) override {
    actions_.push_back("connect " + std::string(auth));
    if (lets_in_) session_.accept("s" + std::to_string(++sids_));
  }
  void disconnect() override { actions_.push_back("disconnect"); }
  void join(RoomsCommand command) override { note("join", command); }
  void leave(RoomsCommand command) override { note("leave", command); }
  void close(Violation violation) override {
    actions_.push_back("close " + std::string(name(violation)));
  }

  void note(std::string text, const RoomsCommand& command) {
    for (const auto& room : command.rooms) text += " " + room;
    if (command.ack_id) text += " ack=" + *command.ack_id;
    actions_.push_back(text);
  }

  Actions actions_;
};

TEST_F(SessionTest, IsSmall) { EXPECT_LE(sizeof(Session), 64u); }

TEST_F(SessionTest, OpensWithTheOpenPacket) {
  session_.open("abc", start_);
  EXPECT_EQ(take(), Actions{R"(send 0{"sid":"abc","upgrades":[],"pingInterval":25000,)"
                            R"("pingTimeout":20000,"maxPayload":1000000})"});
}

TEST_F(SessionTest, ConnectsWithAndWithoutAuth) {
  EXPECT_EQ(receive(R"(40{"token":"x"})"),
            (Actions{R"(connect {"token":"x"})", R"(send 40{"sid":"s1"})"}));
  EXPECT_TRUE(session_.connected());
}

TEST_F(SessionTest, NamesThePidThatLetsASessionBeRecovered) {
  lets_in_ = false;
  EXPECT_EQ(receive(R"(40{"pid":"p","offset":"o"})"),
            Actions{R"(connect {"pid":"p","offset":"o"})"});
  EXPECT_FALSE(session_.connected());
  session_.accept("sid", "pid");
  EXPECT_EQ(take(), Actions{R"(send 40{"sid":"sid","pid":"pid"})"});
  EXPECT_TRUE(session_.connected());
}

TEST_F(SessionTest, RefusesPacketsUntilTheConnectIsAnswered) {
  lets_in_ = false;
  receive("40");
  EXPECT_EQ(receive(R"(42["subscribe",{}])"), Actions{"close not_connected"});
  session_.accept("late");
  EXPECT_EQ(take(), Actions{});
}

TEST_F(SessionTest, LivesOnAfterAnUnknownNamespace) {
  EXPECT_EQ(receive("40/ns,"), Actions{R"(send 44/ns,{"message":"Invalid namespace"})"});
  EXPECT_EQ(receive(R"(40/ns?a=1,{"token":1})"),
            Actions{R"(send 44/ns?a=1,{"message":"Invalid namespace"})"});
  connect();
  EXPECT_EQ(receive("40/ns,"), Actions{R"(send 44/ns,{"message":"Invalid namespace"})"});
  EXPECT_TRUE(session_.connected());
}

TEST_F(SessionTest, ClosesOnAnythingButConnectFirst) {
  for (const auto packet : {R"(42["subscribe",{}])", "41", "43[]", "431[1]", R"(42/,["x"])"}) {
    Session fresh(*this, options_);
    fresh.open("eio", now_);
    take();
    fresh.on_text(packet, now_);
    EXPECT_EQ(take(), Actions{"close not_connected"}) << packet;
    EXPECT_TRUE(fresh.closed());
  }
}

TEST_F(SessionTest, ClosesOnASecondConnect) {
  connect();
  EXPECT_EQ(receive("40"), Actions{"close already_connected"});
}

TEST_F(SessionTest, ClosesOnAPacketForANamespaceNotJoined) {
  connect();
  EXPECT_EQ(receive(R"(42/ns,["x"])"), Actions{"close not_connected"});
}

TEST_F(SessionTest, ClosesOnAClientsConnectError) {
  connect();
  EXPECT_EQ(receive(R"(44{"message":"x"})"), Actions{"close client_connect_error"});
}

TEST_F(SessionTest, ClosesOnWhatDoesNotDecode) {
  const struct {
    std::string_view message;
    std::string_view violation;
  } kRows[] = {
      {"", "invalid_packet_type"},
      {"7", "invalid_packet_type"},
      {"x", "invalid_packet_type"},
      {"2", "client_ping"},
      {"2probe", "client_ping"},
      {"4", "empty_message"},
      {"47", "unknown_packet_type"},
      {"4x", "unknown_packet_type"},
      {"bAAAA", "unexpected_binary"},
      {"42[]", "invalid_payload"},
      {"42{}", "invalid_payload"},
      {"42[null]", "invalid_payload"},
      {R"(42["connect"])", "invalid_payload"},
      {R"(42["subscribe",{])", "invalid_payload"},
      {"41{}", "invalid_payload"},
      {R"(450-["x"])", "illegal_attachments"},
      {R"(4511-["x"])", "too_many_attachments"},
  };
  lets_in_ = false;  // the fixture's own session
  for (const auto& row : kRows) {
    Session session(*this, options_);
    session.open("eio", now_);
    session.on_text("40", now_);
    session.accept("sid");
    take();
    session.on_text(row.message, now_);
    EXPECT_EQ(take(), Actions{"close " + std::string(row.violation)}) << row.message;
  }
}

TEST_F(SessionTest, TakesNothingAfterAViolation) {
  connect();
  receive("2");
  EXPECT_EQ(receive(R"(421["subscribe",{}])"), Actions{});
  EXPECT_EQ(receive("7"), Actions{});
  EXPECT_EQ(receive_binary(), Actions{});
  EXPECT_EQ(tick(100s), Actions{});
}

TEST_F(SessionTest, IgnoresEngineIoPacketsWithoutMeaning) {
  for (const auto packet : {"0", "0{}", "1", "5", "6", "6x", "3", "3probe"}) {
    EXPECT_EQ(receive(packet), Actions{}) << packet;
  }
  connect();
}

TEST_F(SessionTest, IgnoresEventsAndAcksThatNobodyKnows) {
  connect();
  for (const auto packet : {R"(42["x"])", R"(421["x",{}])", "42[1,2]", "42", "421", "43", "431[1]",
                            "43[]", R"(42["error"])", R"(42["Subscribe",{}])"}) {
    EXPECT_EQ(receive(packet), Actions{}) << packet;
  }
}

TEST_F(SessionTest, JoinsAndLeavesRooms) {
  connect();
  EXPECT_EQ(receive(R"(421["subscribe",{"rooms":["graph","threads","graph"]}])"),
            Actions{"join graph threads graph ack=1"});
  EXPECT_EQ(receive(R"(422["unsubscribe",{"room":"graph"}])"), Actions{"leave graph ack=2"});
  EXPECT_EQ(receive(R"(42["subscribe",{"room":"graph"}])"), Actions{"join graph"});
  EXPECT_EQ(receive(R"(423["subscribe",{}])"), Actions{"join ack=3"});
  EXPECT_EQ(receive(R"(424["sub\u0073cribe",{}])"), Actions{"join ack=4"});
}

TEST_F(SessionTest, AnswersAnInvalidRequestAndJoinsNothing) {
  connect();
  EXPECT_EQ(receive(R"(427["subscribe",{"rooms":["graph","Graph"]}])"),
            Actions{R"(send 437[{"ok":false,"error":"invalid_payload","issues":[{"path":)"
                    R"(["rooms",1],"message":"Invalid","code":"invalid_string"}]}])"});
  EXPECT_EQ(receive(R"(428["unsubscribe",null])"),
            Actions{R"(send 438[{"ok":false,"error":"invalid_payload","issues":[{"path":[],)"
                    R"("message":"Expected object, received null","code":"invalid_type"}]}])"});
  EXPECT_EQ(receive(R"(42["subscribe",{"room":1}])"), Actions{});
}

TEST_F(SessionTest, SaysNothingToARequestWithoutPayload) {
  connect();
  EXPECT_EQ(receive(R"(421["subscribe"])"), Actions{});
  EXPECT_EQ(receive(R"(42["subscribe"])"), Actions{});
  EXPECT_EQ(receive(R"(421["unsubscribe"])"), Actions{});
}

TEST_F(SessionTest, FindsNoAckBehindASecondArgument) {
  connect();
  EXPECT_EQ(receive(R"(421["subscribe",{"room":"graph"},1])"), Actions{"join graph"});
  EXPECT_EQ(receive(R"(421["subscribe",{"room":"x"},1])"), Actions{});
}

TEST_F(SessionTest, WritesAckIdsBackAsJavaScriptDoes) {
  connect();
  EXPECT_EQ(receive(R"(42007["subscribe",{}])"), Actions{"join ack=7"});
  EXPECT_EQ(receive(R"(42 ["subscribe",{}])"), Actions{"join ack=0"});
  EXPECT_EQ(receive(R"(421 2["subscribe",{}])"), Actions{"join ack=NaN"});
  EXPECT_EQ(receive(R"(429999999999999999999999["subscribe",{}])"), Actions{"join ack=1e+22"});
}

TEST_F(SessionTest, ConnectsAnewAfterDisconnect) {
  connect();
  EXPECT_EQ(receive("41"), Actions{"disconnect"});
  EXPECT_FALSE(session_.connected());
  EXPECT_EQ(receive("40"), (Actions{"connect ", R"(send 40{"sid":"s2"})"}));
}

TEST_F(SessionTest, ClosesOnEventsAfterDisconnect) {
  connect();
  receive("41");
  EXPECT_EQ(receive(R"(42["x"])"), Actions{"close not_connected"});
}

TEST_F(SessionTest, TakesTheAttachmentsOfABinaryEventAndIgnoresIt) {
  connect();
  EXPECT_EQ(receive(R"(452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}])"),
            Actions{});
  EXPECT_EQ(receive_binary(), Actions{});
  EXPECT_EQ(receive("3"), Actions{});
  EXPECT_EQ(receive("bAAAA"), Actions{});
  EXPECT_EQ(receive(R"(421["subscribe",{}])"), Actions{"join ack=1"});
}

TEST_F(SessionTest, ClosesOnStrayBinary) {
  connect();
  EXPECT_EQ(receive_binary(), Actions{"close unexpected_binary"});
}

TEST_F(SessionTest, ClosesOnTextWhereAnAttachmentIsDue) {
  connect();
  receive(R"(451-["x",{"_placeholder":true,"num":0}])");
  EXPECT_EQ(receive(R"(42["x"])"), Actions{"close missing_binary"});
}

TEST_F(SessionTest, ChecksPlaceholdersWhenTheLastAttachmentHasCome) {
  connect();
  EXPECT_EQ(receive(R"(451-["x",{"_placeholder":true,"num":1}])"), Actions{});
  EXPECT_EQ(receive_binary(), Actions{"close illegal_placeholder"});
}

TEST_F(SessionTest, ChecksTheNamespaceWhenTheLastAttachmentHasCome) {
  connect();
  EXPECT_EQ(receive(R"(461-/ns,1[{"_placeholder":true,"num":0}])"), Actions{});
  EXPECT_EQ(receive_binary(), Actions{"close not_connected"});
}

TEST_F(SessionTest, IgnoresBinaryAcks) {
  connect();
  EXPECT_EQ(receive(R"(461-1[{"_placeholder":true,"num":0}])"), Actions{});
  EXPECT_EQ(receive_binary(), Actions{});
  EXPECT_EQ(receive(R"(42["x"])"), Actions{});
}

TEST_F(SessionTest, PingsAndGivesUpWithoutPong) {
  connect();
  EXPECT_EQ(session_.next_deadline(), start_ + 25s);
  EXPECT_EQ(tick(24s), Actions{});
  EXPECT_EQ(tick(25s), Actions{"send 2"});
  receive(R"(42["alive"])");
  EXPECT_EQ(tick(44s), Actions{});
  EXPECT_EQ(tick(45s), Actions{"expired ping"});
  EXPECT_TRUE(session_.closed());
}

TEST_F(SessionTest, PingsAgainAfterAPong) {
  connect();
  tick(25s);
  tick(30s);
  receive("3");
  EXPECT_EQ(session_.next_deadline(), start_ + 55s);
  EXPECT_EQ(tick(54s), Actions{});
  EXPECT_EQ(tick(55s), Actions{"send 2"});
}

TEST_F(SessionTest, ExpiresWhenNoNamespaceIsJoinedInTime) {
  receive("40/ns,");
  tick(25s);
  receive("3");
  EXPECT_EQ(tick(44s), Actions{});
  EXPECT_EQ(session_.next_deadline(), start_ + 45s);
  EXPECT_EQ(tick(45s), Actions{"expired connect"});
}

TEST_F(SessionTest, NeverExpiresForConnectingOnceANamespaceWasJoined) {
  connect();
  receive("41");
  tick(25s);
  receive("3");
  EXPECT_EQ(tick(49s), Actions{});
  EXPECT_EQ(tick(50s), Actions{"send 2"});
}

TEST(RoomsCommand, HasItsAnswers) {
  const RoomsCommand command{{"graph", "graph"}, "7"};
  EXPECT_EQ(command.confirmation(), R"(437[{"ok":true,"rooms":["graph","graph"]}])");
  EXPECT_EQ(command.refusal("too_many_rooms"), R"(437[{"ok":false,"error":"too_many_rooms"}])");
}

}  // namespace
}  // namespace notifications::socketio
