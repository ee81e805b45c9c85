#include "core/redis/redis_broker.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <optional>
#include <utility>

#include "core/broker_thread.h"
#include "core/redis/appender.h"
#include "core/redis/canary.h"
#include "core/redis/connection.h"
#include "core/redis/journal_keys.h"
#include "core/redis/journal_legacy.h"
#include "core/redis/journal_reader.h"
#include "core/redis/journal_scripts.h"
#include "core/redis/journal_store.h"
#include "core/redis/outage_log.h"
#include "core/redis/publish_queue.h"
#include "core/redis/server_clock.h"
#include "core/uuid.h"

namespace notifications::redis {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using TimePoint = steady_clock::time_point;
using Done = PublishQueue::Done;

// The ways that events take to this process: what is published comes in over Pub/Sub, and with a
// journal out of the stream; what was only PUBLISHed takes both, one after the other.
unsigned ways(const std::optional<JournalOptions>& journal) {
  if (!journal) return Canary::kPubSub;
  return journal->legacy ? Canary::kPubSub | Canary::kStream : unsigned{Canary::kStream};
}

}  // namespace

class RedisBroker::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(asio::io_context& io, Options options, Log& log, Metrics& metrics);

  void start(EventSink& sink);
  void publish(PublishCommand command, Done done);
  Journal* journal() { return store_.get(); }
  void stop();
  BrokerStatus status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }
  void on_status_change(std::function<void(const BrokerStatus&)> changed) {
    changed_ = std::move(changed);
  }

 private:
  // A connection, and since when it owes us a sign of life.
  struct Lane {
    std::unique_ptr<Connection> connection;
    std::optional<TimePoint> asked_at;

    bool up() const { return connection != nullptr && connection->up(); }
    void ask(TimePoint now) {
      if (!asked_at) asked_at = now;
    }
  };

  void begin();
  void end();
  std::unique_ptr<Connection> make_connection(Connection::Callbacks callbacks);

  // Subscribing.
  void on_subscriber_up();
  void on_subscriber_down(std::string_view why);
  void on_subscribed();
  void on_message(std::string_view channel, std::string_view text);
  void end_batch();

  // Reading the journal.
  void begin_journal();
  void begin_legacy();
  void on_reader_open();
  void on_reader_down(std::string_view why);
  void on_canary(std::string_view text);

  // Publishing.
  void on_commands_up();
  void on_commands_ready();
  void on_commands_down(std::string_view why);
  void take_inbox();
  void send(const PublishQueue::EntryPtr& entry);
  void append(const Appended& event, Appender::Publish publish, Connection::ReplyHandler done);
  bool may_append() const;
  void on_published(const PublishQueue::EntryPtr& entry, const Reply& reply);
  void arm_deadline();

  // Probing.
  void tick();
  void probe_soon();
  void probe();
  void write_canary(const std::string& text);
  void compare_modes(const std::string& lifetime);
  void on_probe_written(const std::string& text, const Reply& reply);
  void on_probe_done();
  void arm_judgement();
  void judge();

  // Condition.
  bool connected() const;
  void fail(std::string_view why);
  void set_status(bool connected, bool flowing);

  // Constant after start().
  asio::io_context& io_;
  const Options options_;
  const std::string canary_name_;
  const JournalKeys keys_;
  const milliseconds silence_limit_;
  Counter& reconnects_;
  Gauge& connected_gauge_;
  Gauge& flowing_gauge_;
  Histogram& round_trip_;
  EventSink* sink_ = nullptr;
  std::function<void(const BrokerStatus&)> changed_;
  Log& log_;
  Metrics& metrics_;
  std::shared_ptr<JournalStore> store_;  // null with the journal off

  // The broker's thread only.
  Lane subscriber_;
  Lane commands_;
  bool subscribed_ = false;
  // With the journal on.
  Lane reader_;
  bool reading_ = false;
  std::unique_ptr<JournalReader> journal_reader_;
  std::unique_ptr<ScriptCaller> scripts_;
  std::unique_ptr<ServerClock> clock_;
  std::unique_ptr<Appender> appender_;
  std::unique_ptr<JournalLegacy> legacy_;
  // In any case.
  bool batch_open_ = false;  // whether the sink holds messages without a batch end
  PublishQueue publishes_;
  Canary canary_;
  OutageLog outage_;
  LogLimit mode_log_{std::chrono::minutes(10)};
  asio::steady_timer tick_timer_;
  asio::steady_timer judgement_timer_;
  asio::steady_timer deadline_timer_;
  std::optional<TimePoint> deadline_armed_;

  enum class Phase { kNew, kStarted, kStopped };
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  Phase phase_ = Phase::kNew;
  bool alive_ = false;  // whether the broker's thread has called us
  BrokerStatus status_;
  bool seen_ = false;  // whether it was ever connected
};

