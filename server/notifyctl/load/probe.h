#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace notifications::load {

// Microseconds of the monotonic clock, shifted so that for centuries it has sixteen digits and fits
// a JSON number.
std::uint64_t probe_clock();

// ProbeText writes and reads the events of a measurement. Each carries a number that counts up in
// its room and the time it was published:
//
//     {"seq":1000000001,"at":1000000012345678,"pad":"xxx..."}
//
// All have the same length, so that every peer and the floor move the same bytes.
//
// Thread: any.
class ProbeText {
 public:
  static constexpr std::string_view kEvent = "bench";
  static constexpr std::uint64_t kFirst = 1'000'000'001;

  // `payload_size`: bytes of the payload's text; less than the fixed part means just that.
  explicit ProbeText(std::size_t payload_size);

  std::string payload(std::uint64_t sequence, std::uint64_t at) const;
  // The Socket.IO packet in which it reaches a client (journal off).
  std::string packet(std::uint64_t sequence, std::uint64_t at) const;

  struct Seen {
    std::uint64_t sequence;
    std::uint64_t at;
  };
  // Reads a packet, with or without a position behind the payload. Nothing if a single byte is not
  // as it was published.
  std::optional<Seen> read(std::string_view packet) const;
  std::optional<Seen> read_payload(std::string_view payload) const;

 private:
  // Takes a payload from the front of `text`.
  std::optional<Seen> take_payload(std::string_view& text) const;

  // Constant after construction.
  std::string head_;  // `42["bench",`
  std::string tail_;  // what follows the time, to the end of the payload
};

}  // namespace notifications::load
