// What the hub adds to a delivery, and what joining and leaving cost.

#include <benchmark/benchmark.h>

#include <deque>

#include "core/hub.h"
#include "tests/bench/micro/sample.h"

namespace notifications::bench {
namespace {

class Listener final : public Subscriber {
 public:
  void deliver(const PublicationPtr& publication) override {
    benchmark::DoNotOptimize(publication.get());
  }
};

std::string room(std::int64_t number) { return "thread:" + std::to_string(number); }

// A hub with so many rooms of so many subscribers.
class HubFixture {
 public:
  HubFixture(std::int64_t rooms, std::int64_t members) : hub_(0, interest_) {
    for (std::int64_t i = 0; i < rooms * members; ++i) {
      hub_.join(listeners_.emplace_back(), room(i % rooms));
    }
  }
  ~HubFixture() {
    for (Listener& listener : listeners_) hub_.leave_all(listener);
  }
  Hub& hub() { return hub_; }

 private:
  RoomInterest interest_;
  Hub hub_;
  std::deque<Listener> listeners_;
};

void DeliverToOneRoom(benchmark::State& state) {
  HubFixture fixture(1, state.range(0));
  const auto publication = sample_publication({room(0)});
  for (auto _ : state) benchmark::DoNotOptimize(fixture.hub().deliver(publication));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(DeliverToOneRoom)->Arg(1)->Arg(1000)->Arg(20000);

// Everybody is in both rooms of the event and gets it once.
void DeliverToTwoRooms(benchmark::State& state) {
  RoomInterest interest;
  Hub hub(0, interest);
  std::deque<Listener> listeners(static_cast<std::size_t>(state.range(0)));
  for (Listener& listener : listeners) {
    hub.join(listener, "graph");
    hub.join(listener, "node:42");
  }
  const auto publication = sample_publication({"graph", "node:42"});
  for (auto _ : state) benchmark::DoNotOptimize(hub.deliver(publication));
  for (Listener& listener : listeners) hub.leave_all(listener);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(DeliverToTwoRooms)->Arg(1000);

// One event for one of many rooms: the look-up.
void DeliverToOneOfManyRooms(benchmark::State& state) {
  HubFixture fixture(state.range(0), 1);
  std::vector<PublicationPtr> publications;
  for (std::int64_t i = 0; i < 1024; ++i) {
    publications.push_back(sample_publication({room(i * 7919 % state.range(0))}));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(fixture.hub().deliver(publications[next++ % publications.size()]));
  }
}
BENCHMARK(DeliverToOneOfManyRooms)->Arg(100)->Arg(10000)->Arg(100000);

void JoinAndLeave(benchmark::State& state) {
  HubFixture fixture(state.range(0), 1);
  Listener listener;
  for (auto _ : state) {
    fixture.hub().join(listener, "run:1");
    fixture.hub().leave_all(listener);
  }
}
BENCHMARK(JoinAndLeave)->Arg(1)->Arg(100000);

}  // namespace
}  // namespace notifications::bench
