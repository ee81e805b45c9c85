#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/broker.h"
#include "core/hub.h"
#include "core/runtime/dispatcher.h"
#include "core/runtime/replayer.h"
#include "core/runtime/shard.h"
#include "tests/support/recorder.h"

namespace notifications::test {

// The envelope of the n-th event of a room.
inline std::string envelope_of(int n, const std::string& room = "graph", std::size_t padding = 0) {
  return R"({"id":"id-)" + room + "-" + std::to_string(n) +
         R"(","ts":"2026-02-19T12:00:00.000Z","source":"test","rooms":[")" + room +
         R"("],"event":"e","payload":{"n":)" + std::to_string(n) +
         (padding == 0 ? "" : R"(,"x":")" + std::string(padding, 'x') + '"') + "}}";
}

// What a program is made of between its broker and its fronts, on one thread: what consumers of the
// journal see of it.
//
// `make` builds the broker on the node's own loop. Thread: any, unless said otherwise.
class JournalNode {
 public:
  using MakeBroker =
      std::function<std::unique_ptr<Broker>(boost::asio::io_context&, Log&, Metrics&)>;

  explicit JournalNode(const MakeBroker& make, std::size_t window_bytes = 64 << 20,
                       LogLevel level = LogLevel::kOff)
      : log_(level, LogFormat::kText),
        broker_(make(shard_.io(), log_, metrics_)),
        dispatcher_(interest_, {&shard_}, &shard_, log_, metrics_, window_bytes),
        replayer_(shard_.io(), *broker_->journal(), dispatcher_.window(), &shard_, metrics_) {
    dispatcher_.on_advanced([this] { replayer_.on_advanced(); });
    shard_.on_gap([this](const Position& after, const Position& resumes_at) {
      for (const auto& listener : gap_listeners_) listener(after, resumes_at);
    });
  }
  ~JournalNode() { stop(); }

  void start() {
    shard_.start();
    broker_->start(dispatcher_);
  }
  // Broker first, then the thread; as a program ends. What was delivered stays.
  void stop() {
    broker_->stop();
    shard_.stop();
  }
  bool becomes_ready() {
    return eventually([&] { return broker_->status().connected && broker_->status().flowing; });
  }

  // Runs `work` on the node's thread and waits for it.
  void call(const std::function<void()>& work) {
    std::promise<void> done;
    shard_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  // The window's head.
  std::string head() {
    std::string head;
    call([&] {
      if (dispatcher_.window().started()) head = dispatcher_.window().head().text();
    });
    return head;
  }

  std::future<PublishOutcome> publish_later(const std::string& id, const std::string& text,
                                            std::chrono::milliseconds limit = kPatience) {
    auto promise = std::make_shared<std::promise<PublishOutcome>>();
    auto outcome = promise->get_future();
    PublishCommand command;
    command.id = id;
    command.ts = "2026-02-19T12:00:00.000Z";
    command.text = text;
    command.deadline = std::chrono::steady_clock::now() + limit;
    broker_->publish(std::move(command),
                     [promise](PublishOutcome result) { promise->set_value(std::move(result)); });
    return outcome;
  }
  std::future<PublishOutcome> publish_later(int n, const std::string& room = "graph",
                                            std::size_t padding = 0) {
    return publish_later("id-" + room + "-" + std::to_string(n), envelope_of(n, room, padding));
  }
  // Publishes the n-th event of a room; its position, or the reason there is none.
  std::string publish(int n, const std::string& room = "graph", std::size_t padding = 0) {
    const PublishOutcome outcome = await(publish_later(n, room, padding));
    return outcome.status == PublishStatus::kPublished ? outcome.position
                                                       : "failed: " + outcome.detail;
  }

  Shard& shard() { return shard_; }
  Broker& broker() { return *broker_; }
  Journal& journal() { return *broker_->journal(); }
  Replayer& replayer() { return replayer_; }
  Dispatcher& dispatcher() { return dispatcher_; }
  Metrics& metrics() { return metrics_; }
  // On the node's thread.
  void on_gap(Shard::OnGap listener) { gap_listeners_.push_back(std::move(listener)); }

 private:
  Metrics metrics_;
  Log log_;
  RoomInterest interest_;
  Shard shard_{0, interest_};
  std::unique_ptr<Broker> broker_;
  Dispatcher dispatcher_;
  Replayer replayer_;
  std::vector<Shard::OnGap> gap_listeners_;
};

// A consumer of one room that comes back with a cursor, by the rules of the replay gate, and notes
// what it is told: "7" for the 7th event, "gap" for a gap.
class Consumer : public Subscriber {
 public:
  // Starts on the node's thread and pulls until it is live.
  Consumer(JournalNode& node, std::string after, std::string room = "graph",
           std::size_t page_bytes = 256 * 1024)
      : node_(node), room_(std::move(room)), page_bytes_(page_bytes) {
    node_.call([this, &after] {
      node_.shard().hub().join(*this, room_);
      node_.on_gap([this, alive = std::weak_ptr(alive_)](const Position&, const Position& to) {
        if (!alive.expired() && live_) note("gap", to.text());
      });
      read(std::move(after));
    });
  }
  ~Consumer() override { leave(); }

