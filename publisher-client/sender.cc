#include "publisher-client/sender.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/envelope_codec.h"
#include "publisher-client/redis_command.h"

namespace notifications::publishing {

Sender::Sender(boost::asio::io_context& io, Options options, LinkState& link, EventQueue& queue)
    : options_(std::move(options)),
      link_(link),
      queue_(queue),
      metrics_timer_(io),
      answer_timer_(io),
      connection_(io, options_.connection, callbacks()) {}

redis::Connection::Callbacks Sender::callbacks() {
  redis::Connection::Callbacks callbacks;
  callbacks.on_up = [this] { on_up(); };
  callbacks.on_down = [this](std::string_view why, std::chrono::milliseconds) { on_down(why); };
  return callbacks;
}

void Sender::start() { connection_.start(); }

void Sender::wake() {
  take_work();
  send_what_fits();
}

void Sender::stop() {
  stopping_ = true;
  metrics_timer_.cancel();
  answer_timer_.cancel();
  connection_.stop();
  link_.connected = false;
  // Callbacks may still try to publish: the queue is closed, so this is all there will ever be.
  take_work();
  const redis::Reply not_sent{redis::Reply::Kind::kNotSent, {}, 0, {}};
  while (!waiting_.empty()) {
    const QueuedEvent event = std::move(waiting_.front().event);
    waiting_.pop_front();
    report(event, read_answer(event, not_sent));
  }
}

void Sender::on_up() {
  link_.connected = true;
  ++link_.connects;
  if (options_.log) {
    options_.log("connected to redis at " + options_.connection.url.redacted());
  }
  told_down_ = false;
  send_what_fits();
}

void Sender::on_down(std::string_view why) {
  link_.connected = false;
  // Every failed attempt comes by here: one line for each outage is enough.
  if (options_.log && !std::exchange(told_down_, true)) {
    options_.log("redis at " + options_.connection.url.redacted() +
                 " is away, trying again: " + std::string(why));
  }
}

void Sender::take_work() {
  EventQueue::Work work = queue_.take(std::chrono::steady_clock::now());
  // The metrics last: their thread's creation must not come behind them.
  for (QueuedEvent& event : work.ready) enqueue(std::move(event));
  for (PendingMetric& metric : work.due) enqueue(encode(std::move(metric)));
  if (work.next_due && !stopping_) come_back_at(*work.next_due);
  // Last, as callbacks may publish.
  for (const QueuedEvent& event : work.superseded) {
    report(event, {Publisher::DeliveryStatus::kSuperseded, event.id,
                   "a later value of the same thread took its place", 0});
  }
}

void Sender::enqueue(QueuedEvent event) { waiting_.push_back({next_number_++, std::move(event)}); }

// The ts says when it leaves the coalescer: consumers take it for the time of publishing.
QueuedEvent Sender::encode(PendingMetric metric) {
  metric.envelope.ts = format_timestamp(options_.clock());
  metric.event.text = encode_envelope(metric.envelope);
  return std::move(metric.event);
}

bool Sender::wire_has_room() const {
  if (on_wire_.empty()) return true;  // one event goes whatever its size
  return on_wire_.size() < options_.max_in_flight_events &&
         bytes_on_wire_ + waiting_.front().event.text.size() <= options_.max_in_flight_bytes;
}

void Sender::send_what_fits() {
  while (!stopping_ && connection_.up() && !waiting_.empty() && wire_has_room()) {
    const std::uint64_t number = waiting_.front().number;
    const auto sent = on_wire_.emplace(
        number, OnWire{std::move(waiting_.front().event), std::chrono::steady_clock::now()});
    waiting_.pop_front();
    const QueuedEvent& event = sent.first->second.event;
    bytes_on_wire_ += event.text.size();
    connection_.send(redis_command(options_.channel, event),
                     [this, number](redis::Reply reply) { on_answer(number, reply); });
    watch_oldest_answer();
  }
}

void Sender::on_answer(std::uint64_t number, const redis::Reply& reply) {
  auto node = on_wire_.extract(number);
  QueuedEvent event = std::move(node.mapped().event);
  bytes_on_wire_ -= event.text.size();
  if (reply.kind == redis::Reply::Kind::kNotSent && !stopping_) {
    send_later(number, std::move(event));
  } else {
    report(event, read_answer(event, reply));
  }
  send_what_fits();
}

// Nothing of it was written, so it keeps its place in the order.
void Sender::send_later(std::uint64_t number, QueuedEvent event) {
  const auto place =
      std::find_if(waiting_.begin(), waiting_.end(),
                   [number](const Numbered& other) { return other.number > number; });
  waiting_.insert(place, {number, std::move(event)});
}

void Sender::report(const QueuedEvent& event, Publisher::Delivery delivery) {
  queue_.release(event, delivery.status);
  if (event.on_delivery) event.on_delivery(delivery);
  queue_.reported(event);
}

void Sender::come_back_at(Time due) {
  metrics_timer_.expires_at(due);  // cancels the wait before
  metrics_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) wake();
  });
}

// Redis may hang without closing: an answer that does not come in time ends the connection.
void Sender::watch_oldest_answer() {
  if (on_wire_.empty() || std::exchange(watching_, true)) return;
  answer_timer_.expires_at(on_wire_.begin()->second.sent_at + options_.answer_timeout);
  answer_timer_.async_wait([this](const boost::system::error_code& error) {
    watching_ = false;
    if (error || stopping_ || on_wire_.empty()) return;
    const Time oldest = on_wire_.begin()->second.sent_at;
    if (std::chrono::steady_clock::now() - oldest >= options_.answer_timeout) {
      connection_.reset("no answer within " + std::to_string(options_.answer_timeout.count()) +
                        "ms");
    }
    watch_oldest_answer();
  });
}

}  // namespace notifications::publishing