RedisBroker::Core::Core(asio::io_context& io, Options options, Log& log, Metrics& metrics)
    : io_(io),
      options_(std::move(options)),
      canary_name_(options_.channel + ":canary:" + options_.instance),
      keys_(options_.channel),
      // A socket that died right after a probe is noticed 2.5 intervals later.
      silence_limit_(std::min(options_.probe_interval * 3 / 2, options_.canary_timeout)),
      reconnects_(metrics.counter("notifications_redis_reconnects_total",
                                  "Subscriptions made after the first one")),
      connected_gauge_(
          metrics.gauge("notifications_redis_connected", "1 while the channel is subscribed to")),
      flowing_gauge_(
          metrics.gauge("notifications_redis_flowing", "1 while the canary comes back in time")),
      round_trip_(metrics.histogram(
          "notifications_redis_canary_seconds", "Time a canary took to come back",
          {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10})),
      log_(log),
      metrics_(metrics),
      publishes_(options_.max_outstanding, options_.max_outstanding_bytes, metrics),
      canary_(new_random_id(9), options_.canary_timeout, ways(options_.journal)),
      outage_(log, options_.url.redacted()),
      tick_timer_(io),
      judgement_timer_(io),
      deadline_timer_(io) {
  if (options_.journal) {
    store_ =
        std::make_shared<JournalStore>(io, keys_, *options_.journal, options_.session_limit, log);
  }
}

// ---- starting and stopping

void RedisBroker::Core::start(EventSink& sink) {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ != Phase::kNew) return;
    phase_ = Phase::kStarted;
    sink_ = &sink;
  }
  asio::post(io_, [self = shared_from_this()] { self->begin(); });
}

void RedisBroker::Core::begin() {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::kStopped) return;
    alive_ = true;
  }
  // The connections die in end() at the latest, so their callbacks may hold `this`.
  subscriber_.connection = make_connection(
      {[this] { on_subscriber_up(); },
       [this](std::string_view why, milliseconds) { on_subscriber_down(why); },
       [this](std::string_view channel, std::string_view text) { on_message(channel, text); },
       [this] {
         subscriber_.asked_at.reset();
         end_batch();
       }});
  commands_.connection =
      make_connection({[this] { on_commands_up(); },
                       [this](std::string_view why, milliseconds) { on_commands_down(why); },
                       {},
                       [this] { commands_.asked_at.reset(); }});
  if (options_.journal) begin_journal();
  subscriber_.connection->start();
  commands_.connection->start();
  tick();
}

std::unique_ptr<Connection> RedisBroker::Core::make_connection(Connection::Callbacks callbacks) {
  Connection::Options options;
  options.url = options_.url;
  options.client_name = options_.instance;
  options.connect_timeout = options_.connect_timeout;
  options.backoff_min = options_.backoff_min;
  options.backoff_max = options_.backoff_max;
  return std::make_unique<Connection>(io_, std::move(options), std::move(callbacks));
}

void RedisBroker::Core::stop() {
  bool alive;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(phase_, Phase::kStopped) == Phase::kStopped) return;
    alive = alive_;
  }
  // Before our first turn nobody may be running `io_` at all: waiting could be for ever.
  if (alive)
    run_and_wait(io_, [self = shared_from_this()] { self->end(); });
  else
    end();
}

