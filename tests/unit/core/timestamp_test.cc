#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "core/envelope_codec.h"

namespace notifications {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

TEST(Timestamp, AcceptsRealDatesInUtc) {
  for (const char* ts :
       {"2026-02-19T12:00:00Z", "2026-02-19T12:00:00.0Z", "2026-02-19T12:00:00.000Z",
        "2026-02-19T12:00:00.123456789012345678901234567890Z", "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999Z", "2024-02-29T00:00:00Z", "2000-02-29T00:00:00Z",
        "2400-02-29T00:00:00Z", "0000-02-29T00:00:00Z", "2026-01-31T00:00:00Z",
        "2026-04-30T00:00:00Z", "1969-12-31T23:59:59Z"}) {
    EXPECT_TRUE(is_valid_timestamp(ts)) << ts;
  }
}

TEST(Timestamp, RefusesDatesThatAreNotInTheCalendar) {
  for (const char* ts : {"2026-02-29T00:00:00Z", "2025-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
                         "2100-02-29T00:00:00Z", "2024-02-30T00:00:00Z", "2026-00-01T00:00:00Z",
                         "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
                         "2026-04-31T00:00:00Z", "2026-06-31T00:00:00Z", "2026-09-31T00:00:00Z",
                         "2026-11-31T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
                         "2026-01-01T00:00:60Z", "2026-01-01T99:00:00Z"}) {
    EXPECT_FALSE(is_valid_timestamp(ts)) << ts;
  }
}

TEST(Timestamp, RefusesEveryOtherForm) {
  for (const char* ts : {"",
                         "Z",
                         "2026-02-19",
                         "2026-02-19T12:00:00",
                         "2026-02-19T12:00:00z",
                         "2026-02-19t12:00:00Z",
                         "2026-02-19 12:00:00Z",
                         "2026-02-19T12:00:00+00:00",
                         "2026-02-19T12:00:00-00:00",
                         "2026-02-19T12:00:00.Z",
                         "2026-02-19T12:00:00.1.2Z",
                         "2026-02-19T12:00:00,5Z",
                         "2026-02-19T12:00:00.-1Z",
                         "2026-02-19T12:00:00.1aZ",
                         "2026-02-19T12:00:00.1ZZ",
                         "2026-02-19T12:00:00Z ",
                         " 2026-02-19T12:00:00Z",
                         "2026-02-19T12:00:00Z\n",
                         "2026-2-19T12:00:00Z",
                         "26-02-19T12:00:00Z",
                         "+02026-02-19T12:00:00Z",
                         "-2026-02-19T12:00:00Z",
                         "2026-02-19T1:00:00Z",
                         "2026-W08-4T12:00:00Z",
                         "2026-050T12:00:00Z",
                         "20260219T120000Z",
                         "2026/02/19T12:00:00Z",
                         "2026-02-19T12:00:0xZ",
                         "2026-02-19T12:00:00\xEF\xBC\x90Z",
                         "now"}) {
    EXPECT_FALSE(is_valid_timestamp(ts)) << ts;
  }
}

// The length of every month of leap and common years.
TEST(Timestamp, KnowsTheLastDayOfEveryMonth) {
  const int common[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (const int year : {1900, 2000, 2023, 2024, 2100}) {
    const bool leap = year == 2000 || year == 2024;
    for (int month = 1; month <= 12; ++month) {
      const int last = common[month - 1] + (leap && month == 2 ? 1 : 0);
      for (int day = 1; day <= 33; ++day) {
        char ts[40];
        std::snprintf(ts, sizeof ts, "%04d-%02d-%02dT00:00:00Z", year, month, day);
        EXPECT_EQ(is_valid_timestamp(ts), day <= last) << ts;
      }
    }
  }
}

TEST(Timestamp, CountsSecondsFromTheEpoch) {
  EXPECT_EQ(to_unix_time("1970-01-01T00:00:00Z").seconds, 0);
  EXPECT_EQ(to_unix_time("1970-01-01T00:00:01Z").seconds, 1);
  EXPECT_EQ(to_unix_time("1969-12-31T23:59:59Z").seconds, -1);
  EXPECT_EQ(to_unix_time("2000-02-29T12:34:56Z").seconds, 951827696);
  EXPECT_EQ(to_unix_time("2026-02-19T12:00:00Z").seconds, 1771502400);
  EXPECT_EQ(to_unix_time("2038-01-19T03:14:08Z").seconds, 2147483648);
  EXPECT_EQ(to_unix_time("0000-01-01T00:00:00Z").seconds, -62167219200);
  EXPECT_EQ(to_unix_time("0001-01-01T00:00:00Z").seconds, -62135596800);
  EXPECT_EQ(to_unix_time("9999-12-31T23:59:59Z").seconds, 253402300799);
}

TEST(Timestamp, CutsDigitsBeyondNanoseconds) {
  EXPECT_EQ(to_unix_time("2026-02-19T12:00:00Z").nanos, 0);
  EXPECT_EQ(to_unix_time("2026-02-19T12:00:00.5Z").nanos, 500'000'000);
  EXPECT_EQ(to_unix_time("2026-02-19T12:00:00.001Z").nanos, 1'000'000);
  EXPECT_EQ(to_unix_time("2026-02-19T12:00:00.123456789Z").nanos, 123'456'789);
  EXPECT_EQ(to_unix_time("2026-02-19T12:00:00.1234567899999Z").nanos, 123'456'789);
  EXPECT_EQ(to_unix_time("2026-02-19T12:00:00.999999999999Z").nanos, 999'999'999);
  EXPECT_EQ(to_unix_time("1969-12-31T23:59:59.25Z").nanos, 250'000'000);
}

TEST(Timestamp, IsWrittenInMilliseconds) {
  const auto text = [](std::int64_t ms) {
    return format_timestamp(system_clock::time_point(milliseconds(ms)));
  };
  EXPECT_EQ(text(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(text(1771502400007), "2026-02-19T12:00:00.007Z");
  EXPECT_EQ(text(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(text(-1000), "1969-12-31T23:59:59.000Z");
}

TEST(Timestamp, ReadsBackWhatItWrote) {
  for (const std::int64_t ms : {0ll, 1ll, 951827696789ll, 1771502400999ll, 4102444800000ll}) {
    const std::string ts = format_timestamp(system_clock::time_point(milliseconds(ms)));
    ASSERT_TRUE(is_valid_timestamp(ts)) << ts;
    const UnixTime time = to_unix_time(ts);
    EXPECT_EQ(time.seconds * 1000 + time.nanos / 1'000'000, ms);
  }
}

}  // namespace
}  // namespace notifications
