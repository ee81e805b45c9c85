#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace notifications {

// Bytes, and what keeps them alive.
struct SharedBytes {
  SharedBytes() = default;
  SharedBytes(std::shared_ptr<const void> keeper, std::string_view view)
      : owner(std::move(keeper)), bytes(view) {}
  explicit SharedBytes(std::string text) {
    const auto kept = std::make_shared<const std::string>(std::move(text));
    bytes = *kept;
    owner = kept;
  }

  std::shared_ptr<const void> owner;
  std::string_view bytes;
};

// FrameArena lays frames that are encoded one after the other side by side in memory, so that what
// is due to one socket leaves as one part of a gathered write: the kernel charges for each part.
//
// A block lives as long as a frame in it is wanted, so a consumer that lags behind by one small
// frame holds a block. Larger frames stand alone: their parts cost nothing beside their bytes.
//
// Thread: any one.
class FrameArena {
 public:
  static constexpr std::size_t kBlock = 64 * 1024;
  static constexpr std::size_t kLargest = kBlock / 8;

  SharedBytes place(std::string_view frame) {
    if (frame.size() > kLargest) return SharedBytes(std::string(frame));
    if (kBlock - used_ < frame.size() || block_ == nullptr) {
      block_ = std::shared_ptr<char[]>(new char[kBlock]);
      used_ = 0;
    }
    char* const at = block_.get() + used_;
    std::memcpy(at, frame.data(), frame.size());
    used_ += frame.size();
    return {block_, {at, frame.size()}};
  }

 private:
  std::shared_ptr<char[]> block_;
  std::size_t used_ = 0;
};

}  // namespace notifications