void RedisBroker::Core::end() {
  if (subscriber_.connection != nullptr) subscriber_.connection->stop();
  if (commands_.connection != nullptr) commands_.connection->stop();
  if (reader_.connection != nullptr) reader_.connection->stop();
  if (appender_ != nullptr) appender_->stop();
  end_batch();
  publishes_.close();
  if (store_ != nullptr) store_->close();
  if (legacy_ != nullptr) legacy_->stop();
  tick_timer_.cancel();
  judgement_timer_.cancel();
  deadline_timer_.cancel();
  legacy_.reset();
  journal_reader_.reset();
  appender_.reset();
  scripts_.reset();
  clock_.reset();
  subscriber_.connection.reset();
  commands_.connection.reset();
  reader_.connection.reset();
  changed_ = {};
  set_status(false, false);
}

// ---- subscribing

void RedisBroker::Core::on_subscriber_up() {
  const auto check = [this](const Reply& reply) {
    if (reply.kind == Reply::Kind::kError)
      subscriber_.connection->reset("subscribe refused: " + reply.text);
    return !reply.failed();
  };
  if (options_.journal) subscriber_.connection->subscribe(keys_.control, check);
  if (!options_.journal || options_.journal->legacy) {
    subscriber_.connection->subscribe(options_.channel, check);
  }
  // Confirmed in order: the last one completes all.
  subscriber_.connection->subscribe(canary_name_, [this, check](const Reply& reply) {
    if (check(reply)) on_subscribed();
  });
}

void RedisBroker::Core::on_subscribed() {
  subscribed_ = true;
  if (legacy_ != nullptr) legacy_->on_hearing();
  set_status(connected(), canary_.flowing());
  probe_soon();
}

void RedisBroker::Core::on_subscriber_down(std::string_view why) {
  subscriber_.asked_at.reset();
  end_batch();
  subscribed_ = false;
  if (legacy_ != nullptr) legacy_->on_deaf();
  canary_.lost(Canary::kPubSub);
  fail(why);
}

void RedisBroker::Core::on_message(std::string_view channel, std::string_view text) {
  if (channel == canary_name_) {
    if (canary_.heard(Canary::kPubSub, text, steady_clock::now())) on_probe_done();
  } else if (options_.journal) {
    if (channel == keys_.control) {
      store_->on_control(text);
    } else if (channel == options_.channel && legacy_ != nullptr) {
      legacy_->heard(text);
    }
  } else if (channel == options_.channel) {
    batch_open_ = true;
    Incoming message;
    message.text = text;
    sink_->on_message(message);
  }
}

void RedisBroker::Core::end_batch() {
  if (std::exchange(batch_open_, false)) sink_->on_batch_end();
}

// ---- reading the journal

void RedisBroker::Core::begin_journal() {
  reader_.connection =
      make_connection({[this] { journal_reader_->on_up(); },
                       [this](std::string_view why, milliseconds) { on_reader_down(why); },
                       {},
                       [this] { reader_.asked_at.reset(); }});
  JournalReader::Options options{keys_, canary_name_, options_.journal->warm_bytes};
  journal_reader_ = std::make_unique<JournalReader>(
      *reader_.connection, std::move(options), *sink_,
      JournalReader::Callbacks{[this] { on_reader_open(); },
                               [this](std::string_view text) { on_canary(text); }},
      log_, metrics_);
  scripts_ = std::make_unique<ScriptCaller>(*commands_.connection);
  clock_ = std::make_unique<ServerClock>(*commands_.connection);
  appender_ = std::make_unique<Appender>(io_, *scripts_, options_.channel, *options_.journal);
  store_->attach(*commands_.connection, *scripts_);
  // Somebody learned that the journal is another one now: the reader looks after each canary.
  store_->on_head([this](const Position& head) {
    if (reading_ && head.epoch != journal_reader_->epoch()) probe_soon();
  });
  if (options_.journal->legacy) begin_legacy();
  reader_.connection->start();
}

