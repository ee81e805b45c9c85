#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <span>
#include <unordered_set>
#include <vector>

#include "core/publication.h"
#include "core/runtime/shard.h"

namespace notifications::server {

class StreamSubscriber;

// One message as gRPC takes it: shared by all streams that it goes to.
struct StreamFrame {
  grpc::ByteBuffer bytes;  // refers to the publication's own bytes; copying it copies no data
  std::size_t size = 0;
};
using StreamFramePtr = std::shared_ptr<const StreamFrame>;

// StreamShard is what the gRPC streams of one shard share: the list of them, and the frames of the
// publications that are being delivered, made once for all of them.
//
// Thread: shard, but for the constructor.
// Owns no stream. Outlives them.
class StreamShard {
 public:
  // Before the shard runs.
  StreamShard(Shard& shard, Histogram& queue_bytes);
  StreamShard(const StreamShard&) = delete;
  StreamShard& operator=(const StreamShard&) = delete;

  Shard& shard() { return shard_; }

  void add(StreamSubscriber& stream);
  void remove(StreamSubscriber& stream);

  // Ends all streams, each at a random time within `over`, and every one that is added later.
  void drain(std::chrono::milliseconds over);
  bool draining() const { return draining_; }

  // The frames of a run; those of the run asked for last are kept, as the hub hands one to all its
  // subscribers before the next. Valid until the next call.
  std::span<const StreamFramePtr> frames(std::span<const PublicationPtr> run, WireFormat format);

 private:
  void sample_queues();

  // Constant after construction.
  Shard& shard_;
  Histogram& queue_bytes_;

  // This shard only.
  std::unordered_set<StreamSubscriber*> streams_;
  bool draining_ = false;
  std::size_t next_sampled_ = 0;  // a bucket of streams_
  std::vector<PublicationPtr> current_;
  std::array<std::vector<StreamFramePtr>, 2> frames_;  // of current_, or empty: JSON, Value
  std::minstd_rand random_{std::random_device{}()};
};

// The frame of bytes that stand for themselves.
StreamFramePtr make_frame(const std::string& bytes);
// The frame of a publication; it refers to the publication's own bytes, and keeps it alive.
// Requires: one of the two formats of gRPC.
StreamFramePtr make_frame(const PublicationPtr& publication, WireFormat format);

}  // namespace notifications::server
