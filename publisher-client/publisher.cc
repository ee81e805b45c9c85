#include "notifications/publisher.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include "core/envelope_codec.h"
#include "core/json/scanner.h"
#include "core/redis/url.h"
#include "core/uuid.h"
#include "publisher-client/event_builder.h"
#include "publisher-client/event_queue.h"
#include "publisher-client/private_thread.h"
#include "publisher-client/sender.h"

namespace notifications {

using publishing::BuildResult;
using publishing::BuiltEvent;
using publishing::Coalescer;
using publishing::EventQueue;
using publishing::LinkState;
using publishing::PendingMetric;
using publishing::PrivateThread;
using publishing::Sender;

namespace {

bool is_utf8(std::string_view text) {
  std::string encoded;
  json::append_string(encoded, text);
  return json::is_valid(encoded);
}

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

Publisher::Options checked(Publisher::Options options) {
  require(!options.channel.empty(), "channel: must not be empty");
  require(!options.source.empty(), "source: must not be empty");
  require(is_utf8(options.source), "source: must be valid UTF-8");
  require(options.max_queued_events > 0, "max_queued_events: must be 1 or more");
  require(options.max_in_flight_events > 0, "max_in_flight_events: must be 1 or more");
  require(options.coalesce_interval.count() >= 0, "coalesce_interval: must not be negative");
  require(options.close_timeout.count() >= 0, "close_timeout: must not be negative");
  require(options.connect_timeout.count() > 0, "connect_timeout: must be above 0");
  require(options.answer_timeout.count() > 0, "answer_timeout: must be above 0");
  require(options.reconnect_min.count() > 0, "reconnect_min: must be above 0");
  require(options.reconnect_max >= options.reconnect_min,
          "reconnect_max: must not be below reconnect_min");
  if (options.journal) {
    require(options.journal_max_length > 0, "journal_max_length: must be 1 or more");
    require(options.journal_retention.count() > 0, "journal_retention: must be above 0");
    require(options.idempotency_window > options.answer_timeout,
            "idempotency_window: must be above answer_timeout");
  }
  if (!options.clock) options.clock = std::chrono::system_clock::now;
  if (!options.new_id) options.new_id = new_uuid;
  return options;
}

Sender::Options sender_options(const Publisher::Options& options) {
  auto url = redis::parse_url(options.redis_url);
  if (!url) throw std::invalid_argument("redis_url: " + url.error().message);
  Sender::Options sender;
  sender.connection.url = *url;
  sender.connection.client_name = options.client_name;
  sender.connection.connect_timeout = options.connect_timeout;
  sender.connection.backoff_min = options.reconnect_min;
  sender.connection.backoff_max = options.reconnect_max;
  sender.channel = options.channel;
  if (options.journal) {
    sender.journal = JournalOptions{.max_length = options.journal_max_length,
                                    .retention = options.journal_retention,
                                    .idempotency_window = options.idempotency_window};
  }
  sender.max_in_flight_events = options.max_in_flight_events;
  sender.max_in_flight_bytes = options.max_in_flight_bytes;
  sender.answer_timeout = options.answer_timeout;
  sender.clock = options.clock;
  sender.log = options.log;
  return sender;
}

// The first rule that the envelope breaks, or "".
std::string problem_of(const Envelope& envelope) {
  json::Scanner payload(envelope.payload, kMaxPayloadDepth);
  std::string_view raw;
  if (!payload.skip_value(raw) || !payload.finish()) {
    return payload.too_deep() ? "payload: is nested too deep"
                              : "payload: must be valid JSON text: " + std::string(payload.error());
  }
  if (!is_utf8(envelope.event)) return "event: must be valid UTF-8";
  if (auto problem = check_envelope(envelope)) return problem->detail;
  return "";
}

}  // namespace

// Worker is the publisher behind its header: the admission of events on the callers' threads, and
// the private thread with its sender.
class Publisher::Worker {
 public:
  explicit Worker(Options options)
      : options_(checked(std::move(options))),
        queue_({options_.max_queued_events, options_.max_queued_bytes}, options_.coalesce_interval,
               [this] { wake(); }),
        sender_(std::in_place, thread_.io(), sender_options(options_), link_, queue_) {
    boost::asio::post(thread_.io(), [this] { sender_->start(); });
    thread_.start();
  }

  ~Worker() {
    close();
    sender_.reset();
    thread_.end();
  }

  Receipt accept(BuildResult built, OnDelivery on_delivery) {
    if (!built) return invalid(built.error().message);
    PendingMetric made = envelope_of(*std::move(built), std::move(on_delivery));
    if (std::string problem = encode(made); !problem.empty()) return invalid(std::move(problem));
    std::string id = made.event.id;
    return receipt(queue_.push(std::move(made.event)), std::move(id));
  }

  Receipt accept_metric(BuildResult built, std::string_view thread_id, OnDelivery on_delivery) {
    if (!built) return invalid(built.error().message);
    const std::string key = Coalescer::key(built->event, thread_id);
    PendingMetric made = envelope_of(*std::move(built), std::move(on_delivery));
    if (std::string problem = encode(made); !problem.empty()) return invalid(std::move(problem));
    std::string id = made.event.id;
    const auto now = std::chrono::steady_clock::now();
    return receipt(queue_.push_metric(key, std::move(made), now), std::move(id));
  }

  bool is_of_another_process() const { return process_ != getpid(); }

  bool flush(std::chrono::steady_clock::time_point deadline) {
    if (thread_.runs_here()) return queue_.idle();
    return queue_.flush(deadline);
  }

