#pragma once

#include <chrono>
#include <cstdint>

namespace notifications {

// How a broker keeps its journal. See: CONTRACT section 1, the settings of the same names.
struct JournalOptions {
  std::uint64_t max_length = 1'000'000;  // entries
  std::chrono::milliseconds retention{15 * 60 * 1000};
  bool legacy = true;  // append what was only PUBLISHed
  std::chrono::milliseconds idempotency_window{5 * 60 * 1000};
  std::chrono::milliseconds session_ttl{2 * 60 * 1000};
  std::uint64_t warm_bytes = 64ull << 20;  // of recent entries read at the start

  // How long a session's record is kept once written: whoever holds it writes it again every third
  // of the time to live, which counts from the end of the connection.
  std::chrono::milliseconds record_lifetime() const {
    return session_ttl * 4 / 3 + std::chrono::seconds(2);
  }
};

}  // namespace notifications
