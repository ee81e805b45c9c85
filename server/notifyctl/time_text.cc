#include "server/notifyctl/time_text.h"

#include <cstdio>
#include <ctime>

namespace notifications::notifyctl {

std::string time_text(const google::protobuf::Timestamp& time) {
  const std::time_t seconds = time.seconds();
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "";
  // strftime writes the year 1 as "1".
  char date[64];
  std::snprintf(date, sizeof date, "%04d-%02d-%02dT%02d:%02d:%02d", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, "%09d", static_cast<int>(time.nanos()));
  std::string digits = fraction;
  while (digits.size() > 3 && digits.compare(digits.size() - 3, 3, "000") == 0)
    digits.resize(digits.size() - 3);
  return std::string(date) + "." + digits + "Z";
}

}  // namespace notifications::notifyctl
