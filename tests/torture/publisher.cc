// Publishes what it is told on stdin through publisher-client, with the journal on.
//
//     torture-publisher REDIS_URL RETENTION_MS
//
// A line is "<key> <room>[,<room>...] <payload>"; for each, "<key> delivered <position>" or
// "<key> <what else became of it>" is written to stdout. Ends with stdin.

#include "notifications/publisher.h"

#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using notifications::Publisher;

const char* name(Publisher::DeliveryStatus status) {
  switch (status) {
    case Publisher::DeliveryStatus::kDelivered:
      return "delivered";
    case Publisher::DeliveryStatus::kRefused:
      return "refused";
    case Publisher::DeliveryStatus::kUnknown:
      return "unknown";
    case Publisher::DeliveryStatus::kNotSent:
      return "not_sent";
    case Publisher::DeliveryStatus::kSuperseded:
      return "superseded";
  }
  return "?";
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) out.push_back(part);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Publisher::Options options;
  options.redis_url = argv[1];
  options.journal = true;
  options.journal_retention = std::chrono::milliseconds(std::stoll(argv[2]));
  options.source = "torture";
  options.answer_timeout = std::chrono::seconds(2);
  options.reconnect_max = std::chrono::seconds(1);
  options.close_timeout = std::chrono::seconds(15);
  Publisher publisher(std::move(options));
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string key, rooms, payload;
    in >> key >> rooms;
    std::getline(in >> std::ws, payload);
    const auto receipt = publisher.publish(
        split(rooms), "torture", payload, [key](const Publisher::Delivery& delivery) {
          std::printf("%s %s %s\n", key.c_str(), name(delivery.status), delivery.position.c_str());
          std::fflush(stdout);
        });
    if (!receipt) std::printf("%s invalid %s\n", key.c_str(), receipt.error.c_str());
  }
  publisher.close();
  return 0;
}
