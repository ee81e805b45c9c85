#include "core/publication.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace notifications {
namespace {

std::atomic<int> encodings{0};

std::string encode(const Publication& publication) {
  encodings.fetch_add(1);
  return "frame of " + publication.envelope().event;
}
std::string encode_other(const Publication& publication) { return publication.text() + "!"; }

TEST(Publication, HoldsWhatItWasMadeOf) {
  Envelope envelope;
  envelope.event = "e";
  const auto now = std::chrono::steady_clock::now();
  const Publication publication(envelope, "text", "epoch.1-0", now);
  EXPECT_EQ(publication.envelope().event, "e");
  EXPECT_EQ(publication.text(), "text");
  EXPECT_EQ(publication.position(), "epoch.1-0");
  EXPECT_EQ(publication.received_at(), now);
}

TEST(Publication, EncodesEachWireFormatOnceAndApart) {
  Envelope envelope;
  envelope.event = "e";
  const Publication publication(envelope, "text", "", {});
  encodings = 0;
  const std::string_view first = publication.frame(WireFormat::kSocketIo, &encode);
  const std::string_view again = publication.frame(WireFormat::kSocketIo, &encode);
  EXPECT_EQ(first, "frame of e");
  EXPECT_EQ(first.data(), again.data());
  EXPECT_EQ(encodings, 1);
  EXPECT_EQ(publication.frame(WireFormat::kGrpcJson, &encode_other), "text!");
  EXPECT_EQ(publication.frame(WireFormat::kSocketIo, &encode), "frame of e");
}

TEST(Publication, IsEncodedOnceHoweverManyThreadsAskAtOnce) {
  for (int round = 0; round < 50; ++round) {
    const Publication publication(Envelope(), "", "", {});
    encodings = 0;
    std::atomic<bool> go{false};
    std::vector<std::string_view> frames(4);
    std::vector<std::thread> threads;
    for (std::string_view& frame : frames) {
      threads.emplace_back([&] {
        while (!go) std::this_thread::yield();
        frame = publication.frame(WireFormat::kSse, &encode);
      });
    }
    go = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(encodings, 1);
    for (const std::string_view frame : frames) EXPECT_EQ(frame.data(), frames[0].data());
    EXPECT_EQ(frames[0], "frame of ");
  }
}

}  // namespace
}  // namespace notifications
