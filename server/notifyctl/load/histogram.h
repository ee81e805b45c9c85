#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace notifications::load {

// LatencyHistogram counts times in buckets that are some 3 % wide, so that recording costs nothing
// to speak of and quantiles of millions of deliveries fit a few kilobytes.
//
// Thread: any one.
class LatencyHistogram {
 public:
  void record(std::uint64_t microseconds) {
    ++buckets_[bucket_of(microseconds)];
    ++count_;
    largest_ = std::max(largest_, microseconds);
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t largest() const { return largest_; }

  // The time below which the given share of all lies, in microseconds; 0 if there are none.
  // Requires: 0 to 1.
  std::uint64_t quantile(double share) const {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (seen > rank) return std::min(upper_bound_of(i), largest_);
    }
    return largest_;
  }

  void clear() { *this = LatencyHistogram(); }

 private:
  // Values below kLinear have a bucket each; above, each power of two is cut into kLinear / 2.
  static constexpr std::uint64_t kLinear = 64;
  static constexpr int kLinearBits = 6;
  static constexpr std::size_t kBuckets = kLinear + (64 - kLinearBits) * kLinear / 2;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kLinear) return value;
    const int shift = std::bit_width(value) - kLinearBits;
    return static_cast<std::size_t>(shift) * (kLinear / 2) + (value >> shift);
  }
  static std::uint64_t upper_bound_of(std::size_t bucket) {
    if (bucket < kLinear) return bucket;
    const std::size_t shift = (bucket - kLinear / 2) / (kLinear / 2);
    return ((bucket - shift * (kLinear / 2) + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t largest_ = 0;
};

}  // namespace notifications::load
