#include "core/memory/memory_broker.h"

#include <boost/asio/post.hpp>
#include <mutex>
#include <utility>
#include <vector>

#include "core/broker_thread.h"

namespace notifications {
namespace {

using Done = std::function<void(PublishOutcome)>;

PublishOutcome unavailable(const char* why) {
  PublishOutcome outcome;
  outcome.status = PublishStatus::kUnavailable;
  outcome.detail = why;
  return outcome;
}

}  // namespace

class MemoryBroker::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(boost::asio::io_context& io, std::optional<JournalOptions> journal,
       MemoryJournal::SystemClock clock)
      : io_(io) {
    if (journal) journal_ = std::make_unique<MemoryJournal>(io, *journal, std::move(clock));
  }

  void start(EventSink& sink) {
    {
      const std::lock_guard lock(mutex_);
      if (phase_ != Phase::kNew) return;
      phase_ = Phase::kStarted;
      sink_ = &sink;
    }
    boost::asio::post(io_, [self = shared_from_this()] { self->begin(); });
  }

  void publish(PublishCommand command, Done done) {
    bool post = false;
    bool stopped = false;
    {
      const std::lock_guard lock(mutex_);
      stopped = phase_ == Phase::kStopped;
      if (!stopped) {
        inbox_.push_back({std::move(command), std::exchange(done, {})});
        post = !std::exchange(posted_, true);
      }
    }
    if (stopped) return done(unavailable("the broker has stopped"));
    if (post) boost::asio::post(io_, [self = shared_from_this()] { self->take_inbox(); });
  }

  BrokerStatus status() const {
    const std::lock_guard lock(mutex_);
    BrokerStatus status;
    status.connected = status.flowing = phase_ == Phase::kRunning;
    return status;
  }

  void on_status_change(std::function<void(const BrokerStatus&)> changed) {
    changed_ = std::move(changed);
  }

  Journal* journal() { return journal_.get(); }

  void stop() {
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

 private:
  enum class Phase { kNew, kStarted, kRunning, kStopped };
  struct Publish {
    PublishCommand command;
    Done done;
  };

  void begin() {
    {
      const std::lock_guard lock(mutex_);
      if (phase_ == Phase::kStopped) return;
      phase_ = Phase::kRunning;
      alive_ = true;
    }
    if (journal_ != nullptr) {
      sink_->on_reset(journal_->head());
      sink_->on_batch_end();
    }
    if (changed_) changed_(status());
  }

  void take_inbox() {
    std::vector<Publish> batch;
    bool running;
    {
      const std::lock_guard lock(mutex_);
      if (phase_ == Phase::kStopped) return;  // end() sees to them
      batch.swap(inbox_);
      posted_ = false;
      alive_ = true;
      running = phase_ == Phase::kRunning;
    }
    if (!running) return refuse(batch);
    bool open = false;
    for (Publish& publish : batch) {
      open = deliver(publish.command) || open;
      PublishOutcome outcome;
      outcome.status = PublishStatus::kPublished;
      outcome.position = std::move(answer_.position);
      outcome.ts = std::move(answer_.ts);
      publish.done(std::move(outcome));
    }
    if (open) sink_->on_batch_end();
  }

  // Whether it was delivered: a repeated one is not. `answer_` says under what it stands.
  bool deliver(PublishCommand& command) {
    Incoming message;
    message.text = command.text;
    if (journal_ == nullptr) {
      answer_ = {};
      answer_.ts = std::move(command.ts);
    } else {
      answer_ = journal_->append(command);
      if (answer_.duplicate) return false;
      message.position = answer_.position;
      message.previous = answer_.previous;
    }
    sink_->on_message(message);
    return true;
  }

  void end() {
    std::vector<Publish> rest;
    {
      const std::lock_guard lock(mutex_);
      rest.swap(inbox_);
    }
    refuse(rest);
    changed_ = {};
    if (journal_ != nullptr) journal_->close();
  }

  static void refuse(std::vector<Publish>& publishes) {
    for (Publish& publish : publishes) publish.done(unavailable("the broker is not running"));
  }

  // Constant after start().
  boost::asio::io_context& io_;
  EventSink* sink_ = nullptr;
  std::function<void(const BrokerStatus&)> changed_;
  std::unique_ptr<MemoryJournal> journal_;  // null with the journal off

  MemoryJournal::Appended answer_;  // the broker's thread only; to the publish at hand

  mutable std::mutex mutex_;
  Phase phase_ = Phase::kNew;   // guarded by mutex_
  bool alive_ = false;          // guarded by mutex_; whether the broker's thread has called us
  std::vector<Publish> inbox_;  // guarded by mutex_
  bool posted_ = false;         // guarded by mutex_; whether a turn for the inbox is under way
};

MemoryBroker::MemoryBroker(boost::asio::io_context& io, std::optional<JournalOptions> journal,
                           MemoryJournal::SystemClock clock)
    : core_(std::make_shared<Core>(io, journal, std::move(clock))) {}
MemoryBroker::~MemoryBroker() { core_->stop(); }
void MemoryBroker::start(EventSink& sink) { core_->start(sink); }
void MemoryBroker::publish(PublishCommand command, Done done) {
  core_->publish(std::move(command), std::move(done));
}
BrokerStatus MemoryBroker::status() const { return core_->status(); }
void MemoryBroker::on_status_change(std::function<void(const BrokerStatus&)> changed) {
  core_->on_status_change(std::move(changed));
}
Journal* MemoryBroker::journal() { return core_->journal(); }
void MemoryBroker::stop() { core_->stop(); }

}  // namespace notifications
