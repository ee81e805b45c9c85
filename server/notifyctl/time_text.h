#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <string>

namespace notifications::notifyctl {

// ISO 8601 in UTC: "2026-02-19T12:00:00.000Z", with 3, 6 or 9 digits as needed.
std::string time_text(const google::protobuf::Timestamp& time);

}  // namespace notifications::notifyctl
