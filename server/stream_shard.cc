#include "server/stream_shard.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <cassert>

#include "server/stream_frame.h"
#include "server/stream_subscriber.h"

namespace notifications::server {
namespace {

// Buckets of streams whose queues are looked at in a second, in turn: what it costs does not grow
// with the streams.
constexpr std::size_t kSampledBuckets = 64;

}  // namespace

StreamFramePtr make_frame(const PublicationPtr& publication, WireFormat format) {
  assert(format == WireFormat::kGrpcJson || format == WireFormat::kGrpcValue);
  const auto encoder =
      format == WireFormat::kGrpcValue ? encode_value_response : encode_json_response;
  const std::string_view bytes = publication->frame(format, encoder);
  // gRPC wants a mutable pointer and never writes through it.
  const grpc::Slice slice(
      const_cast<char*>(bytes.data()), bytes.size(),
      [](void* keep) { delete static_cast<PublicationPtr*>(keep); },
      new PublicationPtr(publication));
  return std::make_shared<const StreamFrame>(
      StreamFrame{grpc::ByteBuffer(&slice, 1), bytes.size()});
}

StreamFramePtr make_frame(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return std::make_shared<const StreamFrame>(
      StreamFrame{grpc::ByteBuffer(&slice, 1), bytes.size()});
}

StreamShard::StreamShard(Shard& shard, Histogram& queue_bytes)
    : shard_(shard), queue_bytes_(queue_bytes) {
  shard.every_second([this] { sample_queues(); });
  shard.on_gap([this](const Position& after, const Position& resumes_at) {
    const StreamFramePtr gap = make_frame(encode_gap_response(after.text(), resumes_at.text()));
    for (StreamSubscriber* stream : streams_) stream->on_gap(gap);
  });
}

void StreamShard::sample_queues() {
  const std::size_t buckets = streams_.bucket_count();
  for (std::size_t i = 0; i < std::min(buckets, kSampledBuckets); ++i) {
    const std::size_t bucket = next_sampled_++ % buckets;
    for (auto stream = streams_.begin(bucket); stream != streams_.end(bucket); ++stream) {
      queue_bytes_.observe(static_cast<double>((*stream)->queued_bytes()));
    }
  }
}

void StreamShard::add(StreamSubscriber& stream) { streams_.insert(&stream); }

void StreamShard::remove(StreamSubscriber& stream) { streams_.erase(&stream); }

void StreamShard::drain(std::chrono::milliseconds over) {
  draining_ = true;
  std::uniform_int_distribution<std::chrono::milliseconds::rep> delay(0, over.count());
  const auto now = shard_.now();
  for (StreamSubscriber* stream : streams_)
    stream->drain_at(now + std::chrono::milliseconds(delay(random_)));
}

std::span<const StreamFramePtr> StreamShard::frames(std::span<const PublicationPtr> run,
                                                    WireFormat format) {
  // Those at hand are kept alive, so no others can have their addresses.
  if (!std::equal(run.begin(), run.end(), current_.begin(), current_.end())) {
    current_.assign(run.begin(), run.end());
    for (auto& frames : frames_) frames.clear();
  }
  std::vector<StreamFramePtr>& frames = frames_[format == WireFormat::kGrpcValue ? 1 : 0];
  if (frames.empty()) {
    for (const PublicationPtr& publication : run) {
      frames.push_back(make_frame(publication, format));
    }
  }
  return frames;
}

}  // namespace notifications::server
