#include "edge/edge_front.h"

#include <future>
#include <utility>

namespace notifications::edge {

EdgeFront::EdgeFront(Process& process)
    : process_(process),
      context_(process.settings(), process.log(), process.metrics()),
      listener_(process.shards().front()->io(), context_,
                [this](int fd, bool overloaded) { assign(fd, overloaded); }) {
  context_.replayer = process.replayer();
  context_.sessions = process.sessions();
  for (const auto& shard : process.shards()) {
    shards_.push_back(std::make_unique<EdgeShard>(*shard, context_));
  }
  if (Journal* journal = process.broker().journal()) {
    // On the broker's thread.
    journal->on_taken([this](std::string_view pid, std::uint64_t generation) {
      for (const auto& shard : shards_) {
        shard->shard().post([&edge = *shard, pid = std::string(pid), generation] {
          edge.on_taken(pid, generation);
        });
      }
    });
  }
}

EdgeFront::~EdgeFront() = default;

std::optional<std::string> EdgeFront::open() {
  if (auto problem = listener_.open(process_.settings().listen)) return problem;
  process_.log().info("listening",
                      {{"listener", "socketio"}, {"address", listener_.address().text()}});
  return std::nullopt;
}

void EdgeFront::start() {
  started_ = true;
  process_.shards().front()->post([this] { listener_.start(); });
}

// On the first shard's thread.
void EdgeFront::assign(int fd, bool overloaded) {
  EdgeShard& shard = *shards_[next_shard_++ % shards_.size()];
  if (&shard == shards_.front().get()) return shard.adopt(fd, overloaded);
  shard.shard().post([&shard, fd, overloaded] { shard.adopt(fd, overloaded); });
}

void EdgeFront::drain(std::chrono::milliseconds period, std::function<void()> done) {
  context_.draining = true;
  shards_draining_ = shards_.size();
  const auto shared_done = std::make_shared<std::function<void()>>(std::move(done));
  // First the acceptor, then the shards: what was accepted before has been assigned by then.
  process_.shards().front()->post([this, period, shared_done] {
    listener_.stop();
    for (const auto& shard : shards_) {
      shard->shard().post([this, &edge = *shard, period, shared_done] {
        edge.drain(period, [this, shared_done] {
          if (shards_draining_.fetch_sub(1) == 1) (*shared_done)();
        });
      });
    }
  });
}

void EdgeFront::stop() {
  if (!started_ || std::exchange(stopped_, true)) return;
  // What waited on closed sockets is told so in a later turn, and holds their connections until
  // then: they must be gone before we are. Posted from the shard's own thread, the end stands
  // behind it.
  const auto run_on = [](Shard& shard, auto work) {
    std::promise<void> finished;
    shard.post([&] {
      work();
      shard.post([&] { finished.set_value(); });
    });
    finished.get_future().wait();
  };
  run_on(*process_.shards().front(), [this] { listener_.stop(); });
  for (const auto& shard : shards_) run_on(shard->shard(), [&] { shard->abort_all(); });
}

}  // namespace notifications::edge
