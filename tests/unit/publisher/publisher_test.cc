#include "notifications/publisher.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace notifications {
namespace {

using std::chrono::milliseconds;
using Admission = Publisher::Admission;

// Nothing listens on this port: what is accepted stays in the queue.
Publisher::Options nowhere() {
  Publisher::Options options;
  options.redis_url = "redis://127.0.0.1:1";
  options.close_timeout = milliseconds(0);
  return options;
}

std::string error_of(const std::vector<std::string>& rooms, const std::string& event,
                     const std::string& payload) {
  Publisher publisher(nowhere());
  const auto receipt = publisher.publish(rooms, event, payload);
  if (receipt.admission != Admission::kInvalid) return "it was not refused as invalid";
  EXPECT_TRUE(receipt.id.empty());
  EXPECT_EQ(publisher.counters().invalid, 1u);
  EXPECT_EQ(publisher.counters().queued_events, 0u);
  return receipt.error;
}

TEST(Publisher, NamesWhatIsWrongWithARawEvent) {
  constexpr char kRule[] =
      ": a room is graph, threads, thread:<id>, run:<id> or node:<id> with 1 to 64 characters of "
      "0-9 a-z A-Z - as id";
  EXPECT_EQ(error_of({}, "e", "1"), "rooms: must hold at least one room");
  EXPECT_EQ(error_of({"graph", "Graph"}, "e", "1"), std::string("rooms[1]") + kRule);
  EXPECT_EQ(error_of({"thread:"}, "e", "1"), std::string("rooms[0]") + kRule);
  EXPECT_EQ(error_of({"graph"}, "", "1"), "event: must not be empty");
  EXPECT_EQ(error_of({"graph"}, "disconnect", "1"), "event: disconnect is a reserved name");
  EXPECT_EQ(error_of({"graph"}, "\xff", "1"), "event: must be valid UTF-8");
  EXPECT_EQ(error_of({"graph"}, "e", std::string(513, '[') + std::string(513, ']')),
            "payload: is nested too deep");
}

TEST(Publisher, RefusesAPayloadThatIsNotExactlyOneJsonValue) {
  for (const char* payload : {"", "{", "1,\"source\":\"forged\"", "1}", "nul", "\"\xff\"", "1 2"}) {
    EXPECT_EQ(error_of({"graph"}, "e", payload).rfind("payload: must be valid JSON text: ", 0), 0u)
        << payload;
  }
}

TEST(Publisher, TakesAPayloadAsDeepAsTheContractAllows) {
  Publisher publisher(nowhere());
  EXPECT_TRUE(publisher.publish({"graph"}, "e", std::string(512, '[') + std::string(512, ']')));
}

TEST(Publisher, KeepsWhatIsAcceptedInBounds) {
  auto options = nowhere();
  options.max_queued_events = 2;
  Publisher publisher(options);
  EXPECT_TRUE(publisher.publish({"graph"}, "e", "1"));
  EXPECT_TRUE(publisher.thread_activity_changed({.thread_id = "7", .activity = "idle"}));
  const auto refused = publisher.publish({"graph"}, "e", "3");
  EXPECT_EQ(refused.admission, Admission::kQueueFull);
  EXPECT_EQ(refused.error, "the queue is full");
  EXPECT_EQ(publisher.counters().queued_events, 2u);
}

TEST(Publisher, RefusesOptionsThatCannotBeUsedAndNamesThem) {
  using Options = Publisher::Options;
  const auto problem_with = [](const std::function<void(Options&)>& spoil) -> std::string {
    Options options = nowhere();
    spoil(options);
    try {
      Publisher publisher(options);
    } catch (const std::invalid_argument& error) {
      const std::string text = error.what();
      return text.substr(0, text.find(':'));
    }
    return "none";
  };
  EXPECT_EQ(problem_with([](Options&) {}), "none");
  EXPECT_EQ(problem_with([](Options& o) { o.redis_url = "http://x"; }), "redis_url");
  EXPECT_EQ(problem_with([](Options& o) { o.channel = ""; }), "channel");
  EXPECT_EQ(problem_with([](Options& o) { o.source = ""; }), "source");
  EXPECT_EQ(problem_with([](Options& o) { o.source = "\xff"; }), "source");
  EXPECT_EQ(problem_with([](Options& o) { o.max_queued_events = 0; }), "max_queued_events");
  EXPECT_EQ(problem_with([](Options& o) { o.max_in_flight_events = 0; }), "max_in_flight_events");
  EXPECT_EQ(problem_with([](Options& o) { o.coalesce_interval = milliseconds(-1); }),
            "coalesce_interval");
  EXPECT_EQ(problem_with([](Options& o) { o.close_timeout = milliseconds(-1); }), "close_timeout");
  EXPECT_EQ(problem_with([](Options& o) { o.connect_timeout = milliseconds(0); }),
            "connect_timeout");
  EXPECT_EQ(problem_with([](Options& o) { o.answer_timeout = milliseconds(0); }), "answer_timeout");
  EXPECT_EQ(problem_with([](Options& o) { o.reconnect_min = milliseconds(0); }), "reconnect_min");
  const auto journal_problem = [&](const std::function<void(Options&)>& spoil) {
    return problem_with([&](Options& o) {
      o.journal = true;
      spoil(o);
    });
  };
  EXPECT_EQ(journal_problem([](Options&) {}), "none");
  EXPECT_EQ(journal_problem([](Options& o) { o.journal_max_length = 0; }), "journal_max_length");
  EXPECT_EQ(journal_problem([](Options& o) { o.journal_retention = milliseconds(0); }),
            "journal_retention");
  EXPECT_EQ(journal_problem([](Options& o) { o.idempotency_window = o.answer_timeout; }),
            "idempotency_window");
  EXPECT_EQ(problem_with([](Options& o) { o.reconnect_max = milliseconds(1); }), "reconnect_max");
}

TEST(Publisher, FlushesForAsLongAsItIsToldAndNotLonger) {
  Publisher publisher(nowhere());
  EXPECT_TRUE(publisher.flush(milliseconds::max()));  // nothing waits
  EXPECT_TRUE(publisher.publish({"graph"}, "e", "1"));
  EXPECT_FALSE(publisher.flush(milliseconds(-5)));
  EXPECT_FALSE(publisher.flush(milliseconds(1)));
}

}  // namespace
}  // namespace notifications
