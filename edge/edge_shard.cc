#include "edge/edge_shard.h"

#include <algorithm>
#include <random>
#include <utility>

#include "core/sparse_table.h"
#include "edge/http_connection.h"

namespace notifications::edge {
namespace {

// Large enough for most of what a client sends at once; one for all connections of the shard.
constexpr std::size_t kReadBuffer = 64 * 1024;
// Queues looked at in a second, in turn: what it costs does not grow with the connections.
constexpr std::size_t kSampledQueues = 64;

}  // namespace

EdgeShard::EdgeShard(Shard& shard, EdgeContext& context)
    : shard_(shard),
      context_(context),
      poller_(shard.io()),
      read_buffer_(kReadBuffer),
      drain_timer_(shard.io()) {
  shard.on_gap([this](const Position& after, const Position& resumes_at) {
    for (const auto& connection : connections_) connection->on_gap(after, resumes_at);
  });
  shard.every_second([this] { sample_queues(); });
}

EdgeShard::~EdgeShard() { abort_all(); }

void EdgeShard::adopt(int fd, bool overloaded) {
  const auto connection = std::make_shared<HttpConnection>(
      *this, Socket(fd), context_.next_connection_id.fetch_add(1), overloaded);
  add(connection);
  connection->start();
}

void EdgeShard::add(std::shared_ptr<Connection> connection) {
  connection->register_index_ = connections_.size();
  connection->registered_ = true;
  connections_.push_back(connection);
  if (!draining_) return;
  // Not within this call: the connection is only about to start, and has its say first.
  shard_.post([weak = std::weak_ptr<Connection>(connection)] {
    const auto late = weak.lock();
    if (late != nullptr && late->registered_) late->drain();
  });
}

void EdgeShard::remove(Connection& connection) {
  const std::size_t index = connection.register_index_;
  connection.registered_ = false;
  std::swap(connections_[index], connections_.back());
  connections_[index]->register_index_ = index;
  connections_.pop_back();
  if (draining_ && connections_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void EdgeShard::read_later(Connection& connection) {
  readers_.push_back(connection.weak_from_this());
  if (readers_.size() == 1) shard_.post([this] { give_turn(); });
}

void EdgeShard::give_turn() {
  const auto next = readers_.front().lock();
  if (next != nullptr && next->registered_) next->on_turn();
  // Taken out only now: whoever asks for another turn meanwhile must not post a second call.
  readers_.pop_front();
  if (!readers_.empty()) shard_.post([this] { give_turn(); });
}

void EdgeShard::sample_queues() {
  const std::size_t count = std::min(connections_.size(), kSampledQueues);
  for (std::size_t i = 0; i < count; ++i) {
    if (next_sampled_ >= connections_.size()) next_sampled_ = 0;
    const std::size_t bytes = connections_[next_sampled_++]->queued_bytes();
    context_.metrics.queue_bytes.observe(static_cast<double>(bytes));
  }
}

// Whoever held the session here before lets go of it now: the notice of the takeover finds only the
// new holder.
void EdgeShard::remember(Recovery& session) {
  const auto before = std::exchange(sessions_[session.pid()], session.weak_from_this()).lock();
  if (before != nullptr && before.get() != &session) before->let_go();
}

void EdgeShard::forget(const Recovery& session) {
  const auto found = sessions_.find(session.pid());
  if (found == sessions_.end()) return;
  // The same session may stand here anew, on another connection.
  const auto held = found->second.lock();
  if (held != nullptr && held.get() != &session) return;
  sessions_.erase(found);
  shrink_if_sparse(sessions_);
}

void EdgeShard::on_taken(std::string_view pid, std::uint64_t generation) {
  const auto found = sessions_.find(pid);
  if (found == sessions_.end()) return;
  const auto session = found->second.lock();
  if (session == nullptr || session->generation() >= generation) return;
  sessions_.erase(found);
  shrink_if_sparse(sessions_);
  session->let_go();
}

void EdgeShard::drain(std::chrono::milliseconds period, std::function<void()> done) {
  draining_ = true;
  drained_ = std::move(done);
  if (connections_.empty()) return std::exchange(drained_, nullptr)();
  std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<std::int64_t> delay(0, period.count());
  const auto now = shard_.now();
  for (const auto& connection : connections_) {
    due_.push_back({now + std::chrono::milliseconds(delay(random)), connection});
  }
  std::sort(due_.begin(), due_.end(), [](const Due& a, const Due& b) { return a.when > b.when; });
  drain_some();
}

void EdgeShard::drain_some() {
  const auto now = shard_.now();
  while (!due_.empty() && due_.back().when <= now) {
    const auto connection = due_.back().connection.lock();
    due_.pop_back();
    if (connection != nullptr && connection->registered_) connection->drain();
  }
  if (due_.empty()) return;
  drain_timer_.expires_at(due_.back().when);
  drain_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) drain_some();
  });
}

void EdgeShard::abort_all() {
  drain_timer_.cancel();
  due_.clear();
  while (!connections_.empty()) connections_.back()->abort();
}

}  // namespace notifications::edge
