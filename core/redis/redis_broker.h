#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/broker.h"
#include "core/journal_options.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/redis/url.h"

namespace notifications::redis {

// RedisBroker carries envelopes over one Pub/Sub channel of a Redis server.
//
// It holds two connections: one is subscribed and carries events, one carries commands (publishes
// and probes). Both come back by themselves for ever. Messages that are published while the
// subscribed one is away are not seen by this process.
//
// Whether events really flow is found out by writing to oneself: every probe interval it sets the
// key and publishes to the channel `<channel>:canary:<instance>`, and expects the message on the
// subscribed connection. The SET is there because a read-only replica takes a PUBLISH, too, and
// keeps it to itself. A connection that says nothing while a probe waits is given up as dead after
// 1.5 probe intervals (or the canary timeout, if that is shorter).
//
// A publish waits for the connection until its deadline. One that was written and whose answer
// was lost is not sent again: whether it arrived is unknown.
//
// With a journal, events are appended to a stream by a script (core/redis/scripts/append.lua) and
// read from it by position, over a third connection: what is published while that one is away is
// read later. The script knows what it has appended, so a publish whose answer was lost is sent
// again. The canary goes through a stream of its own in the same read. The subscribed connection
// then hears who takes sessions over, and what was only PUBLISHed (see JournalLegacy): if that is
// to be journaled, events flow only while the canary comes back on both.
//
// An outage is told in three lines: lost, still away (at growing intervals), back.
//
// Thread: the broker's is the one that runs `io`; publish(), status() and stop(): any.
class RedisBroker : public Broker {
 public:
  struct Options {
    Url url;
    std::string channel = "notifications.v1";
    // Unique among the processes on one server, as `notifications-edge:<host>:<pid>`; names the
    // connections and the canary.
    std::string instance;
    std::chrono::milliseconds probe_interval{5000};
    std::chrono::milliseconds canary_timeout{10000};
    std::chrono::milliseconds connect_timeout{5000};
    std::chrono::milliseconds backoff_min{100};
    std::chrono::milliseconds backoff_max{5000};
    // Publishes not yet answered, sent or waiting; beyond either one a publish ends at once. One
    // publish is always admitted.
    std::size_t max_outstanding = 100'000;
    std::size_t max_outstanding_bytes = 64 * 1024 * 1024;
    std::optional<JournalOptions> journal;           // nothing: no journal is kept
    std::chrono::milliseconds session_limit{10000};  // see: JournalStore
    // See: JournalLegacy.
    std::chrono::milliseconds legacy_wait{100};
    std::chrono::milliseconds legacy_lease{3000};
  };

  // `io`, `log` and `metrics` outlive the broker.
  RedisBroker(boost::asio::io_context& io, Options options, Log& log, Metrics& metrics);
  ~RedisBroker() override;  // stops

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

}  // namespace notifications::redis
