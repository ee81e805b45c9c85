#include "server/notifyctl/time_text.h"

#include <cstdio>
#include <ctime>

namespace notifications::notifyctl {

std::string time_text(const google::protobuf::Timestamp& time) {
  const std::time_t seconds = time.seconds();
  std::tm parts{};
  char date[32];
  if (gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(date, sizeof date, "%FT%T", &parts) == 0)
    return "";
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, "%09d", static_cast<int>(time.nanos()));
  std::string digits = fraction;
  while (digits.size() > 3 && digits.compare(digits.size() - 3, 3, "000") == 0)
    digits.resize(digits.size() - 3);
  return std::string(date) + "." + digits + "Z";
}

}  // namespace notifications::notifyctl
