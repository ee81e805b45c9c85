// publish-example: publishes each of the platform's events once and says what became of it.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <string>
#include <string_view>

#include "notifications/publisher.h"

namespace {

using notifications::Publisher;

constexpr std::string_view kUsage =
    "usage: publish-example [--redis_url=URL] [--channel=NAME] [--timeout_ms=N]\n"
    "Publishes each of the platform's 13 events once.\n"
    "  --redis_url   default redis://127.0.0.1:6379/0\n"
    "  --channel     default notifications.v1\n"
    "  --timeout_ms  how long to wait for Redis, default 5000\n";

struct Settings {
  Publisher::Options publisher;
  std::chrono::milliseconds timeout{5000};
};

// True if `argument` is `--name=value`, which it then reads.
bool read_flag(std::string_view argument, std::string_view name, std::string& value) {
  if (argument.substr(0, name.size()) != name) return false;
  value = argument.substr(name.size());
  return true;
}

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", std::gmtime(&seconds));
  return text;
}

// Counts what went wrong and prints one line for each event.
class Report {
 public:
  // Thread: the publisher's.
  Publisher::OnDelivery delivery_of(std::string event) {
    return [this, event](const Publisher::Delivery& delivery) {
      if (delivery.status == Publisher::DeliveryStatus::kDelivered) {
        std::printf("%s delivered as %s\n", event.c_str(), delivery.id.c_str());
      } else {
        ++failures_;
        std::fprintf(stderr, "%s not delivered: %s\n", event.c_str(), delivery.detail.c_str());
      }
    };
  }

  void add(std::string_view event, const Publisher::Receipt& receipt) {
    if (receipt) return;
    ++failures_;
    std::fprintf(stderr, "%.*s not accepted: %s\n", static_cast<int>(event.size()), event.data(),
                 receipt.error.c_str());
  }

  int failures() const { return failures_; }

 private:
  std::atomic<int> failures_ = 0;
};

void publish_all(Publisher& publisher, Report& report) {
  const std::string ts = now();
  const auto heard = [&report](const char* event) { return report.delivery_of(event); };

  report.add("node_status",
             publisher.node_status(
                 {.node_id = "42", .provision_status = {.state = "ready"}, .updated_at = ts},
                 heard("node_status")));
  report.add("node_state",
             publisher.node_state(
                 {.node_id = "42", .state = {R"({"model":"large","tools":3})"}, .updated_at = ts},
                 heard("node_state")));
  report.add("node_reminder_count",
             publisher.node_reminder_count({.node_id = "42", .count = 2, .updated_at = ts},
                                           heard("node_reminder_count")));

  notifications::events::Thread thread{
      .id = "7", .alias = "invoices", .status = "open", .created_at = ts};
  report.add("thread_created", publisher.thread_created(thread, heard("thread_created")));
  thread.summary = "Which invoices are overdue?";
  report.add("thread_updated", publisher.thread_updated(thread, heard("thread_updated")));
  report.add("thread_activity_changed",
             publisher.thread_activity_changed({.thread_id = "7", .activity = "working"},
                                               heard("thread_activity_changed")));
  report.add("thread_reminders_count",
             publisher.thread_reminders_count({.thread_id = "7", .reminders_count = 1},
                                              heard("thread_reminders_count")));
  report.add("message_created", publisher.message_created({.thread_id = "7",
                                                           .id = "m-1",
                                                           .kind = "user",
                                                           .text = "Which invoices are overdue?",
                                                           .source = "web",
                                                           .created_at = ts},
                                                          heard("message_created")));

  report.add("run_status_changed", publisher.run_status_changed({.thread_id = "7",
                                                                 .run_id = "r-1",
                                                                 .status = "running",
                                                                 .created_at = ts,
                                                                 .updated_at = ts},
                                                                heard("run_status_changed")));
  notifications::events::RunEvent call{.run_id = "r-1",
                                       .thread_id = "7",
                                       .mutation = "append",
                                       .event = {R"({"id":"e-1","type":"tool_execution"})"}};
  report.add("run_event_appended", publisher.run_event_appended(call, heard("run_event_appended")));
  report.add("tool_output_chunk", publisher.tool_output_chunk({.run_id = "r-1",
                                                               .thread_id = "7",
                                                               .event_id = "e-1",
                                                               .seq_global = 1,
                                                               .seq_stream = 1,
                                                               .source = "stdout",
                                                               .ts = ts,
                                                               .data = "3 overdue\n"},
                                                              heard("tool_output_chunk")));
  report.add("tool_output_terminal", publisher.tool_output_terminal({.run_id = "r-1",
                                                                     .thread_id = "7",
                                                                     .event_id = "e-1",
                                                                     .exit_code = 0,
                                                                     .status = "success",
                                                                     .bytes_stdout = 10,
                                                                     .total_chunks = 1,
                                                                     .ts = ts},
                                                                    heard("tool_output_terminal")));
  call.mutation = "update";
  report.add("run_event_updated", publisher.run_event_updated(call, heard("run_event_updated")));
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  std::string timeout;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help") {
      std::fwrite(kUsage.data(), 1, kUsage.size(), stdout);
      return 0;
    }
    if (!read_flag(argument, "--redis_url=", settings.publisher.redis_url) &&
        !read_flag(argument, "--channel=", settings.publisher.channel) &&
        !read_flag(argument, "--timeout_ms=", timeout)) {
      std::fprintf(stderr, "publish-example: unknown flag %s; --help shows the flags\n", argv[i]);
      return 2;
    }
  }
  if (!timeout.empty()) {
    if (timeout.size() > 9 || timeout.find_first_not_of("0123456789") != std::string::npos) {
      std::fprintf(stderr, "publish-example: --timeout_ms: %s is not a number of milliseconds\n",
                   timeout.c_str());
      return 2;
    }
    settings.timeout = std::chrono::milliseconds(std::stol(timeout));
  }
  // What Redis did not take in time is given up at once.
  settings.publisher.close_timeout = std::chrono::milliseconds(0);
  settings.publisher.log = [](std::string_view line) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  };
  try {
    Report report;
    Publisher publisher(settings.publisher);
    publish_all(publisher, report);
    publisher.flush(settings.timeout);
    publisher.close();
    return report.failures() == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "publish-example: %s\n", error.what());
    return 2;
  }
}
