#include "core/outbound_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/publication.h"

namespace notifications {
namespace {

PublicationPtr publication(std::string text) {
  return std::make_shared<const Publication>(Envelope(), std::move(text), "",
                                             std::chrono::steady_clock::time_point());
}

// All that is queued, as a gathered write of at most `parts` elements would see it.
std::string gathered(const OutboundQueue& queue, std::size_t parts = 64) {
  std::vector<iovec> out(parts);
  std::string text;
  const std::size_t used = queue.gather(out);
  for (std::size_t i = 0; i < used; ++i) {
    text.append(static_cast<const char*>(out[i].iov_base), out[i].iov_len);
  }
  return text;
}

std::size_t elements(const OutboundQueue& queue) {
  std::array<iovec, 64> out;
  return queue.gather(out);
}

TEST(OutboundQueue, HandsOutWhatWasPushedInOrder) {
  OutboundQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(elements(queue), 0u);
  const auto event = publication("event");
  queue.push("ping");
  queue.push(event, event->text());
  queue.push("ack");
  EXPECT_EQ(gathered(queue), "pingeventack");
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_EQ(queue.bytes(), 12u);
  EXPECT_EQ(gathered(queue), "pingeventack");  // gathering consumes nothing
}

TEST(OutboundQueue, NeverUsesMoreElementsThanItIsGiven) {
  OutboundQueue queue;
  for (const char* frame : {"a", "b", "c", "d"})
    queue.push(std::string(frame) + std::string(40, '.'));
  EXPECT_EQ(gathered(queue, 2), "a" + std::string(40, '.') + "b" + std::string(40, '.'));
  EXPECT_EQ(gathered(queue, 0), "");
}

TEST(OutboundQueue, JoinsNeighboursInMemory) {
  OutboundQueue queue;
  const auto event = publication("0123456789");
  const std::string_view text = event->text();
  queue.push(event, text.substr(0, 4));
  queue.push(event, text.substr(4, 3));
  queue.push(event, text.substr(8));
  EXPECT_EQ(elements(queue), 2u);
  EXPECT_EQ(gathered(queue), "012345689");
  queue.consume(2);
  EXPECT_EQ(elements(queue), 2u);
  EXPECT_EQ(gathered(queue), "2345689");
  EXPECT_EQ(gathered(queue, 1), "23456");  // a neighbour needs no further element
}

TEST(OutboundQueue, DoesNotJoinTheSameBytesQueuedTwice) {
  OutboundQueue queue;
  const auto event = publication("abc");
  queue.push(event, event->text());
  queue.push(event, event->text());
  EXPECT_EQ(elements(queue), 2u);
  EXPECT_EQ(gathered(queue), "abcabc");
}

TEST(OutboundQueue, ConsumesAnyNumberOfBytes) {
  OutboundQueue queue;
  for (const char* frame : {"one", "two", "three"}) queue.push(std::string(frame));
  queue.consume(0);
  EXPECT_FALSE(queue.front_partly_written());
  queue.consume(2);
  EXPECT_TRUE(queue.front_partly_written());
  EXPECT_EQ(gathered(queue), "etwothree");
  queue.consume(1);
  EXPECT_FALSE(queue.front_partly_written());
  queue.consume(4);
  EXPECT_EQ(gathered(queue), "hree");
  EXPECT_EQ(queue.bytes(), 4u);
  queue.consume(4);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
  queue.push("again");
  EXPECT_EQ(gathered(queue), "again");
}

TEST(OutboundQueue, LetsGoOfAPublicationOnceItIsWritten) {
  OutboundQueue queue;
  const auto first = publication("first");
  const auto second = publication("second");
  queue.push(first, first->text());
  queue.push(second, second->text());
  EXPECT_EQ(first.use_count(), 2);
  queue.consume(5);
  EXPECT_EQ(first.use_count(), 1);
  EXPECT_EQ(second.use_count(), 2);
  queue.consume(6);
  EXPECT_EQ(second.use_count(), 1);
}

TEST(OutboundQueue, HoldsOneReferenceForFramesOfOneBlockInARow) {
  OutboundQueue queue;
  const auto block = std::make_shared<const std::string>("abcdef");
  const auto frame = [&](std::size_t at) { return std::string_view(*block).substr(at, 2); };
  queue.push(block, frame(0));
  queue.push(block, frame(2));
  EXPECT_EQ(block.use_count(), 2);
  queue.push("own");
  queue.push(block, frame(4));
  EXPECT_EQ(block.use_count(), 3);
  queue.consume(3);  // the rest of the second frame still needs the block
  EXPECT_EQ(block.use_count(), 3);
  EXPECT_EQ(gathered(queue), "downef");
  queue.consume(1);
  EXPECT_EQ(block.use_count(), 2);
  queue.consume(5);
  EXPECT_EQ(block.use_count(), 1);
}

TEST(OutboundQueue, CountsEachFrameOfABlockForTheLimit) {
  OutboundQueue queue;
  const auto block = std::make_shared<const std::string>("abcdef");
  queue.push(block, std::string_view(*block).substr(0, 2));
  queue.push(block, std::string_view(*block).substr(2));
  EXPECT_EQ(elements(queue), 1u);
  EXPECT_EQ(queue.bytes_behind_front(), 4u);
  queue.consume(1);
  queue.drop_unwritten();
  EXPECT_EQ(gathered(queue), "b");
  queue.consume(1);
  EXPECT_EQ(block.use_count(), 1);
}

TEST(OutboundQueue, CountsForTheLimitWhatWaitsBehindTheFront) {
  OutboundQueue queue;
  EXPECT_EQ(queue.bytes_behind_front(), 0u);
  queue.push(std::string(1000, 'a'));
  EXPECT_EQ(queue.bytes_behind_front(), 0u);
  queue.push(std::string(10, 'b'));
  queue.push(std::string(5, 'c'));
  EXPECT_EQ(queue.bytes_behind_front(), 15u);
  queue.consume(999);
  EXPECT_EQ(queue.bytes_behind_front(), 15u);
  queue.consume(1);
  EXPECT_EQ(queue.bytes_behind_front(), 5u);
  queue.consume(3);
  EXPECT_EQ(queue.bytes_behind_front(), 5u);
}

TEST(OutboundQueue, DropsAllButTheRestOfWhatIsHalfWritten) {
  OutboundQueue queue;
  const auto event = publication("event");
  queue.push("front");
  queue.push(event, event->text());
  queue.consume(2);
  EXPECT_EQ(queue.drop_unwritten(), 1u);
  EXPECT_EQ(gathered(queue), "ont");
  EXPECT_EQ(queue.bytes(), 3u);
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(event.use_count(), 1);
  queue.push("goodbye");
  EXPECT_EQ(gathered(queue), "ontgoodbye");
  queue.consume(10);
  EXPECT_TRUE(queue.empty());
}

TEST(OutboundQueue, DropsEverythingIfNothingIsHalfWritten) {
  OutboundQueue queue;
  queue.push("one");
  queue.push("two");
  queue.consume(3);
  EXPECT_EQ(queue.drop_unwritten(), 1u);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_EQ(queue.drop_unwritten(), 0u);
  EXPECT_TRUE(queue.empty());
}

TEST(OutboundQueue, IsAsNewWhenCleared) {
  OutboundQueue queue;
  const auto event = publication("event");
  for (int i = 0; i < 100; ++i) queue.push(event, event->text());
  queue.consume(7);
  queue.clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_FALSE(queue.front_partly_written());
  EXPECT_EQ(event.use_count(), 1);
  queue.push("new");
  EXPECT_EQ(gathered(queue), "new");
}

// A queue that is never empty: what is written goes, what waits stays in order, whatever the sizes.
TEST(OutboundQueue, KeepsTheStreamOfBytesOverAnyHistory) {
  std::mt19937 random(7);
  OutboundQueue queue;
  std::string expected;
  std::string written;
  char next = 'a';
  for (int step = 0; step < 5000; ++step) {
    for (unsigned n = random() % 4; n > 0; --n) {
      std::string frame(1 + random() % 30, next);
      next = next == 'z' ? 'a' : static_cast<char>(next + 1);
      expected += frame;
      if (random() % 2 == 0) {
        const auto event = publication(frame);
        queue.push(event, event->text());
      } else {
        queue.push(frame);
      }
    }
    const std::string out = gathered(queue, 1 + random() % 5);
    const std::size_t count = out.empty() ? 0 : random() % (out.size() + 1);
    written += out.substr(0, count);
    queue.consume(count);
    ASSERT_EQ(queue.bytes(), expected.size() - written.size());
  }
  written += gathered(queue, 100'000);
  EXPECT_EQ(written, expected);
}

}  // namespace
}  // namespace notifications