  void close() {
    const std::lock_guard lock(close_mutex_);
    if (std::exchange(closed_, true)) return;
    queue_.close();
    queue_.flush(std::chrono::steady_clock::now() + options_.close_timeout);
    boost::asio::post(thread_.io(), [this] {
      sender_->stop();
      thread_.io().stop();
    });
    thread_.wait_until_stopped();
  }

  Counters counters() const {
    Counters counters = queue_.counters();
    counters.connected = link_.connected;
    counters.connects = link_.connects;
    counters.journal_disagreement = link_.journal_disagreement;
    return counters;
  }

 private:
  void wake() {
    // After close() nobody runs it, and it goes away with the io_context.
    boost::asio::post(thread_.io(), [this] { sender_->wake(); });
  }

  PendingMetric envelope_of(BuiltEvent built, OnDelivery on_delivery) {
    PendingMetric made;
    made.envelope = {options_.new_id(),      format_timestamp(options_.clock()),
                     options_.source,        std::move(built.rooms),
                     std::move(built.event), std::move(built.payload)};
    made.event.id = made.envelope.id;
    made.event.on_delivery = std::move(on_delivery);
    return made;
  }

  // Writes the envelope's text; returns the first rule that it breaks, or "".
  static std::string encode(PendingMetric& made) {
    std::string problem = problem_of(made.envelope);
    if (!problem.empty()) return problem;
    made.event.ts = made.envelope.ts;
    made.event.text = encode_envelope(made.envelope);
    made.event.charged_bytes = made.event.text.size();
    if (made.event.text.size() <= kMaxEnvelopeBytes) return "";
    return "payload: makes the envelope longer than " + std::to_string(kMaxEnvelopeBytes) +
           " bytes";
  }

  Receipt invalid(std::string error) {
    queue_.count_invalid();
    return {Admission::kInvalid, {}, std::move(error)};
  }

  static Receipt receipt(Admission admission, std::string id) {
    switch (admission) {
      case Admission::kAccepted:
        return {admission, std::move(id), {}};
      case Admission::kQueueFull:
        return {admission, {}, "the queue is full"};
      default:
        return {admission, {}, "the publisher is closed"};
    }
  }

  // Constant after construction.
  const Options options_;
  const pid_t process_ = getpid();

  PrivateThread thread_;
  LinkState link_;
  EventQueue queue_;
  std::optional<Sender> sender_;  // private thread only
  std::mutex close_mutex_;
  bool closed_ = false;  // guarded by close_mutex_
};

Publisher::Publisher(Options options) : worker_(std::make_unique<Worker>(std::move(options))) {}
Publisher::Publisher() : Publisher(Options{}) {}
Publisher::~Publisher() {
  // A child has no private thread, which the end would wait for: all of it is left as it is.
  if (worker_->is_of_another_process()) static_cast<void>(worker_.release());
}

Publisher::Receipt Publisher::publish(std::vector<std::string> rooms, std::string event,
                                      std::string payload_json, OnDelivery on_delivery) {
  return worker_->accept(BuiltEvent{std::move(event), std::move(rooms), std::move(payload_json)},
                         std::move(on_delivery));
}

Publisher::Receipt Publisher::node_status(const events::NodeStatus& event, OnDelivery on_delivery) {
  return worker_->accept(publishing::build_node_status(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::node_state(const events::NodeState& event, OnDelivery on_delivery) {
  return worker_->accept(publishing::build_node_state(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::node_reminder_count(const events::NodeReminderCount& event,
                                                  OnDelivery on_delivery) {
  return worker_->accept(publishing::build_node_reminder_count(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::thread_created(const events::Thread& event, OnDelivery on_delivery) {
  return worker_->accept(publishing::build_thread_created(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::thread_updated(const events::Thread& event, OnDelivery on_delivery) {
  return worker_->accept(publishing::build_thread_updated(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::message_created(const events::Message& event,
                                              OnDelivery on_delivery) {
  return worker_->accept(publishing::build_message_created(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::run_status_changed(const events::RunStatus& event,
                                                 OnDelivery on_delivery) {
  return worker_->accept(publishing::build_run_status_changed(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::run_event_appended(const events::RunEvent& event,
                                                 OnDelivery on_delivery) {
  return worker_->accept(publishing::build_run_event_appended(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::run_event_updated(const events::RunEvent& event,
                                                OnDelivery on_delivery) {
  return worker_->accept(publishing::build_run_event_updated(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::tool_output_chunk(const events::ToolOutputChunk& event,
                                                OnDelivery on_delivery) {
  return worker_->accept(publishing::build_tool_output_chunk(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::tool_output_terminal(const events::ToolOutputTerminal& event,
                                                   OnDelivery on_delivery) {
  return worker_->accept(publishing::build_tool_output_terminal(event), std::move(on_delivery));
}

Publisher::Receipt Publisher::thread_activity_changed(const events::ThreadActivity& event,
                                                      OnDelivery on_delivery) {
  return worker_->accept_metric(publishing::build_thread_activity_changed(event), event.thread_id,
                                std::move(on_delivery));
}

Publisher::Receipt Publisher::thread_reminders_count(const events::ThreadRemindersCount& event,
                                                     OnDelivery on_delivery) {
  return worker_->accept_metric(publishing::build_thread_reminders_count(event), event.thread_id,
                                std::move(on_delivery));
}

bool Publisher::flush(std::chrono::steady_clock::time_point deadline) {
  return worker_->flush(deadline);
}

bool Publisher::flush(std::chrono::milliseconds timeout) {
  // A longer wait would overflow the clock; nobody will notice.
  constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24 * 365);
  return flush(std::chrono::steady_clock::now() + std::min(timeout, kLongest));
}

void Publisher::close() { worker_->close(); }

Publisher::Counters Publisher::counters() const { return worker_->counters(); }

}  // namespace notifications
