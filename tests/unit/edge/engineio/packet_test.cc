#include "edge/engineio/packet.h"

#include <gtest/gtest.h>

namespace notifications::engineio {
namespace {

TEST(EngineIoPacket, IsATypeAndWhatFollowsIt) {
  EXPECT_EQ(decode("0").type, PacketType::kOpen);
  EXPECT_EQ(decode("1").type, PacketType::kClose);
  EXPECT_EQ(decode("2probe").type, PacketType::kPing);
  EXPECT_EQ(decode("3").type, PacketType::kPong);
  EXPECT_EQ(decode("42[\"x\"]").type, PacketType::kMessage);
  EXPECT_EQ(decode("42[\"x\"]").data, "2[\"x\"]");
  EXPECT_EQ(decode("4").data, "");
  EXPECT_EQ(decode("5").type, PacketType::kUpgrade);
  EXPECT_EQ(decode("6").type, PacketType::kNoop);
  EXPECT_EQ(decode("bAAAA").type, PacketType::kBinary);
}

TEST(EngineIoPacket, RefusesOtherTypes) {
  for (const auto text : {"", "7", "9", "a", "B", " ", "-1", "\xC2\xA0", "\xF0\x9F\x98\x80"}) {
    EXPECT_EQ(decode(text).type, PacketType::kInvalid) << text;
  }
}

TEST(EngineIoPacket, OpensWithTheKeysOfAStockServerInTheirOrder) {
  EXPECT_EQ(encode_open("lv_VI97HAXpY6yYWAAAC", OpenOptions{}),
            R"(0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":25000,)"
            R"("pingTimeout":20000,"maxPayload":1000000})");
}

}  // namespace
}  // namespace notifications::engineio
