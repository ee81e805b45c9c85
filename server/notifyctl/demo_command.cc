// notifyctl demo: keeps publishing a lifelike scene of the platform's events.

#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <limits>
#include <mutex>
#include <random>
#include <string>

#include "publisher-client/scene.h"
#include "server/notifyctl/commands.h"
#include "server/notifyctl/demo_feed.h"

namespace notifications::notifyctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Flag kFlags[] = {
    {"rate", "N", "events per second [5]"},
    {"count", "N", "end after N events [never]"},
    {"duration", "TIME", "end after this time, such as 30s [never]"},
    {"redis_url", "URL", "publish to Redis directly, not through the server"},
    {"channel", "NAME", "the channel there [notifications.v1]"},
    {"seed", "N", "tell the same story again [a new one each time]"},
};

struct Plan {
  double rate = 5;
  std::uint64_t count = 0;
  std::chrono::milliseconds duration{0};
  std::uint64_t seed = 0;
};

Result<Plan, UsageError> plan_of(const Arguments& arguments) {
  const auto rate = arguments.positive("rate", 5);
  if (!rate) return rate.error();
  const auto count = arguments.count("count", std::numeric_limits<std::uint64_t>::max());
  if (!count) return count.error();
  const auto duration = arguments.duration("duration", std::chrono::hours(24 * 365));
  if (!duration) return duration.error();
  const auto seed = arguments.count("seed", std::random_device{}());
  if (!seed) return seed.error();
  return Plan{*rate, *count, *duration, *seed};
}

// A sleep that a signal ends.
class Pause {
 public:
  void end() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  // False if it was ended.
  bool until(Clock::time_point when) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_until(lock, when, [this] { return over_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;  // guarded by mutex_
};

// What is said on stderr while the demo runs: troubles as lines, once each; and on a terminal a
// line of totals that is written over.
class Progress {
 public:
  void show(const DemoFeed& feed, bool last) {
    const std::string problem = feed.last_problem();
    const DemoFeed::Totals totals = feed.totals();
    if (problem.empty() != problem_.empty()) {
      clear();
      if (problem.empty())
        std::fprintf(stderr, "notifyctl: publishing again\n");
      else
        std::fprintf(stderr, "notifyctl: cannot publish, trying on: %s\n", problem.c_str());
      problem_ = problem;
    }
    if (!terminal_) return;
    const auto now = Clock::now();
    if (!last && now - shown_at_ < std::chrono::milliseconds(200)) return;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    std::fprintf(stderr, "\r%llu events, %.1f/s, %llu failed \033[K",
                 static_cast<unsigned long long>(totals.published),
                 static_cast<double>(totals.published) / std::max(seconds, 0.001),
                 static_cast<unsigned long long>(totals.failed));
    shown_at_ = now;
    if (last) std::fputc('\n', stderr);
  }

 private:
  void clear() {
    if (terminal_) std::fputs("\r\033[K", stderr);
  }

  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_at_;
  std::string problem_;
};

// Sends event n at start + n / rate.
Outcome play(const Plan& plan, DemoFeed& feed, StopSignal& stop) {
  Pause pause;
  stop.on_stop([&pause] { pause.end(); });
  DemoScene scene(plan.seed);
  Progress progress;
  const auto interval =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / plan.rate));
  const auto end = Clock::now() + plan.duration;
  auto due = Clock::now();
  Outcome outcome;
  for (std::uint64_t sent = 0; sent < plan.count && outcome.code == kOk; ++sent) {
    if (due >= end || !pause.until(due)) break;
    outcome = feed.send(scene.next(std::chrono::system_clock::now()));
    progress.show(feed, /*last=*/false);
    // After a stall at most a second's worth is caught up.
    due = std::max(due + interval, Clock::now() - std::chrono::seconds(1));
  }
  stop.on_stop(nullptr);
  feed.finish();
  progress.show(feed, /*last=*/true);
  return outcome;
}

Outcome run(const Arguments& arguments, StopSignal& stop) {
  const auto common = read_common(arguments);
  if (!common) return bad_usage(common.error());
  const auto plan = plan_of(arguments);
  if (!plan) return bad_usage(plan.error());
  if (arguments.has("channel") && !arguments.has("redis_url"))
    return {kBadUsage, "--channel goes with --redis_url"};
  auto feed = arguments.has("redis_url")
                  ? redis_feed(arguments.get("redis_url"),
                               arguments.get("channel", "notifications.v1"), common->timeout)
                  : grpc_feed(*common);
  if (!feed) return feed.error();
  const Outcome outcome = play(*plan, **feed, stop);
  if (outcome.code != kOk || stop.stopped()) return outcome;
  const DemoFeed::Totals totals = (*feed)->totals();
  if (totals.failed == 0) return {};
  return {kFailed, std::to_string(totals.failed) + " of " +
                       std::to_string(totals.failed + totals.published) +
                       " events failed: " + (*feed)->last_problem()};
}

}  // namespace

const Command kDemoCommand{"demo", "keeps publishing a lifelike scene of the platform's events",
                           kFlags, run, kOk};

}  // namespace notifications::notifyctl
