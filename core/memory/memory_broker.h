#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "core/broker.h"
#include "core/journal_options.h"
#include "core/memory/memory_journal.h"

namespace notifications {

// MemoryBroker carries envelopes within one process: what is published comes back as a message.
//
// It is connected and flowing from start() to stop(); a publish before start() ends kUnavailable.
// All publishes that gathered until the broker's thread gets to them are one batch. With a journal
// they stand in it before they are delivered, and an id published twice is delivered once.
//
// Thread: the broker's is the one that runs `io`; publish(), status() and stop(): any.
class MemoryBroker : public Broker {
 public:
  // `journal`: keeps one; `clock`: what it takes for the time.
  explicit MemoryBroker(boost::asio::io_context& io,
                        std::optional<JournalOptions> journal = std::nullopt,
                        MemoryJournal::SystemClock clock = {});
  ~MemoryBroker() override;  // stops

  void start(EventSink& sink) override;
  void publish(PublishCommand command, std::function<void(PublishOutcome)> done) override;
  BrokerStatus status() const override;
  void on_status_change(std::function<void(const BrokerStatus&)> changed) override;
  Journal* journal() override;
  void stop() override;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace notifications