void RedisBroker::Core::begin_legacy() {
  JournalLegacy::Options options;
  options.lease = keys_.legacy;
  options.instance = options_.instance;
  options.wait = options_.legacy_wait;
  options.lease_time = options_.legacy_lease;
  options.patience = options_.legacy_lease / 3;
  options.standstill = options_.journal->idempotency_window / 2;
  JournalLegacy::Callbacks callbacks;
  callbacks.may_append = [this] { return may_append(); };
  callbacks.append = [this](const Appended& event, Connection::ReplyHandler done) {
    append(event, Appender::Publish::kNo, std::move(done));
  };
  callbacks.invalid = [this](std::string_view text) {
    Incoming message;
    message.text = text;
    sink_->on_message(message);
    sink_->on_batch_end();
  };
  callbacks.drop_backlog = [this] { subscriber_.connection->reset("the process stood still"); };
  legacy_ = std::make_unique<JournalLegacy>(io_, *commands_.connection, std::move(options),
                                            std::move(callbacks), log_, metrics_);
  journal_reader_->on_entry([this](std::string_view text) { legacy_->seen(text); });
  legacy_->start();
}

void RedisBroker::Core::on_reader_open() {
  reading_ = true;
  set_status(connected(), canary_.flowing());
  probe_soon();
}

void RedisBroker::Core::on_reader_down(std::string_view why) {
  reader_.asked_at.reset();
  reading_ = false;
  canary_.lost(Canary::kStream);
  fail(why);
}

void RedisBroker::Core::on_canary(std::string_view text) {
  if (canary_.heard(Canary::kStream, text, steady_clock::now())) on_probe_done();
}

// ---- publishing

void RedisBroker::Core::publish(PublishCommand command, Done done) {
  if (publishes_.add(std::move(command), std::move(done)))
    asio::post(io_, [self = shared_from_this()] { self->take_inbox(); });
}

void RedisBroker::Core::take_inbox() {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::kStopped) return;  // end() sees to them
    alive_ = true;
  }
  for (const auto& entry : publishes_.take(steady_clock::now())) send(entry);
  arm_deadline();
}

void RedisBroker::Core::send(const PublishQueue::EntryPtr& entry) {
  if (!may_append()) return publishes_.hold(entry);
  const PublishCommand& command = entry->command;
  auto done = [this, entry](const Reply& reply) { on_published(entry, reply); };
  if (options_.journal) {
    if (!entry->sent_at) entry->sent_at = steady_clock::now();
    return append({command.id, command.ts, command.text, *entry->sent_at}, Appender::Publish::kYes,
                  std::move(done));
  }
  commands_.connection->send({"PUBLISH", options_.channel, command.text}, std::move(done));
}

bool RedisBroker::Core::may_append() const {
  return commands_.up() && (!options_.journal || clock_->ready());
}

// What was tried once must not be tried again when Redis may have forgotten its id: not even by a
// command that was sent in time and lay in the socket of a Redis that stood still.
void RedisBroker::Core::append(const Appended& event, Appender::Publish publish,
                               Connection::ReplyHandler done) {
  const TimePoint limit = event.since + options_.journal->idempotency_window / 2;
  appender_->append({event.id, event.ts, event.text, publish, clock_->text(limit)},
                    [this, limit, done = std::move(done)](Reply reply) {
                      const bool clock_was_set = too_late(reply) && steady_clock::now() < limit;
                      if (!clock_was_set) return done(std::move(reply));
                      reply.kind = Reply::Kind::kNotSent;
                      done(std::move(reply));
                      commands_.connection->reset("the clock of Redis was set");
                    });
}

void RedisBroker::Core::on_published(const PublishQueue::EntryPtr& entry, const Reply& reply) {
  if (entry->ended()) return;  // the deadline was first
  switch (reply.kind) {
    case Reply::Kind::kNotSent:
      // Nothing was written: it may wait for the next connection.
      return publishes_.hold(entry);
    case Reply::Kind::kLost:
      // The script knows what it has appended: it may be asked again.
      if (options_.journal) {
        entry->asked_before = true;
        return publishes_.hold(entry);
      }
      return publishes_.end(
          *entry, PublishQueue::outcome(PublishStatus::kUnavailable,
                                        "the connection to Redis dropped before the answer"));
    case Reply::Kind::kError:
      // What became of the attempt before is still not known.
      if (entry->asked_before || too_late(reply)) {
        return publishes_.end(*entry,
                              PublishQueue::outcome(PublishStatus::kUnavailable,
                                                    "no answer in time, and then: " + reply.text));
      }
      return publishes_.end(*entry, PublishQueue::outcome(PublishStatus::kRefused, reply.text));
    default: {
      PublishOutcome outcome = PublishQueue::outcome(PublishStatus::kPublished, {});
      if (options_.journal && reply.elements.size() == 3) {
        outcome.position = reply.elements[0].text;
        outcome.ts = reply.elements[1].text;
      } else {
        outcome.ts = std::move(entry->command.ts);
      }
      return publishes_.end(*entry, std::move(outcome));
    }
  }
}