  // Goes away: what it was told, and the position it would come back with.
  std::pair<std::vector<std::string>, std::string> leave() {
    if (alive_ != nullptr) {
      node_.call([this] {
        alive_.reset();
        node_.shard().hub().leave_all(*this);
      });
    }
    return {told(), position()};
  }

  void deliver(const PublicationPtr& publication) override {
    if (live_) note(*publication);
  }

  // Waits until it is live; false if it does not become so.
  bool becomes_live() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return live_told_; });
  }
  // Waits until it was told `last`.
  bool await(const std::string& last) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] {
      return std::find(told_.begin(), told_.end(), last) != told_.end();
    });
  }
  bool await(int n) { return await(std::to_string(n)); }
  std::vector<std::string> told() const {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  // The position it would come back with.
  std::string position() const {
    const std::lock_guard lock(mutex_);
    return position_;
  }

 private:
  void read(std::string after) {
    ReplayRequest request;
    request.after = std::move(after);
    request.max_bytes = page_bytes_;
    request.matches = [room = room_](const Position&, const Envelope& envelope) {
      return std::find(envelope.rooms.begin(), envelope.rooms.end(), room) != envelope.rooms.end();
    };
    node_.replayer().read(node_.shard(), std::move(request),
                          [this, alive = std::weak_ptr(alive_)](ReplayPage page) {
                            if (!alive.expired()) on_page(std::move(page));
                          });
  }
  void on_page(ReplayPage page) {
    if (page.gap) note("gap", page.gap->resumes_at.text());
    for (const PublicationPtr& publication : page.events) note(*publication);
    const std::lock_guard lock(mutex_);
    position_ = page.upto.text();
    if (!page.live) return read(position_);
    live_ = live_told_ = true;
    changed_.notify_all();
  }
  void note(const Publication& publication) {
    const std::string& payload = publication.envelope().payload;
    const std::size_t begin = payload.find(':') + 1;
    note(payload.substr(begin, payload.find_first_of(",}", begin) - begin), publication.position());
  }
  void note(const std::string& what, const std::string& position) {
    const std::lock_guard lock(mutex_);
    told_.push_back(what);
    position_ = position;
    changed_.notify_all();
  }

  JournalNode& node_;
  const std::string room_;
  const std::size_t page_bytes_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool live_ = false;  // the node's thread only

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> told_;
  std::string position_;
  bool live_told_ = false;
};

// "from", "from + 1", ... "to".
inline std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> out;
  for (int n = from; n <= to; ++n) out.push_back(std::to_string(n));
  return out;
}
inline std::vector<std::string> gap_then(int from, int to) {
  std::vector<std::string> out = numbers(from, to);
  out.insert(out.begin(), "gap");
  return out;
}

}  // namespace notifications::test
