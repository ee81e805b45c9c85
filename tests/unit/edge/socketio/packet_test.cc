#include "edge/socketio/packet.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>

#include "core/json/scanner.h"

namespace notifications::socketio {
namespace {

// A text and what socket.io-parser makes of it, in the words of describe().
struct Row {
  std::string_view text;
  std::string_view expected;
};

std::string_view type_name(PacketType type) {
  constexpr std::string_view kNames[] = {"connect",       "disconnect",   "event",     "ack",
                                         "connect_error", "binary_event", "binary_ack"};
  return kNames[static_cast<int>(type)];
}

// "event /ns id=7 name="x" args=1", "error invalid_payload", ...
std::string describe(std::string_view text) {
  const auto packet = decode(text);
  if (!packet) return "error " + std::string(name(packet.error()));
  std::string out(type_name(packet->type));
  if (packet->attachments > 0) out += " +" + std::to_string(packet->attachments);
  out += " ";
  out += packet->nsp;
  if (packet->id) out += " id=" + *packet->id;
  const bool event = packet->type == PacketType::kEvent || packet->type == PacketType::kBinaryEvent;
  if (event && packet->event) {
    out += " name=";
    json::append_string(out, *packet->event);
  } else if (event && !packet->data.empty()) {
    out += " number";
  }
  if (event && !packet->data.empty()) out += " args=" + std::to_string(packet->arguments);
  if (!event && !packet->data.empty()) out += " data";
  if (!packet->placeholders_valid) out += " bad_placeholder";
  return out;
}

void expect_all(std::span<const Row> rows) {
  for (const Row& row : rows) EXPECT_EQ(describe(row.text), row.expected) << row.text;
}

// Number(" ") is 0 in JavaScript, so white space of any kind is a CONNECT.
TEST(SocketIoPacket, TakesOneDigitOrWhiteSpaceAsType) {
  constexpr Row kRows[] = {
      {"0", "connect /"},
      {"1", "disconnect /"},
      {"2", "event /"},
      {"3", "ack /"},
      {"4", "connect_error /"},
      {"5", "error illegal_attachments"},
      {"6", "error illegal_attachments"},
      {"7", "error unknown_packet_type"},
      {"8", "error unknown_packet_type"},
      {"9", "error unknown_packet_type"},
      {"a", "error unknown_packet_type"},
      {"x0", "error unknown_packet_type"},
      {"-", "error unknown_packet_type"},
      {"+1", "error unknown_packet_type"},
      {".", "error unknown_packet_type"},
      {"/", "error unknown_packet_type"},
      {"[", "error unknown_packet_type"},
      {"{}", "error unknown_packet_type"},
      {R"("0")", "error unknown_packet_type"},
      {"\302\240", "connect /"},
      {"\342\200\203{}", "connect / data"},
      {" ", "connect /"},
      {"\011/a", "connect /a"},
      {"\012", "connect /"},
      {"\357\273\277{}", "connect / data"},
      {"\341\240\216", "error unknown_packet_type"},
      {"\331\240", "error unknown_packet_type"},
      {"\360\237\230\200", "error unknown_packet_type"},
      {"\303\251", "error unknown_packet_type"},
      {"\302\205", "error unknown_packet_type"},
  };
  expect_all(kRows);
}

TEST(SocketIoPacket, ReadsConnectWithNamespaceAndAuth) {
  constexpr Row kRows[] = {
      {"0{}", "connect / data"},
      {R"(0{"a":1})", "connect / data"},
      {R"(0 {"a":1})", "connect / id=0 data"},
      {"0null", "error invalid_payload"},
      {"0[]", "error invalid_payload"},
      {R"(0"x")", "error invalid_payload"},
      {"01", "connect / id=1"},
      {"01{}", "connect / id=1 data"},
      {"0{", "error invalid_payload"},
      {"0{}x", "error invalid_payload"},
      {R"(0{"a":1,})", "error invalid_payload"},
      {"0{} ", "connect / data"},
      {"0\012{}", "connect / id=0 data"},
      {"0true", "error invalid_payload"},
      {"0/,{}", "connect / data"},
      {"0/", "connect /"},
      {"0/,", "connect /"},
      {"0/a", "connect /a"},
      {"0/a,", "connect /a"},
      {R"(0/a,{"token":"x"})", "connect /a data"},
      {"0/a,null", "error invalid_payload"},
      {"0/a?x=1,", "connect /a?x=1"},
      {"0/a/b", "connect /a/b"},
      {"0/\303\251\"\\,", "connect /\303\251\"\\"},
      {"0//,", "connect //"},
      {"0/ ,{}", "connect /  data"},
      {"0/a,b,{}", "error invalid_payload"},
      {"0,{}", "error invalid_payload"},
      {"0/a,{}junk", "error invalid_payload"},
  };
  expect_all(kRows);
}

TEST(SocketIoPacket, RefusesDataInDisconnect) {
  constexpr Row kRows[] = {
      {"1/", "disconnect /"},
      {"1/a,", "disconnect /a"},
      {"1[]", "error invalid_payload"},
      {"1null", "error invalid_payload"},
      {"1{}", "error invalid_payload"},
      {"1 ", "disconnect / id=0"},
      {"1 []", "error invalid_payload"},
      {"11", "disconnect / id=1"},
      {"1/a,1", "disconnect /a id=1"},
      {"1x", "error invalid_payload"},
  };
  expect_all(kRows);
}

TEST(SocketIoPacket, TakesAStringOrAnObjectInConnectError) {
  constexpr Row kRows[] = {
      {R"(4"x")", "connect_error / data"},
      {"4{}", "connect_error / data"},
      {R"(4{"message":"x"})", "connect_error / data"},
      {"41", "connect_error / id=1"},
      {"4[]", "error invalid_payload"},
      {"4null", "error invalid_payload"},
      {R"(4/a,"x")", "connect_error /a data"},
      {R"(4"x)", "error invalid_payload"},
      {"4x", "error invalid_payload"},
  };
  expect_all(kRows);
}

TEST(SocketIoPacket, TakesAnArrayOrNothingInAck) {
  constexpr Row kRows[] = {
      {"3[]", "ack / data"},
      {"31[]", "ack / id=1 data"},
      {"3/a,1[]", "ack /a id=1 data"},
      {"3", "ack /"},
      {"31", "ack / id=1"},
      {"3{}", "error invalid_payload"},
      {"3null", "error invalid_payload"},
      {R"(3["x",1])", "ack / data"},
      {"31[1,]", "error invalid_payload"},
      {"3[]]", "error invalid_payload"},
      {R"(31"x")", "error invalid_payload"},
      {R"(300012["ok"])", "ack / id=12 data"},
  };
  expect_all(kRows);
}

// Data that is missing altogether passes; data that is there must be right.
TEST(SocketIoPacket, TakesAnArrayWithANameInEvent) {
  constexpr Row kRows[] = {
      {R"(2["x"])", R"(event / name="x" args=0)"},
      {R"(2["x",1])", R"(event / name="x" args=1)"},
      {R"(2["x",1,2])", R"(event / name="x" args=2)"},
      {R"(2["subscribe",{"room":"graph"}])", R"(event / name="subscribe" args=1)"},
      {R"(21["subscribe",{}])", R"(event / id=1 name="subscribe" args=1)"},
      {R"(2["sub\u0073cribe"])", R"(event / name="subscribe" args=0)"},
      {"2[1]", "event / number args=0"},
      {"2[1.5e3,{}]", "event / number args=1"},
      {"2[-0]", "event / number args=0"},
      {"2[1e999]", "event / number args=0"},
      {"2[]", "error invalid_payload"},
      {"2[null]", "error invalid_payload"},
      {"2[true]", "error invalid_payload"},
      {"2[{}]", "error invalid_payload"},
      {R"(2[["x"]])", "error invalid_payload"},
      {"2{}", "error invalid_payload"},
      {R"(2"x")", "error invalid_payload"},
      {"21", "event / id=1"},
      {"2null", "error invalid_payload"},
      {R"(2["x")", "error invalid_payload"},
      {R"(2["x"] )", R"(event / name="x" args=0)"},
      {R"(2 ["x"])", R"(event / id=0 name="x" args=0)"},
      {R"(2["x",])", "error invalid_payload"},
      {R"(2[,"x"])", "error invalid_payload"},
      {"2['x']", "error invalid_payload"},
      {R"(2["x"]])", "error invalid_payload"},
      {"2[\"x\012\"]", "error invalid_payload"},
      {R"(2["x\n"])", R"(event / name="x\n" args=0)"},
      {R"(2[""])", R"(event / name="" args=0)"},
      {R"(2["\ud800"])", R"(event / name="\ud800" args=0)"},
      {R"(2["\u0000"])", R"(event / name="\u0000" args=0)"},
      {"2[\"\342\200\250\"]", "event / name=\"\342\200\250\" args=0"},
      {R"(2["x",{"a":1,"a":2}])", R"(event / name="x" args=1)"},
      {"2[01]", "error invalid_payload"},
      {R"(2["x",01])", "error invalid_payload"},
      {R"(2["x",NaN])", "error invalid_payload"},
      {"2[\"x\",\302\2401]", "error invalid_payload"},
      {R"(2/a,["x"])", R"(event /a name="x" args=0)"},
      {R"(2/a["x"])", R"(event /a["x"])"},
      {R"(2/,["x"])", R"(event / name="x" args=0)"},
      {R"(2/a,7["x"])", R"(event /a id=7 name="x" args=0)"},
      {R"(2,["x"])", "error invalid_payload"},
      {"2[\011\"x\"\015\012,\0111 ]", R"(event / name="x" args=1)"},
      {"2\357\273\277[\"x\"]", R"(event / id=0 name="x" args=0)"},
      {R"(2["x",[[[[1]]]],"z"])", R"(event / name="x" args=2)"},
  };
  expect_all(kRows);
}

TEST(SocketIoPacket, RefusesReservedEventNames) {
  constexpr Row kRows[] = {
      {R"(2["connect"])", "error invalid_payload"},
      {R"(2["connect_error"])", "error invalid_payload"},
      {R"(2["disconnect"])", "error invalid_payload"},
      {R"(2["disconnecting"])", "error invalid_payload"},
      {R"(2["newListener"])", "error invalid_payload"},
      {R"(2["removeListener"])", "error invalid_payload"},
      {R"(2["disc\u006fnnect"])", "error invalid_payload"},
      {R"(2["connection"])", R"(event / name="connection" args=0)"},
      {R"(2["error"])", R"(event / name="error" args=0)"},
      {R"(2["Connect"])", R"(event / name="Connect" args=0)"},
      {R"(2["connect "])", R"(event / name="connect " args=0)"},
      {R"(2["new_namespace"])", R"(event / name="new_namespace" args=0)"},
      {R"(2["__proto__"])", R"(event / name="__proto__" args=0)"},
      {R"(2["newListener",{}])", "error invalid_payload"},
      {R"(51-["connect"])", "error invalid_payload"},
      {R"(2[1,"connect"])", "event / number args=1"},
  };
  expect_all(kRows);
}

// Digits and white space up to the data, then Number(): "1 2" is NaN, and NaN is an id.
TEST(SocketIoPacket, ReadsIdsAsJavaScriptDoes) {
  constexpr Row kRows[] = {
      {R"(20["x"])", R"(event / id=0 name="x" args=0)"},
      {R"(21["x"])", R"(event / id=1 name="x" args=0)"},
      {R"(2007["x"])", R"(event / id=7 name="x" args=0)"},
      {R"(29007199254740992["x"])", R"(event / id=9007199254740992 name="x" args=0)"},
      {R"(29007199254740993["x"])", R"(event / id=9007199254740992 name="x" args=0)"},
      {R"(29007199254740995["x"])", R"(event / id=9007199254740996 name="x" args=0)"},
      {R"(2123456789012345678901234567890["x"])",
       R"(event / id=1.2345678901234568e+29 name="x" args=0)"},
      {R"(299999999999999999999["x"])", R"(event / id=100000000000000000000 name="x" args=0)"},
      {R"(2100000000000000000000["x"])", R"(event / id=100000000000000000000 name="x" args=0)"},
      {R"(2999999999999999999999["x"])", R"(event / id=1e+21 name="x" args=0)"},
      {R"(21000000000000000000000["x"])", R"(event / id=1e+21 name="x" args=0)"},
      {R"(2  ["x"])", R"(event / id=0 name="x" args=0)"},
      {R"(2 1["x"])", R"(event / id=1 name="x" args=0)"},
      {R"(21 ["x"])", R"(event / id=1 name="x" args=0)"},
      {R"(21 2["x"])", R"(event / id=NaN name="x" args=0)"},
      {"2\302\240\342\200\203 3\357\273\277[\"x\"]", R"(event / id=3 name="x" args=0)"},
      {"2\011\012[\"x\"]", R"(event / id=0 name="x" args=0)"},
      {R"(2-1["x"])", "error invalid_payload"},
      {R"(2+1["x"])", "error invalid_payload"},
      {R"(21.5["x"])", "error invalid_payload"},
      {R"(21e5["x"])", "error invalid_payload"},
      {R"(20x10["x"])", "error invalid_payload"},
      {"2\331\241[\"x\"]", "error invalid_payload"},
      {"2\341\240\216[\"x\"]", "error invalid_payload"},
      {R"(2/a,12 ["x"])", R"(event /a id=12 name="x" args=0)"},
      {"21", "event / id=1"},
      {"2 ", "event / id=0"},
      {"21 ", "event / id=1"},
      {"2\342\200\250[\"x\"]", R"(event / id=0 name="x" args=0)"},
      {"2\342\200\257\342\201\237\343\200\200\341\232\200[\"x\"]",
       R"(event / id=0 name="x" args=0)"},
  };
  expect_all(kRows);
}

TEST(SocketIoPacket, ReadsTheCountOfAttachmentsAsJavaScriptDoes) {
  constexpr Row kRows[] = {
      {R"(51-["x"])", R"(binary_event +1 / name="x" args=0)"},
      {R"(510-["x"])", R"(binary_event +10 / name="x" args=0)"},
      {R"(511-["x"])", "error too_many_attachments"},
      {R"(50-["x"])", "error illegal_attachments"},
      {R"(5-["x"])", "error illegal_attachments"},
      {R"(5["x"])", "error illegal_attachments"},
      {R"(5-1-["x"])", "error illegal_attachments"},
      {R"(5a-["x"])", "error illegal_attachments"},
      {R"(51["x"])", "error illegal_attachments"},
      {"51", "error illegal_attachments"},
      {"51-", "binary_event +1 /"},
      {"61-", "binary_ack +1 /"},
      {"61-[]", "binary_ack +1 / data"},
      {R"(51.0-["x"])", R"(binary_event +1 / name="x" args=0)"},
      {R"(51.5-["x"])", "error illegal_attachments"},
      {R"(51e0-["x"])", R"(binary_event +1 / name="x" args=0)"},
      {R"(51e1-["x"])", R"(binary_event +10 / name="x" args=0)"},
      {R"(51e-1-["x"])", "error illegal_attachments"},
      {R"(5+1-["x"])", R"(binary_event +1 / name="x" args=0)"},
      {R"(5 2 -["x"])", R"(binary_event +2 / name="x" args=0)"},
      {"5\302\2403\357\273\277-[\"x\"]", R"(binary_event +3 / name="x" args=0)"},
      {R"(50x2-["x"])", R"(binary_event +2 / name="x" args=0)"},
      {R"(50X0a-["x"])", R"(binary_event +10 / name="x" args=0)"},
      {R"(50b11-["x"])", R"(binary_event +3 / name="x" args=0)"},
      {R"(50o7-["x"])", R"(binary_event +7 / name="x" args=0)"},
      {R"(50x-["x"])", "error illegal_attachments"},
      {R"(50xg-["x"])", "error illegal_attachments"},
      {R"(5Infinity-["x"])", "error illegal_attachments"},
      {R"(51_0-["x"])", "error illegal_attachments"},
      {R"(50.1e2-["x"])", R"(binary_event +10 / name="x" args=0)"},
      {R"(5.5e1-["x"])", R"(binary_event +5 / name="x" args=0)"},
      {R"(51.-["x"])", R"(binary_event +1 / name="x" args=0)"},
      {R"(5.-["x"])", "error illegal_attachments"},
      {R"(5001-["x"])", R"(binary_event +1 / name="x" args=0)"},
      {R"(51-/a,["x"])", R"(binary_event +1 /a name="x" args=0)"},
      {R"(51-/a,3["x"])", R"(binary_event +1 /a id=3 name="x" args=0)"},
      {R"(51-4["x"])", R"(binary_event +1 / id=4 name="x" args=0)"},
      {"61-/a,5[1]", "binary_ack +1 /a id=5 data"},
      {"51-{}", "error invalid_payload"},
      {"51-[]", "error invalid_payload"},
      {"51-null", "error invalid_payload"},
      {"61-{}", "error invalid_payload"},
      {"51-[1]", "binary_event +1 / number args=0"},
      {R"(51-["x","a-b"])", R"(binary_event +1 / name="x" args=1)"},
      {R"(5["a-b"])", "error illegal_attachments"},
      {R"(5 -["x"])", "error illegal_attachments"},
      {R"(51--["x"])", "error invalid_payload"},
  };
  expect_all(kRows);
}

// Of a repeated key the last one counts; what stands within a placeholder is not looked at.
TEST(SocketIoPacket, ChecksPlaceholdersAgainstTheirCount) {
  constexpr Row kRows[] = {
      {R"(51-["x",{"_placeholder":true,"num":0}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":true,"num":1}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(52-["x",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}])",
       R"(binary_event +2 / name="x" args=2)"},
      {R"(51-["x",{"_placeholder":true,"num":-1}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"_placeholder":true,"num":-0}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":true,"num":0.5}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":true,"num":"0"}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"_placeholder":true,"num":null}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"_placeholder":true}])", R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"_placeholder":"true","num":9}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":1,"num":9}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":false,"num":9}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"num":0,"_placeholder":true}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":true,"num":0,"k":{"_placeholder":true,"num":9}}])",
       R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"k":{"_placeholder":true,"num":9}}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"k":{"_placeholder":true,"num":9},"k":1}])",
       R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"k":1,"k":{"_placeholder":true,"num":9}}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"k":{"_placeholder":true,"num":9},"j":{"_placeholder":true,"num":8},"k":1}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"_placeholder":true,"num":9,"num":0}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":true,"num":0,"num":9}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"_placeholder":true,"num":9,"_placeholder":false}])",
       R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":true,"num":{"num":0}}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"_placeholder":{"_placeholder":true,"num":9},"num":0}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"\u005fplaceholder":true,"n\u0075m":9}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",[[[{"_placeholder":true,"num":9}]]]])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"__proto__":{"_placeholder":true,"num":9}}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"__proto__":{"_placeholder":true,"num":0}}])",
       R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":true,"num":1e-400}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(51-["x",{"_placeholder":true,"num":1e400}])",
       R"(binary_event +1 / name="x" args=1 bad_placeholder)"},
      {R"(51-["x",{"_placeholder":true,"num":0e5}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(510-["x",{"_placeholder":true,"num":9},{"_placeholder":true,"num":9.99}])",
       R"(binary_event +10 / name="x" args=2)"},
      {R"(51-["x",1,null,true,"_placeholder"])", R"(binary_event +1 / name="x" args=4)"},
      {R"(51-["x",{"_placeholder":null}])", R"(binary_event +1 / name="x" args=1)"},
      {R"(61-[{"_placeholder":true,"num":1}])", "binary_ack +1 / data bad_placeholder"},
      {R"(61-[{"_placeholder":true,"num":0}])", "binary_ack +1 / data"},
  };
  expect_all(kRows);
}