void RedisBroker::Core::on_commands_up() {
  if (options_.journal) {
    scripts_->on_up();
    store_->on_up();
    clock_->on_up([this] { on_commands_ready(); });
  } else {
    on_commands_ready();
  }
  probe_soon();
}

void RedisBroker::Core::on_commands_ready() {
  if (legacy_ != nullptr) legacy_->on_up();
  for (const auto& entry : publishes_.release()) send(entry);
}

void RedisBroker::Core::on_commands_down(std::string_view why) {
  if (appender_ != nullptr) appender_->on_down();
  commands_.asked_at.reset();
  subscriber_.asked_at.reset();  // the probe it should have answered may be lost
  reader_.asked_at.reset();
  canary_.miss(steady_clock::now());
  arm_judgement();
  fail(why);
}

// The timer moves only when an earlier deadline comes: publishes that are answered leave it alone.
void RedisBroker::Core::arm_deadline() {
  const auto next = publishes_.next_deadline();
  if (!next || (deadline_armed_ && *deadline_armed_ <= *next)) return;
  deadline_armed_ = next;
  deadline_timer_.expires_at(*next);
  deadline_timer_.async_wait([self = shared_from_this()](error_code error) {
    if (error) return;
    self->deadline_armed_.reset();
    self->publishes_.expire(steady_clock::now(), self->status().last_error);
    self->arm_deadline();
  });
}

// ---- probing

void RedisBroker::Core::tick() {
  const TimePoint now = steady_clock::now();
  if (!canary_.waiting(now)) probe();
  tick_timer_.expires_after(options_.probe_interval);
  tick_timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error && self->commands_.connection != nullptr) self->tick();
  });
}

// In a turn of its own: the rest of this one would count as the answer.
void RedisBroker::Core::probe_soon() {
  asio::post(io_, [self = shared_from_this()] {
    if (self->commands_.connection != nullptr) self->probe();
  });
}

void RedisBroker::Core::probe() {
  const TimePoint now = steady_clock::now();
  const bool events_ready = options_.journal ? reading_ : subscribed_;
  if (commands_.up() && events_ready) {
    const std::string text = canary_.send(now);
    write_canary(text);
    if (options_.journal) reader_.ask(now);
    if (subscribed_) subscriber_.ask(now);
  } else if (commands_.up()) {
    commands_.connection->send({"PING"}, {});
  } else {
    canary_.miss(now);
  }
  if (commands_.up()) commands_.ask(now);
  arm_judgement();
}

void RedisBroker::Core::write_canary(const std::string& text) {
  const auto lifetime =
      std::to_string((3 * options_.probe_interval + options_.canary_timeout).count());
  const auto written = [this, text](const Reply& reply) { on_probe_written(text, reply); };
  compare_modes(lifetime);
  if (options_.journal) {
    commands_.connection->send({"XADD", canary_name_, "MAXLEN", "1", "*", "c", text}, written);
    commands_.connection->send({"PEXPIRE", canary_name_, lifetime}, {});
  } else {
    commands_.connection->send({"SET", canary_name_, text, "PX", lifetime}, written);
  }
  commands_.connection->send({"PUBLISH", canary_name_, text}, [this](const Reply& reply) {
    if (reply.kind == Reply::Kind::kError) on_probe_written({}, reply);
  });
}

// All processes of a channel must agree about the journal: each leaves word of its own choice and
// looks for word of the other one.
void RedisBroker::Core::compare_modes(const std::string& lifetime) {
  const bool on = options_.journal.has_value();
  commands_.connection->send(
      {"SET", on ? keys_.mode_on : keys_.mode_off, options_.instance, "PX", lifetime}, {});
  commands_.connection->send(
      {"GET", on ? keys_.mode_off : keys_.mode_on}, [this, on](const Reply& reply) {
        if (reply.kind != Reply::Kind::kString) return;
        if (!mode_log_.admit()) return;
        log_.warn(on ? "another process keeps no journal on this channel"
                     : "another process keeps a journal on this channel, this one does not",
                  {{"process", reply.text}, {"channel", options_.channel}});
      });
}

