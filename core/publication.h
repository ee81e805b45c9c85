#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "core/envelope.h"
#include "core/frame_arena.h"
#include "core/position.h"

namespace notifications {

// The forms in which an event leaves the gateway; each is encoded at most once per event.
enum class WireFormat { kSocketIo, kSse, kSseEnvelope, kGrpcJson, kGrpcValue };
inline constexpr int kWireFormats = 5;

// Publication is an envelope on its way out: immutable, shared by pointer, with its wire forms.
//
// Thread: any. A wire form is made by the first thread that asks for it and shared from then on.
class Publication {
 public:
  using Encoder = std::string (*)(const Publication&);

  // `text` is the envelope's JSON text as received; `position` is empty with the journal off.
  Publication(Envelope envelope, std::string text, std::string position,
              std::chrono::steady_clock::time_point received_at);
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;

  const Envelope& envelope() const { return envelope_; }
  const std::string& text() const { return text_; }
  const std::string& position() const { return position_; }
  // The id within the position; 0-0 with the journal off.
  const StreamId& stream_id() const { return stream_id_; }
  // When the broker handed it to this process.
  std::chrono::steady_clock::time_point received_at() const { return received_at_; }

  // The complete bytes of one wire form, made by `encode` on the first call for `format`, in
  // `arena` if there is one: frames of neighbouring events are neighbours there.
  // Requires: the same encoder for a format in the whole process.
  // The bytes live as long as the publication, or as their owner.
  const SharedBytes& frame(WireFormat format, Encoder encode, FrameArena* arena) const;
  std::string_view frame(WireFormat format, Encoder encode) const {
    return frame(format, encode, nullptr).bytes;
  }

 private:
  struct Frame {
    std::atomic<bool> ready = false;
    std::once_flag once;
    SharedBytes shared;
  };

  // Constant after construction.
  Envelope envelope_;
  std::string text_;
  std::string position_;
  StreamId stream_id_;
  std::chrono::steady_clock::time_point received_at_;
  // Each written once under its once_flag.
  mutable std::array<Frame, kWireFormats> frames_;
};

using PublicationPtr = std::shared_ptr<const Publication>;

}  // namespace notifications
