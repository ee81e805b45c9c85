#include "core/runtime/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "core/memory/memory_broker.h"
#include "core/redis/redis_broker.h"
#include "core/runtime/memory.h"
#include "core/uuid.h"

namespace notifications {
namespace {

// How far the cursors of quiet consumers may lag behind the journal.
constexpr std::chrono::seconds kHeadInterval{1};
// How often it is looked whether memory is worth giving back.
constexpr std::chrono::seconds kTrimInterval{2};
// Beyond the drain period itself: what is queued may still be flushed, then the rest is cut.
constexpr std::chrono::seconds kDrainGrace{2};

// As many connections as the system lets us have: the soft limit is often 1024.
rlim_t raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur;
}

}  // namespace

Process::Process(Settings settings)
    : settings_(std::move(settings)),
      log_(settings_.log_level, settings_.log_format),
      started_at_(std::chrono::steady_clock::now()),
      main_io_(1),
      trim_timer_(main_io_) {
  std::vector<Shard*> shards;
  for (int i = 0; i < settings_.threads; ++i) {
    shards_.push_back(std::make_unique<Shard>(i, interest_));
    shards.push_back(shards_.back().get());
  }
  Shard* local = shards_.size() == 1 ? shards_.front().get() : nullptr;
  if (local == nullptr) broker_io_ = std::make_unique<boost::asio::io_context>(1);
  boost::asio::io_context& io = local == nullptr ? *broker_io_ : local->io();
  std::optional<JournalOptions> journal_options;
  if (settings_.journal) {
    journal_options = {.max_length = settings_.journal_max_length,
                       .retention = settings_.journal_retention,
                       .legacy = settings_.journal_legacy,
                       .idempotency_window = settings_.idempotency_window,
                       .session_ttl = settings_.session_ttl,
                       .warm_bytes = settings_.replay_window};
  }
  if (settings_.redis_url) {
    redis::RedisBroker::Options options;
    options.journal = journal_options;
    options.url = *settings_.redis_url;
    options.channel = settings_.channel;
    options.instance = std::string(name(settings_.program)) + ":" + new_random_id(6);
    options.probe_interval = settings_.probe_interval;
    options.canary_timeout = settings_.canary_timeout;
    broker_ = std::make_unique<redis::RedisBroker>(io, std::move(options), log_, metrics_);
  } else {
    broker_ = std::make_unique<MemoryBroker>(io, journal_options);
  }
  dispatcher_ = std::make_unique<Dispatcher>(interest_, std::move(shards), local, log_, metrics_,
                                             settings_.replay_window);
  if (Journal* journal = broker_->journal()) {
    replayer_ = std::make_unique<Replayer>(io, *journal, dispatcher_->window(), local, metrics_);
    sessions_ = std::make_unique<Sessions>(io, *journal, local);
    dispatcher_->on_advanced([this] { replayer_->on_advanced(); });
    head_timer_ = std::make_unique<boost::asio::steady_timer>(io);
  }
}

// Consumers leave before the broker stops, the broker before the shards: each may call the next.
Process::~Process() {
  admin_.reset();
  for (const auto& front : fronts_) front->stop();
  broker_->stop();
  if (broker_io_ != nullptr) broker_io_->stop();
  if (broker_thread_.joinable()) broker_thread_.join();
  for (const auto& shard : shards_) shard->stop();
  fronts_.clear();
}

bool Process::open() {
  for (const auto& front : fronts_) {
    if (const auto problem = front->open()) {
      log_.error("cannot start", {{"reason", *problem}});
      return false;
    }
  }
  auto admin =
      AdminListener::open(settings_.admin_listen, admin_pages(),
                          {settings_.admin_token, {"/metrics", "/health/realtime", "/log_level"}});
  if (!admin) {
    log_.error("cannot start", {{"reason", admin.error().message}});
    return false;
  }
  admin_ = std::move(admin).value();
  log_.info("listening", {{"listener", "admin"}, {"address", admin_->address().text()}});
  return true;
}

void Process::update_ready() {
  const bool ready = broker_->status().flowing && !draining_;
  if (ready == ready_.exchange(ready)) return;
  log_.info(ready ? "ready" : "not ready", {{"reason", draining_ ? "draining"
                                                       : ready   ? "events flow"
                                                                 : "broker away"}});
  for (const auto& front : fronts_) front->set_ready(ready);
}

