#include "core/publication.h"

#include <utility>

namespace notifications {

Publication::Publication(Envelope envelope, std::string text, std::string position,
                         std::chrono::steady_clock::time_point received_at)
    : envelope_(std::move(envelope)),
      text_(std::move(text)),
      position_(std::move(position)),
      stream_id_(parse_position(position_).value_or(Position{}).id),
      received_at_(received_at) {}

const SharedBytes& Publication::frame(WireFormat format, Encoder encode, FrameArena* arena) const {
  Frame& frame = frames_[static_cast<std::size_t>(format)];
  // call_once costs a few nanoseconds even when done; this runs once per delivery.
  if (!frame.ready.load(std::memory_order_acquire)) {
    std::call_once(frame.once, [&] {
      std::string bytes = encode(*this);
      frame.shared = arena == nullptr ? SharedBytes(std::move(bytes)) : arena->place(bytes);
      frame.ready.store(true, std::memory_order_release);
    });
  }
  return frame.shared;
}

}  // namespace notifications
