#include "compose/platform-server/api.h"

#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <utility>

namespace platform {
namespace {

using notifications::Publisher;

constexpr std::string_view kEvents = "/api/events/";
// Beyond the publisher's own limit for an answer, so that its verdict comes first.
constexpr std::chrono::seconds kAnswerTimeout{15};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

Response problem(int status, std::string_view text) {
  return {status, "application/json", "{\"error\":" + quoted(text) + "}\n"};
}

std::string member(const char* name, std::uint64_t value) {
  return quoted(name) + ":" + std::to_string(value);
}

}  // namespace

Response Api::answer(Request request) {
  const bool get = request.method == "GET" || request.method == "HEAD";
  if (request.path.substr(0, kEvents.size()) == kEvents) {
    if (request.method != "POST") return problem(405, "only POST");
    return publish(std::string(request.path.substr(kEvents.size())), request);
  }
  if (!get) return problem(404, "no such page");
  if (request.path == "/api/status") return status();
  if (request.path == "/healthz") return {200, "text/plain; charset=utf-8", "ok\n"};
  if (request.path == "/") {
    return {200, "text/html; charset=utf-8",
            "<!doctype html><title>platform</title><p>platform server</p>\n"};
  }
  return problem(404, "no such page");
}

Response Api::publish(std::string event, Request& request) {
  // Shared with the callback, which may come after we have stopped to wait.
  const auto promise = std::make_shared<std::promise<Publisher::Delivery>>();
  auto delivered = promise->get_future();
  const auto receipt = publisher_.publish(
      std::move(request.rooms), std::move(event), std::move(request.body),
      [promise](const Publisher::Delivery& delivery) { promise->set_value(delivery); });
  if (!receipt) {
    return problem(receipt.admission == Publisher::Admission::kInvalid ? 400 : 503, receipt.error);
  }
  if (delivered.wait_for(kAnswerTimeout) != std::future_status::ready) {
    return problem(503, "no answer from Redis");
  }
  const Publisher::Delivery delivery = delivered.get();
  if (delivery.status != Publisher::DeliveryStatus::kDelivered)
    return problem(503, delivery.detail);
  return {200, "application/json",
          "{\"id\":" + quoted(delivery.id) + "," +
              member("receivers", static_cast<std::uint64_t>(delivery.receivers)) + "}\n"};
}

Response Api::status() const {
  const Publisher::Counters counters = publisher_.counters();
  return {200, "application/json",
          std::string("{\"connected\":") + (counters.connected ? "true" : "false") + "," +
              member("accepted", counters.accepted) + "," +
              member("delivered", counters.delivered) + "," + member("refused", counters.refused) +
              "," + member("unknown", counters.unknown) + "," +
              member("queued", counters.queued_events) + "}\n"};
}

}  // namespace platform
