#include "server/notifyctl/time_text.h"

#include <gtest/gtest.h>

#include "core/envelope_codec.h"

namespace notifications::notifyctl {
namespace {

std::string through_protobuf(std::string_view ts) {
  const UnixTime time = to_unix_time(ts);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(time.seconds);
  timestamp.set_nanos(time.nanos);
  return time_text(timestamp);
}

TEST(TimeText, WritesWhatTheEnvelopeHeld) {
  for (const char* ts :
       {"2026-02-19T12:00:00.000Z", "2026-02-19T12:00:00.123456Z", "2024-02-29T23:59:59.000000001Z",
        "1969-12-31T23:59:59.500Z", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"}) {
    EXPECT_EQ(through_protobuf(ts), ts);
  }
}

}  // namespace
}  // namespace notifications::notifyctl
