#include "tests/support/edge_fixture.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "core/memory/memory_broker.h"
#include "core/runtime/dispatcher.h"
#include "core/runtime/process.h"
#include "edge/edge_front.h"
#include "tests/support/recorder.h"

namespace notifications::test {

Settings edge_settings() {
  Settings settings;
  settings.listen = {"127.0.0.1", 0};
  settings.threads = 1;
  settings.log_level = LogLevel::kOff;
  return settings;
}

// A process whose own broker is never started: the test's stands in its place, as with one shard
// on that shard's loop, with more on a loop of its own.
struct Edge::Parts {
  explicit Parts(Settings settings) : process(std::make_unique<Process>(std::move(settings))) {
    auto owned = std::make_unique<edge::EdgeFront>(*process);
    front = owned.get();
    process->add(std::move(owned));
    std::vector<Shard*> shards;
    for (const auto& shard : process->shards()) shards.push_back(shard.get());
    Shard* const local = shards.size() == 1 ? shards.front() : nullptr;
    if (local == nullptr) thread = std::make_unique<IoThread>();
    broker = std::make_unique<MemoryBroker>(local == nullptr ? thread->io : local->io());
    dispatcher = std::make_unique<Dispatcher>(process->interest(), std::move(shards), local,
                                              process->log(), process->metrics());
  }
  ~Parts() {
    front->stop();
    broker->stop();
    thread.reset();
    process.reset();
  }

  std::unique_ptr<Dispatcher> dispatcher;  // outlives the shards
  std::unique_ptr<Process> process;
  edge::EdgeFront* front = nullptr;  // the process's
  std::unique_ptr<IoThread> thread;
  std::unique_ptr<Broker> broker;
};

Edge::Edge(Settings settings) : parts_(std::make_unique<Parts>(std::move(settings))) {
  if (const auto problem = parts_->front->open()) {
    ADD_FAILURE() << *problem;
    return;
  }
  for (const auto& shard : parts_->process->shards()) shard->start();
  parts_->broker->start(*parts_->dispatcher);
  parts_->front->start();
  EXPECT_TRUE(eventually([&] { return parts_->broker->status().flowing; }));
}

Edge::~Edge() = default;

std::uint16_t Edge::port() const { return parts_->front->address().port; }

void Edge::publish(std::string_view rooms_json, std::string_view event, std::string_view payload) {
  std::string text = R"({"id":"i","ts":"2026-02-19T12:00:00.000Z","source":"test","rooms":)";
  text.append(rooms_json).append(R"(,"event":")").append(event);
  text.append(R"(","payload":)").append(payload).append("}");
  const PublishOutcome outcome = await(test::publish(*parts_->broker, std::move(text)));
  EXPECT_EQ(outcome.status, PublishStatus::kPublished) << outcome.detail;
}

std::int64_t Edge::counted(std::string_view name) const {
  return parts_->process->metrics().total(name);
}

std::int64_t Edge::counted(std::string_view name, std::string_view label) const {
  for (const auto& [text, value] : parts_->process->metrics().by_label(name)) {
    if (text == label) return value;
  }
  return -1;
}

bool Edge::await_count(std::string_view name, std::int64_t value) const {
  if (eventually([&] { return counted(name) == value; })) return true;
  ADD_FAILURE() << name << " is " << counted(name) << ", not " << value;
  return false;
}

bool Edge::await_count(std::string_view name, std::string_view label, std::int64_t value) const {
  if (eventually([&] { return counted(name, label) == value; })) return true;
  ADD_FAILURE() << name << " " << label << " is " << counted(name, label) << ", not " << value;
  return false;
}

void Edge::on_shard(int shard, const std::function<void()>& work) {
  std::promise<void> done;
  parts_->process->shards()[static_cast<std::size_t>(shard)]->post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

void Edge::pass_time(int shard, std::chrono::milliseconds time) {
  on_shard(shard, [&] {
    Shard& on = *parts_->process->shards()[static_cast<std::size_t>(shard)];
    on.timers().advance(on.now() + time);
  });
}

void Edge::hold_shard(int shard, std::future<void> until) {
  std::promise<void> held;
  parts_->process->shards()[static_cast<std::size_t>(shard)]->post(
      [&held, until = std::make_shared<std::future<void>>(std::move(until))] {
        held.set_value();
        until->wait();
      });
  held.get_future().wait();
}

std::future<void> Edge::drain(std::chrono::milliseconds period) {
  auto done = std::make_shared<std::promise<void>>();
  auto drained = done->get_future();
  parts_->front->drain(period, [done] { done->set_value(); });
  return drained;
}

void Edge::stop() { parts_->front->stop(); }

}  // namespace notifications::test
