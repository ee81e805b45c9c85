#pragma once

#include <algorithm>
#include <chrono>
#include <string_view>

#include "core/envelope_codec.h"

namespace notifications {

// Seconds since an event's ts, by this host's clock; the clock of another host may make an event
// look younger than new, which counts as 0. Requires: is_valid_timestamp(ts). Thread: any.
inline double event_age_seconds(std::string_view ts) {
  const UnixTime then = to_unix_time(ts);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const double age = std::chrono::duration<double>(now).count() -
                     static_cast<double>(then.seconds) - static_cast<double>(then.nanos) * 1e-9;
  return std::max(age, 0.0);
}

}  // namespace notifications
