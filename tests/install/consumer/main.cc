// Publishes one event to the Redis named by the first argument; exits with 0 if it was delivered.

#include <chrono>
#include <cstdio>
#include <string>

#include "notifications/publisher.h"

std::string own_names();

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  notifications::Publisher publisher({.redis_url = argv[1]});
  std::string fate = "no report";
  const auto receipt = publisher.node_status(
      {.node_id = "42", .provision_status = {.state = "ready"}},
      [&fate](const notifications::Publisher::Delivery& delivery) {
        fate = delivery.status == notifications::Publisher::DeliveryStatus::kDelivered
                   ? "delivered"
                   : delivery.detail;
      });
  if (!receipt) fate = receipt.error;
  publisher.flush(std::chrono::seconds(10));
  publisher.close();
  std::printf("%s, %s\n", fate.c_str(), own_names().c_str());
  return fate == "delivered" ? 0 : 1;
}