void Process::start() {
  metrics_.computed("notifications_uptime_seconds", "Seconds since the process started.", [this] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_at_).count();
  });
  metrics_.computed("notifications_rooms", "Rooms with subscribers in this process.",
                    [this] { return static_cast<double>(interest_.rooms()); });
  metrics_.computed("notifications_subscriptions",
                    "Consumers of each room, summed over the rooms of this process.",
                    [this] { return static_cast<double>(subscriptions()); });
  metrics_.computed("notifications_draining", "1 while the process ends what is connected.",
                    [this] { return draining_ ? 1.0 : 0.0; });
  metrics_.computed("notifications_drain_connections",
                    "Connections that a drain under way has yet to end.",
                    [this] { return draining_ ? static_cast<double>(consumers()) : 0.0; });
  metrics_.computed("notifications_broker_connected", "1 while the broker's connection stands.",
                    [this] { return broker_->status().connected ? 1.0 : 0.0; });
  metrics_.computed("notifications_heap_live_bytes", "Bytes allocated and not freed.",
                    [] { return static_cast<double>(live_bytes()); });
  metrics_.computed("notifications_ready", "1 while events can flow.",
                    [this] { return ready() ? 1.0 : 0.0; });
  metrics_
      .gauge("notifications_build_info", "What this is; always 1.",
             {{"program", std::string(name(settings_.program))},
              {"version", NOTIFICATIONS_VERSION},
              {"compiler", __VERSION__}})
      .set(1);
  Histogram& delivery_seconds = metrics_.histogram(
      "notifications_delivery_seconds",
      "Time from an event's arrival here to the write that hands it to a consumer's socket; one "
      "delivery in 64 is timed.",
      {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5});
  Histogram& delivered_age = metrics_.histogram(
      "notifications_delivered_event_age_seconds",
      "Time from an event's ts to the write that hands it to a consumer's socket, of the "
      "deliveries that are timed.",
      {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300});
  for (const auto& shard : shards_) {
    shard->time_deliveries(delivery_seconds, delivered_age);
    metrics_.computed(
        "notifications_shard_loop_lag_seconds", "How late a shard's loop is.",
        [shard = shard.get()] {
          return std::chrono::duration<double>(shard->loop_lag(Shard::Clock::now())).count();
        },
        {{"shard", std::to_string(shard->id())}});
  }
  for (const auto& shard : shards_) shard->start();
  if (broker_io_ != nullptr) {
    broker_thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "broker");
      const auto keep_running = boost::asio::make_work_guard(*broker_io_);
      broker_io_->run();
    });
  }
  broker_->on_status_change(
      [this](const BrokerStatus&) { boost::asio::post(main_io_, [this] { update_ready(); }); });
  broker_->start(*dispatcher_);
  if (head_timer_ != nullptr) {
    boost::asio::post(head_timer_->get_executor(), [this] { announce_heads(); });
  }
  for (const auto& front : fronts_) {
    front->start();
    front->set_ready(false);
  }
  update_ready();
}

void Process::trim_memory(MemoryTrim trim) {
  if (trim.due(consumers())) MemoryTrim::run();
  trim_timer_.expires_after(kTrimInterval);
  trim_timer_.async_wait([this, trim](const boost::system::error_code& error) {
    if (!error) trim_memory(trim);
  });
}

// On the broker's thread.
void Process::announce_heads() {
  dispatcher_->announce_head();
  head_timer_->expires_after(kHeadInterval);
  head_timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) announce_heads();
  });
}

void Process::drain() {
  draining_ = true;
  update_ready();
  log_.info("draining", {{"period", settings_.drain}});
  fronts_draining_ = fronts_.size();
  for (const auto& front : fronts_) {
    front->drain(settings_.drain, [this] {
      boost::asio::post(main_io_, [this] {
        if (--fronts_draining_ == 0) main_io_.stop();
      });
    });
  }
}

