#include "server/publish_call.h"

#include <gtest/gtest.h>

namespace notifications::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::chrono::system_clock::time_point kSystemNow{seconds(1'000'000)};
const std::chrono::steady_clock::time_point kSteadyNow{seconds(77)};

// How long the broker gets for a caller that waits for `left`.
std::chrono::nanoseconds time_for(milliseconds left) {
  return publish_deadline(kSystemNow + left, kSystemNow, kSteadyNow) - kSteadyNow;
}

grpc::StatusCode code(PublishStatus status, const std::string& detail = "") {
  return status_of(PublishOutcome{status, detail, "", ""}).error_code();
}

TEST(PublishDeadline, IsTenSecondsWithoutOne) {
  EXPECT_EQ(publish_deadline(std::chrono::system_clock::time_point::max(), kSystemNow, kSteadyNow),
            kSteadyNow + seconds(10));
  EXPECT_EQ(time_for(seconds(3600)), seconds(10));
}

TEST(PublishDeadline, IsJustBeforeTheCallers) {
  EXPECT_EQ(time_for(seconds(5)), milliseconds(4900));
  EXPECT_EQ(time_for(milliseconds(100)), milliseconds(80));
  EXPECT_EQ(time_for(milliseconds(0)), milliseconds(0));
  EXPECT_EQ(time_for(milliseconds(-500)), milliseconds(0));
}

TEST(PublishStatusOf, TellsWhatARetryMayHeal) {
  using grpc::StatusCode;
  EXPECT_EQ(code(PublishStatus::kUnavailable), StatusCode::UNAVAILABLE);
  EXPECT_EQ(code(PublishStatus::kTimedOut), StatusCode::UNAVAILABLE);
  EXPECT_EQ(code(PublishStatus::kRefused, "LOADING Redis is loading"), StatusCode::UNAVAILABLE);
  EXPECT_EQ(code(PublishStatus::kRefused, "OOM command not allowed"), StatusCode::UNAVAILABLE);
  EXPECT_EQ(code(PublishStatus::kRefused, "NOPERM no permissions"),
            StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status_of({PublishStatus::kRefused, "NOPERM x", "", ""}).error_message(),
            "the broker refused the event: NOPERM x");
}

}  // namespace
}  // namespace notifications::server
