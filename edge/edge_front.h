#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "core/runtime/front.h"
#include "core/runtime/process.h"
#include "edge/edge_context.h"
#include "edge/edge_shard.h"
#include "edge/listener.h"

namespace notifications::edge {

// EdgeFront is the browsers' door: one acceptor, and on every shard the connections it gave it.
//
// Thread: main.
class EdgeFront final : public Front {
 public:
  // The process outlives it.
  explicit EdgeFront(Process& process);
  ~EdgeFront() override;

  std::optional<std::string> open() override;
  void start() override;
  void set_ready(bool) override {}
  std::size_t consumers() const override { return context_.connections.load(); }
  void drain(std::chrono::milliseconds period, std::function<void()> done) override;
  void stop() override;

  // Where it listens, with the port the system chose. Requires: open() succeeded.
  const Address& address() const { return listener_.address(); }

 private:
  void assign(int fd, bool overloaded);

  Process& process_;
  EdgeContext context_;
  std::vector<std::unique_ptr<EdgeShard>> shards_;
  Listener listener_;  // on the first shard
  std::size_t next_shard_ = 0;
  std::atomic<std::size_t> shards_draining_ = 0;
  bool started_ = false;
  bool stopped_ = false;
};

}  // namespace notifications::edge
