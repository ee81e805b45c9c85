#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/journal_options.h"
#include "core/redis/connection.h"
#include "core/redis/journal_scripts.h"
#include "core/redis/server_clock.h"
#include "publisher-client/event_queue.h"
#include "publisher-client/journal_agreement.h"
#include "publisher-client/redis_command.h"

namespace notifications::publishing {

// The connection's part of the publisher's counters. Thread: any.
struct LinkState {
  std::atomic<bool> connected = false;
  std::atomic<std::uint64_t> connects = 0;
  std::atomic<bool> journal_disagreement = false;
};

// Sender moves events from the queue to Redis and reports what became of them.
//
// Only so many events are on the wire at once: what is on the wire when the connection drops has
// an unknown fate, while what waits here is sent after the reconnect. With the journal on, what has
// an unknown fate is sent again, in its old place: an event that was appended is not appended
// twice, as long as its id is known; what runs later than that, in a Redis that stood still, is
// refused.
//
// Thread: the one that runs the io_context (private).
class Sender {
 public:
  struct Options {
    redis::Connection::Options connection;
    std::string channel;
    std::optional<JournalOptions> journal;  // nothing: it is off
    std::size_t max_in_flight_events;
    std::size_t max_in_flight_bytes;
    std::chrono::milliseconds answer_timeout;
    std::function<std::chrono::system_clock::time_point()> clock;
    std::function<void(std::string_view line)> log;  // may be empty
  };

  // `link` and `queue` outlive the sender.
  Sender(boost::asio::io_context& io, Options options, LinkState& link, EventQueue& queue);

  // Starts to connect. Called once.
  void start();

  // Looks what the queue has.
  void wake();

  // Closes the connection and reports everything that is left. Requires: the queue is closed.
  // No callback is made after it returns.
  void stop();

 private:
  using Time = EventQueue::Time;

  // Events have numbers in the order in which they go to the wire.
  struct Numbered {
    std::uint64_t number;
    QueuedEvent event;
    std::optional<Time> lost_since;  // when it was sent first, if an answer was lost
  };
  struct OnWire {
    QueuedEvent event;
    Time sent_at;
    std::optional<Time> lost_since;  // of attempts before
  };

  redis::Connection::Callbacks callbacks();
  void on_up();
  void on_down(std::string_view why);
  void take_work();
  void enqueue(QueuedEvent event);
  QueuedEvent encode(PendingMetric metric);
  void send_what_fits();
  bool may_send() const;
  bool wire_has_room() const;
  void on_answer(std::uint64_t number, const redis::Reply& reply);
  void send_later(Numbered event);
  bool too_late(const Numbered& event) const;
  void report_unsent(const Numbered& event);
  void give_up_old_ones();
  void report(const QueuedEvent& event, Publisher::Delivery delivery);
  void call_back(const QueuedEvent& event, const Publisher::Delivery& delivery);
  void come_back_at(Time due);
  void watch_oldest_answer();
  void watch_oldest_loss();

  // Constant after construction.
  const Options options_;
  LinkState& link_;
  EventQueue& queue_;
  const std::chrono::milliseconds retry_limit_;  // from the first attempt

  // Private thread only.
  boost::asio::steady_timer metrics_timer_;
  boost::asio::steady_timer answer_timer_;
  boost::asio::steady_timer loss_timer_;
  std::deque<Numbered> waiting_;             // in order of number
  std::map<std::uint64_t, OnWire> on_wire_;  // by number; the first is the oldest
  std::size_t bytes_on_wire_ = 0;
  std::uint64_t next_number_ = 0;
  bool watching_ = false;         // answer_timer_ runs
  bool watching_losses_ = false;  // loss_timer_ runs
  bool told_down_ = false;        // the log knows that Redis is away
  bool stopping_ = false;

  // With references to what follows.
  redis::ScriptCaller scripts_;
  RedisCommand command_;
  redis::ServerClock clock_;  // with the journal on
  JournalAgreement agreement_;
  redis::Connection connection_;  // last: its callbacks use the members above
};

}  // namespace notifications::publishing
