#include "publisher-client/scene.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>

#include "core/envelope_codec.h"

namespace notifications {
namespace {

using std::chrono::milliseconds;
using Time = std::chrono::system_clock::time_point;

TEST(DemoScene, PlaysAllThirteenEventsAsValidEnvelopes) {
  DemoScene scene(1);
  std::set<std::string> seen;
  Time now{std::chrono::seconds(1'771'502'400)};
  for (int i = 0; i < 5000; ++i, now += milliseconds(50)) {
    const SceneEvent event = scene.next(now);
    seen.insert(event.event);
    const Envelope envelope{"id",        format_timestamp(now), "demo",
                            event.rooms, event.event,           event.payload_json};
    const auto decoded = decode_envelope(encode_envelope(envelope));
    ASSERT_TRUE(decoded.ok()) << event.payload_json << ": " << decoded.error().detail;
  }
  EXPECT_EQ(seen.size(), 13u);
}

TEST(DemoScene, TellsTheSameStoryForTheSameSeed) {
  DemoScene one(7);
  DemoScene two(7);
  DemoScene other(8);
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const Time now{milliseconds(i)};
    const SceneEvent event = one.next(now);
    EXPECT_EQ(event.payload_json, two.next(now).payload_json);
    differs = differs || event.payload_json != other.next(now).payload_json;
  }
  EXPECT_TRUE(differs);
}

TEST(DemoScene, EndsEachToolCallAfterItsOutputAndNeverWritesAfterIt) {
  DemoScene scene(3);
  std::map<std::string, int> chunks;  // by the room of the run
  std::set<std::string> ended;
  for (int i = 0; i < 5000; ++i) {
    const SceneEvent event = scene.next(Time{milliseconds(i)});
    const std::string& run = event.rooms.front();
    if (event.event == "tool_output_chunk") {
      ++chunks[run];
      EXPECT_FALSE(ended.count(run)) << run;
      EXPECT_NE(event.payload_json.find("\"seqGlobal\":" + std::to_string(chunks[run]) + ","),
                std::string::npos)
          << event.payload_json;
    } else if (event.event == "tool_output_terminal") {
      EXPECT_NE(event.payload_json.find("\"totalChunks\":" + std::to_string(chunks[run]) + ","),
                std::string::npos)
          << event.payload_json;
      EXPECT_TRUE(ended.insert(run).second) << run;
    }
  }
  EXPECT_GT(ended.size(), 50u);
}

}  // namespace
}  // namespace notifications
