#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/hub.h"

namespace notifications {
namespace {

class Watcher : public Subscriber {
 public:
  using Subscriber::Subscriber;
  void deliver(const PublicationPtr&) override { ++deliveries; }
  int deliveries = 0;
};

const std::vector<std::string> kPlaces = {"graph", "threads", "thread:1", "THREAD:1", "run:1",
                                          "run:2", "node:1",  "*",        "thread:*", "run:*"};
constexpr std::size_t kExact = 7;  // of kPlaces

bool matches(const std::string& place, const std::string& room) {
  if (place == "*" || place == room) return true;
  const auto pattern = parse_room_pattern(place);
  return pattern->scope == RoomPattern::Scope::kKind && room_kind(room) == pattern->kind;
}

// Hubs of two shards beside the plainest model there is: who is in which place.
struct World {
  static constexpr int kHubs = 2;
  static constexpr int kWatchers = 12;

  RoomInterest interest;
  std::array<std::unique_ptr<Hub>, kHubs> hubs;
  std::vector<std::unique_ptr<Watcher>> watchers;
  std::vector<std::set<std::string>> places;

  World() {
    for (int i = 0; i < kHubs; ++i)
      hubs[static_cast<std::size_t>(i)] = std::make_unique<Hub>(i, interest);
    places.resize(kWatchers);
    for (int i = 0; i < kWatchers; ++i) {
      watchers.push_back(
          std::make_unique<Watcher>(i % 3 == 0 ? Delivery::kPerRoom : Delivery::kOnce));
    }
  }
  ~World() {
    for (std::size_t i = 0; i < watchers.size(); ++i) hub_of(i).leave_all(*watchers[i]);
  }
  Hub& hub_of(std::size_t watcher) { return *hubs[watcher % kHubs]; }
  bool per_room(std::size_t watcher) const { return watcher % 3 == 0; }

  void join(std::size_t who, const std::string& place) {
    // Who takes each entry of `rooms` apart is in exact rooms only: patterns are for streams.
    if (per_room(who) && place.find('*') != place.npos) return;
    const bool is_new = places[who].insert(place).second;
    const auto pattern = *parse_room_pattern(place);
    ASSERT_EQ(hub_of(who).join(*watchers[who], pattern), is_new);
  }
  void leave(std::size_t who, const std::string& place) {
    const bool was_in = places[who].erase(place) > 0;
    ASSERT_EQ(hub_of(who).leave(*watchers[who], place), was_in);
  }
  void leave_all(std::size_t who) {
    places[who].clear();
    hub_of(who).leave_all(*watchers[who]);
  }

  int expected(std::size_t who, const std::vector<std::string>& rooms) const {
    int entries = 0;
    for (const std::string& room : rooms) {
      for (const std::string& place : places[who]) {
        if (matches(place, room)) {
          ++entries;
          break;
        }
      }
    }
    return per_room(who) ? entries : std::min(entries, 1);
  }

  // So many events to the same rooms.
  void deliver(const std::vector<std::string>& rooms, std::size_t events) {
    Envelope envelope;
    envelope.rooms = rooms;
    const std::vector<PublicationPtr> all(
        events, std::make_shared<const Publication>(std::move(envelope), "", "",
                                                    std::chrono::steady_clock::time_point()));
    std::array<std::size_t, kHubs> sums{};
    for (const auto& watcher : watchers) watcher->deliveries = 0;
    for (std::size_t h = 0; h < kHubs; ++h) {
      for (std::span<const PublicationPtr> rest(all); !rest.empty();) {
        const auto run = rest.first(hubs[h]->run_length(rest));
        sums[h] += run.size() * hubs[h]->deliver_run(run);
        rest = rest.subspan(run.size());
      }
    }
    std::array<std::size_t, kHubs> wanted{};
    for (std::size_t i = 0; i < watchers.size(); ++i) {
      const int each = static_cast<int>(events) * expected(i, rooms);
      ASSERT_EQ(watchers[i]->deliveries, each) << "watcher " << i;
      wanted[i % kHubs] += static_cast<std::size_t>(each);
    }
    ASSERT_EQ(sums, wanted);
  }

  void check_counts(const std::vector<std::string>& rooms) {
    ShardMask mask = 0;
    std::array<std::set<std::string>, kHubs> used;
    std::array<std::size_t, kHubs> subscriptions{};
    std::set<std::string> exact;
    for (std::size_t i = 0; i < watchers.size(); ++i) {
      ASSERT_EQ(hub_of(i).rooms_of(*watchers[i]), places[i].size());
      subscriptions[i % kHubs] += places[i].size();
      for (const std::string& place : places[i]) {
        used[i % kHubs].insert(place);
        if (place.find('*') == place.npos) exact.insert(place);
        for (const std::string& room : rooms) {
          if (matches(place, room)) mask |= ShardMask{1} << (i % kHubs);
        }
      }
      for (std::size_t p = 0; p < kExact; ++p) {
        ASSERT_EQ(hub_of(i).is_member(*watchers[i], kPlaces[p]), places[i].count(kPlaces[p]) > 0);
      }
    }
    ASSERT_EQ(interest.interested(rooms), mask);
    ASSERT_EQ(interest.rooms(), exact.size());
    for (std::size_t h = 0; h < kHubs; ++h) {
      ASSERT_EQ(hubs[h]->rooms(), used[h].size());
      ASSERT_EQ(hubs[h]->subscriptions(), subscriptions[h]);
    }
  }
};

// Joins, leaves and deliveries in any order: the two lists that point into each other never come
// apart from the model.
TEST(HubModel, DeliversAsThePlainModelSaysAfterAnyHistory) {
  std::mt19937 random(20260219);
  const auto below = [&](std::size_t n) { return random() % n; };
  World world;
  for (int step = 0; step < 6000 && !HasFatalFailure(); ++step) {
    const std::size_t who = below(World::kWatchers);
    const std::size_t what = below(20);
    if (what < 9) {
      world.join(who, kPlaces[below(kPlaces.size())]);
    } else if (what < 15) {
      world.leave(who, kPlaces[below(kExact)]);
    } else if (what == 15) {
      world.leave_all(who);
    } else {
      std::vector<std::string> rooms;
      for (std::size_t n = 1 + below(4); n > 0; --n) rooms.push_back(kPlaces[below(kExact)]);
      world.deliver(rooms, 1 + below(3));
      if (!HasFatalFailure()) world.check_counts(rooms);
    }
  }
}

}  // namespace
}  // namespace notifications