int Process::run() {
  std::signal(SIGPIPE, SIG_IGN);
  const rlim_t files = raise_file_limit();
  log_.info("starting",
            {{"program", name(settings_.program)},
             {"pid", getpid()},
             {"version", NOTIFICATIONS_VERSION},
             {"shards", shards_.size()},
             {"file_limit", static_cast<std::uint64_t>(files)},
             {"channel", settings_.channel},
             {"journal", settings_.journal ? "on" : "off"},
             {"broker", settings_.redis_url ? settings_.redis_url->redacted() : "memory"}});
  if (!open()) return EXIT_FAILURE;
  // Before any thread starts, so that none of them takes the signals.
  boost::asio::signal_set signals(main_io_, SIGTERM, SIGINT);
  start();
  boost::asio::steady_timer limit(main_io_);
  std::function<void(const boost::system::error_code&, int)> on_signal;
  on_signal = [&](const boost::system::error_code& error, int) {
    if (error) return;
    if (draining_) {
      log_.warn("second signal: stopping now");
      _exit(EXIT_FAILURE);
    }
    signals.async_wait(on_signal);
    limit.expires_after(settings_.drain + kDrainGrace);
    limit.async_wait([&](const boost::system::error_code& cancelled) {
      if (cancelled) return;
      log_.warn("drain period is over", {{"cut", consumers()}});
      main_io_.stop();
    });
    drain();
  };
  signals.async_wait(on_signal);
  trim_memory({});
  // A look inside without a restart: the first SIGHUP shows everything, the next one as before.
  boost::asio::signal_set hangup(main_io_, SIGHUP);
  std::function<void(const boost::system::error_code&, int)> on_hangup;
  on_hangup = [&](const boost::system::error_code& error, int) {
    if (error) return;
    const bool as_configured = log_.level() == settings_.log_level;
    change_log_level(as_configured ? LogLevel::kDebug : settings_.log_level, "SIGHUP");
    hangup.async_wait(on_hangup);
  };
  hangup.async_wait(on_hangup);
  const auto keep_running = boost::asio::make_work_guard(main_io_);
  main_io_.run();
  for (const auto& front : fronts_) front->stop();
  log_.info("stopped");
  return EXIT_SUCCESS;
}

// Whoever reads the log sees the change, if either level lets it be seen. Thread: any.
void Process::change_log_level(LogLevel level, std::string_view by) {
  const LogLevel before = log_.level();
  const auto say = [&] {
    log_.warn("log level changed", {{"from", name(before)}, {"to", name(level)}, {"by", by}});
  };
  if (level > before) say();
  log_.set_level(level);
  if (level <= before) say();
}

AdminListener::Pages Process::admin_pages() {
  const auto metrics = [this] {
    return AdminResponse{200, "text/plain; version=0.0.4; charset=utf-8",
                         metrics_.prometheus_text()};
  };
  const auto snapshot = [this] {
    return AdminResponse{200, "application/json; charset=utf-8",
                         realtime_json(realtime(), metrics_)};
  };
  const auto log_level = [this] {
    return AdminResponse{200, "text/plain; charset=utf-8", std::string(name(log_.level())) + "\n"};
  };
  return {{"/metrics", {metrics}},
          {"/healthz", {[this] { return healthz(shards_, Shard::Clock::now()); }}},
          {"/readyz", {[this] { return readyz(); }}},
          {"/health/realtime", {snapshot}},
          {"/log_level",
           {log_level, [this](const AdminChange& change) { return put_log_level(change); }}}};
}

AdminResponse Process::put_log_level(const AdminChange& change) {
  const auto level = log_level_asked_for(change.query);
  if (!level) {
    return {400, "text/plain; charset=utf-8",
            "expected ?level= and one of trace, debug, info, warn, error, off\n"};
  }
  change_log_level(*level, change.peer);
  return {200, "text/plain; charset=utf-8", std::string(name(*level)) + "\n"};
}

AdminResponse Process::readyz() const {
  if (ready()) return {200, "text/plain; charset=utf-8", "ready\n"};
  return {503, "text/plain; charset=utf-8",
          draining_ ? "not ready: draining\n" : "not ready: no events flow from the broker\n"};
}

RealtimeState Process::realtime() const {
  RealtimeState state;
  state.program = settings_.program;
  state.version = NOTIFICATIONS_VERSION;
  state.uptime = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() -
                                                                  started_at_);
  state.ready = ready();
  state.draining = draining_;
  state.consumers = consumers();
  state.rooms = interest_.rooms();
  state.subscriptions = subscriptions();
  for (const auto& shard : shards_) {
    state.loop_lags.push_back(shard->loop_lag(Shard::Clock::now()));
  }
  state.redis_configured = settings_.redis_url.has_value();
  state.broker = broker_->status();
  return state;
}

std::size_t Process::subscriptions() const {
  std::size_t sum = 0;
  for (const auto& shard : shards_) sum += shard->subscriptions();
  return sum;
}

std::size_t Process::consumers() const {
  std::size_t sum = 0;
  for (const auto& front : fronts_) sum += front->consumers();
  return sum;
}

int run_program(Program program, int argc, char** argv,
                const std::function<void(Process&)>& add_fronts) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  auto settings = parse_settings(program, arguments, [](const char* key) { return getenv(key); });
  if (!settings) {
    const SettingsStop& stop = settings.error();
    if (stop.help) {
      std::fputs(stop.message.c_str(), stdout);
      return EXIT_SUCCESS;
    }
    std::fprintf(stderr, "%s: %s\n", name(program).data(), stop.message.c_str());
    return 2;
  }
  Process process(std::move(settings).value());
  add_fronts(process);
  return process.run();
}

}  // namespace notifications
