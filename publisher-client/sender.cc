#include "publisher-client/sender.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "core/envelope_codec.h"

namespace notifications::publishing {
namespace {

const redis::Reply kNotSent{redis::Reply::Kind::kNotSent, {}, 0, {}};

}  // namespace

Sender::Sender(boost::asio::io_context& io, Options options, LinkState& link, EventQueue& queue)
    : options_(std::move(options)),
      link_(link),
      queue_(queue),
      // The last attempt has its answer while the id of the first is still known.
      retry_limit_(options_.journal ? options_.journal->idempotency_window - options_.answer_timeout
                                    : std::chrono::milliseconds(0)),
      metrics_timer_(io),
      answer_timer_(io),
      loss_timer_(io),
      scripts_(connection_),
      command_(io, connection_, scripts_, options_.channel, options_.journal),
      clock_(connection_),
      agreement_(io, connection_, options_.channel, options_.journal.has_value(),
                 link.journal_disagreement, options_.log),
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
  loss_timer_.cancel();
  agreement_.stop();
  connection_.stop();  // what was sent is answered first
  command_.stop();
  link_.connected = false;
  // Callbacks may still try to publish: the queue is closed, so this is all there will ever be.
  take_work();
  while (!waiting_.empty()) {
    const Numbered event = std::move(waiting_.front());
    waiting_.pop_front();
    report_unsent(event);
  }
}

void Sender::on_up() {
  link_.connected = true;
  ++link_.connects;
  if (options_.log) {
    options_.log("connected to redis at " + options_.connection.url.redacted());
  }
  told_down_ = false;
  scripts_.on_up();
  agreement_.on_up();
  if (options_.journal) return clock_.on_up([this] { send_what_fits(); });
  send_what_fits();
}

void Sender::on_down(std::string_view why) {
  link_.connected = false;
  command_.on_down();
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
                   "a later value of the same thread took its place", 0, ""});
  }
}

void Sender::enqueue(QueuedEvent event) {
  waiting_.push_back({next_number_++, std::move(event), {}});
}

// The ts says when it leaves the coalescer: consumers take it for the time of publishing.
QueuedEvent Sender::encode(PendingMetric metric) {
  metric.envelope.ts = format_timestamp(options_.clock());
  metric.event.ts = metric.envelope.ts;
  metric.event.text = encode_envelope(metric.envelope);
  return std::move(metric.event);
}

bool Sender::may_send() const {
  return !stopping_ && connection_.up() && (!options_.journal || clock_.ready());
}

bool Sender::wire_has_room() const {
  if (on_wire_.empty()) return true;  // one event goes whatever its size
  return on_wire_.size() < options_.max_in_flight_events &&
         bytes_on_wire_ + waiting_.front().event.text.size() <= options_.max_in_flight_bytes;
}

void Sender::send_what_fits() {
  while (may_send() && !waiting_.empty() && wire_has_room()) {
    Numbered next = std::move(waiting_.front());
    waiting_.pop_front();
    // The process may have stood still since the timer should have fired.
    if (too_late(next)) {
      report_unsent(next);
      continue;
    }
    const std::uint64_t number = next.number;
    const Time now = std::chrono::steady_clock::now();
    std::string limit;
    if (options_.journal) limit = clock_.text(next.lost_since.value_or(now) + retry_limit_);
    const auto sent = on_wire_.emplace(number, OnWire{std::move(next.event), now, next.lost_since});
    const QueuedEvent& event = sent.first->second.event;
    bytes_on_wire_ += event.text.size();
    command_.send(event, std::move(limit),
                  [this, number](const redis::Reply& reply) { on_answer(number, reply); });
    watch_oldest_answer();
  }
}

void Sender::on_answer(std::uint64_t number, const redis::Reply& reply) {
  using Kind = redis::Reply::Kind;
  auto node = on_wire_.extract(number);
  OnWire& sent = node.mapped();
  bytes_on_wire_ -= sent.event.text.size();
  Numbered event{number, std::move(sent.event), sent.lost_since};
  if (reply.kind == Kind::kLost && options_.journal && !event.lost_since) {
    event.lost_since = sent.sent_at;
  }
  // Told that it is too late though it is not: the clock of Redis was set meanwhile.
  const bool clock_was_set =
      redis::too_late(reply) &&
      std::chrono::steady_clock::now() < event.lost_since.value_or(sent.sent_at) + retry_limit_;
  const bool again = reply.kind == Kind::kNotSent || clock_was_set ||
                     (reply.kind == Kind::kLost && options_.journal && !too_late(event));
  if (again && !stopping_) {
    send_later(std::move(event));
  } else {
    report(event.event, read_answer(event.event, reply, sent.lost_since.has_value()));
  }
  if (clock_was_set) connection_.reset("the clock of Redis was set");
  send_what_fits();
}

// It keeps its place in the order: either nothing of it was written, or the script appends it once.
void Sender::send_later(Numbered event) {
  const auto place =
      std::find_if(waiting_.begin(), waiting_.end(),
                   [&event](const Numbered& other) { return other.number > event.number; });
  const bool lost = event.lost_since.has_value();
  waiting_.insert(place, std::move(event));
  if (lost) watch_oldest_loss();
}

bool Sender::too_late(const Numbered& event) const {
  return event.lost_since && std::chrono::steady_clock::now() >= *event.lost_since + retry_limit_;
}

void Sender::report_unsent(const Numbered& event) {
  report(event.event, read_answer(event.event, kNotSent, event.lost_since.has_value()));
}

void Sender::report(const QueuedEvent& event, Publisher::Delivery delivery) {
  queue_.release(event, delivery.status);
  if (event.on_delivery) call_back(event, delivery);
  queue_.reported(event);
}

// What a callback throws must not cost the events of everyone else in the program.
void Sender::call_back(const QueuedEvent& event, const Publisher::Delivery& delivery) {
  std::string what;
  try {
    return event.on_delivery(delivery);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "no std::exception";
  }
  if (options_.log) options_.log("the delivery callback of event " + event.id + " threw: " + what);
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

// Redis may stay away: what must not be sent again ends here, in order.
void Sender::give_up_old_ones() {
  std::vector<Numbered> old;
  for (auto event = waiting_.begin(); event != waiting_.end();) {
    if (too_late(*event)) {
      old.push_back(std::move(*event));
      event = waiting_.erase(event);
    } else {
      ++event;
    }
  }
  for (const Numbered& event : old) report_unsent(event);
}

void Sender::watch_oldest_loss() {
  if (watching_losses_) return;
  std::optional<Time> oldest;
  for (const Numbered& event : waiting_) {
    if (event.lost_since && (!oldest || *event.lost_since < *oldest)) oldest = event.lost_since;
  }
  if (!oldest) return;
  watching_losses_ = true;
  loss_timer_.expires_at(*oldest + retry_limit_);
  loss_timer_.async_wait([this](const boost::system::error_code& error) {
    watching_losses_ = false;
    if (error || stopping_) return;
    give_up_old_ones();
    watch_oldest_loss();
  });
}

}  // namespace notifications::publishing