TEST(SocketIoPacket, KeepsIdsOfAnyLengthAsDoubles) {
  const auto id = [](const std::string& digits) { return describe("2" + digits + "[\"x\"]"); };
  EXPECT_EQ(id(std::string(308, '9')), "event / id=1e+308 name=\"x\" args=0");
  EXPECT_EQ(id(std::string(309, '9')), "event / id=Infinity name=\"x\" args=0");
  EXPECT_EQ(id(std::string(400, '0') + "5"), "event / id=5 name=\"x\" args=0");
  EXPECT_EQ(id(std::string(900'000, '1')), "event / id=Infinity name=\"x\" args=0");
}

TEST(SocketIoPacket, ShowsDataAndFirstArgumentAsWritten) {
  const std::string text = "2/a,1 [\"x\" , {\"b\" : 9007199254740993} ,2]\n";
  const auto packet = decode(text);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->nsp, "/a");
  EXPECT_EQ(packet->id, "1");
  EXPECT_EQ(packet->data, "[\"x\" , {\"b\" : 9007199254740993} ,2]\n");
  EXPECT_EQ(packet->argument, "{\"b\" : 9007199254740993}");
  EXPECT_EQ(packet->arguments, 2u);
}

TEST(SocketIoPacket, AcceptsDeepNestingUpToItsLimit) {
  const auto nested = [](std::size_t depth) {
    return "2[\"x\"," + std::string(depth, '[') + std::string(depth, ']') + "]";
  };
  EXPECT_EQ(describe(nested(kMaxPacketDepth)), "event / name=\"x\" args=1");
  EXPECT_EQ(describe(nested(kMaxPacketDepth + 1)), "error invalid_payload");
  EXPECT_EQ(describe(nested(400'000)), "error invalid_payload");
}

TEST(SocketIoPacket, ChecksPlaceholdersAtAnyDepth) {
  const auto nested = [](std::string_view num) {
    const std::size_t depth = 5'000;
    return "51-[\"x\"," + std::string(depth, '[') +
           "{\"_placeholder\":true,\"num\":" + std::string(num) + "}" + std::string(depth, ']') +
           "]";
  };
  EXPECT_EQ(describe(nested("0")), "binary_event +1 / name=\"x\" args=1");
  EXPECT_EQ(describe(nested("1")), "binary_event +1 / name=\"x\" args=1 bad_placeholder");
}

}  // namespace
}  // namespace notifications::socketio