void RedisBroker::Core::on_probe_written(const std::string& text, const Reply& reply) {
  if (reply.kind == Reply::Kind::kError) {
    canary_.refused();
    subscriber_.asked_at.reset();
    reader_.asked_at.reset();
    fail("probe refused: " + reply.text);
  } else if (!reply.failed() && canary_.set(text, steady_clock::now())) {
    on_probe_done();
  }
}

void RedisBroker::Core::on_probe_done() {
  round_trip_.observe(std::chrono::duration<double>(canary_.round_trip()).count());
  if (connected()) outage_.up();
  set_status(connected(), canary_.flowing());
}

void RedisBroker::Core::arm_judgement() {
  std::optional<TimePoint> next = canary_.overdue_at();
  for (const Lane* lane : {&subscriber_, &commands_, &reader_})
    if (lane->asked_at && (!next || *lane->asked_at + silence_limit_ < *next))
      next = *lane->asked_at + silence_limit_;
  if (!next) return;
  judgement_timer_.expires_at(*next);
  judgement_timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error && self->commands_.connection != nullptr) self->judge();
  });
}

void RedisBroker::Core::judge() {
  const TimePoint now = steady_clock::now();
  const auto silent = [&](const Lane& lane) {
    return lane.asked_at && now >= *lane.asked_at + silence_limit_;
  };
  // Look at all before one is reset: a reset forgives the others.
  const bool subscriber_silent = silent(subscriber_);
  const bool commands_silent = silent(commands_);
  const bool reader_silent = silent(reader_);
  const std::string why =
      "no answer to a probe within " + std::to_string(silence_limit_.count()) + " ms";
  if (subscriber_silent) subscriber_.connection->reset(why);
  if (commands_silent) commands_.connection->reset(why);
  if (reader_silent) reader_.connection->reset(why);
  if (canary_.overdue(now))
    fail("no probe came back within " + std::to_string(options_.canary_timeout.count()) + " ms");
  arm_judgement();
}

// ---- condition

// Whether what is published reaches this process, one way or another.
bool RedisBroker::Core::connected() const { return subscribed_ && (!options_.journal || reading_); }

void RedisBroker::Core::fail(std::string_view why) {
  outage_.down(why);
  {
    const std::lock_guard lock(mutex_);
    status_.last_error = why;
  }
  set_status(connected(), canary_.flowing());
}

void RedisBroker::Core::set_status(bool connected, bool flowing) {
  BrokerStatus now;
  bool reconnected = false;
  {
    const std::lock_guard lock(mutex_);
    if (status_.connected == connected && status_.flowing == flowing) return;
    reconnected = connected && !status_.connected && seen_;
    seen_ = seen_ || connected;
    if (reconnected) ++status_.reconnects;
    status_.connected = connected;
    status_.flowing = flowing;
    now = status_;
  }
  if (reconnected) reconnects_.add();
  connected_gauge_.set(connected ? 1 : 0);
  flowing_gauge_.set(flowing ? 1 : 0);
  if (changed_) changed_(now);
}

// ---- the broker itself

RedisBroker::RedisBroker(asio::io_context& io, Options options, Log& log, Metrics& metrics)
    : core_(std::make_shared<Core>(io, std::move(options), log, metrics)) {}
RedisBroker::~RedisBroker() { core_->stop(); }
void RedisBroker::start(EventSink& sink) { core_->start(sink); }
void RedisBroker::publish(PublishCommand command, Done done) {
  core_->publish(std::move(command), std::move(done));
}
BrokerStatus RedisBroker::status() const { return core_->status(); }
void RedisBroker::on_status_change(std::function<void(const BrokerStatus&)> changed) {
  core_->on_status_change(std::move(changed));
}
Journal* RedisBroker::journal() { return core_->journal(); }
void RedisBroker::stop() { core_->stop(); }

}  // namespace notifications::redis
