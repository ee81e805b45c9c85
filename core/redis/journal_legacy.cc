#include "core/redis/journal_legacy.h"

#include <algorithm>
#include <utility>

#include "core/envelope_codec.h"
#include "core/string_map.h"
#include "core/uuid.h"

namespace notifications::redis {
namespace {

// How long, and of how many entries of the stream, the texts are known: the two connections are
// never far apart, and forgetting one too early costs a needless call of the script.
constexpr std::chrono::seconds kSeenTime{5};
constexpr std::size_t kMaxSeen = 65536;
// After an append was refused.
constexpr std::chrono::seconds kRetryPause{1};

// Only the holder gives the lease up.
constexpr const char* kGiveUp =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end";

JournalLegacy::Options with_unique_instance(JournalLegacy::Options options) {
  options.instance += ":" + new_random_id(6);
  return options;
}

Counter& counter(Metrics& metrics, const char* outcome) {
  return metrics.counter("notifications_journal_legacy_total",
                         "Envelopes that were heard but not seen in the journal in time: appended, "
                         "known to the script, or dropped since nobody could append them",
                         {{"outcome", outcome}});
}

}  // namespace

JournalLegacy::JournalLegacy(boost::asio::io_context& io, Connection& commands, Options options,
                             Callbacks callbacks, Log& log, Metrics& metrics)
    : commands_(commands),
      options_(with_unique_instance(std::move(options))),
      callbacks_(std::move(callbacks)),
      log_(log),
      appended_(counter(metrics, "appended")),
      known_(counter(metrics, "known")),
      dropped_(counter(metrics, "dropped")),
      holder_(metrics.gauge("notifications_journal_legacy_holder",
                            "1 while this process appends what was only published")),
      last_tick_(Clock::now()),
      tick_timer_(io),
      work_timer_(io) {}

JournalLegacy::Digest JournalLegacy::digest_of(std::string_view text) { return StringHash{}(text); }

void JournalLegacy::start() { tick(); }

void JournalLegacy::stop() {
  stopped_ = true;
  life_.reset();
  tick_timer_.cancel();
  work_timer_.cancel();
  holder_.set(0);
}

// ---- what comes in

void JournalLegacy::heard(std::string_view text) {
  const auto now = Clock::now();
  if (stood_still(now)) return;
  const Digest digest = digest_of(text);
  if (const auto known = seen_.find(digest); known != seen_.end()) {
    if (--known->second == 0) seen_.erase(known);
    return;
  }
  if (held_.contains(digest)) return;
  fresh_.push_back({digest, std::string(text), {}, {}, now});
  held_[digest] = std::prev(fresh_.end());
  bytes_ += text.size();
  arm();
}

void JournalLegacy::seen(std::string_view text) {
  const Digest digest = digest_of(text);
  if (const auto held = held_.find(digest); held != held_.end()) return erase(held->second);
  const auto now = Clock::now();
  ++seen_[digest];
  seen_by_age_.push_back({digest, now + kSeenTime});
  while (seen_by_age_.front().until <= now || seen_by_age_.size() > kMaxSeen) {
    const auto old = seen_.find(seen_by_age_.front().digest);
    if (old != seen_.end() && --old->second == 0) seen_.erase(old);
    seen_by_age_.pop_front();
  }
}

// True if the process was stopped for so long that the script may have forgotten ids which it knew
// when what waits here was published: others have appended that long ago, and a late attempt would
// double it.
bool JournalLegacy::stood_still(Clock::time_point now) {
  if (now - last_tick_ < options_.standstill) return false;
  last_tick_ = now;
  lease_until_ = {};
  for (List* list : {&fresh_, &ready_, &sent_}) list->clear();
  held_.clear();
  bytes_ = 0;
  log_.warn("process stood still, what it heard is left to others");
  callbacks_.drop_backlog();
  return true;
}

// ---- the lease

void JournalLegacy::tick() {
  const auto now = Clock::now();
  stood_still(now);
  last_tick_ = now;
  renew();
  work();
  const Clock::duration interval = options_.lease_time / 3;
  tick_timer_.expires_after(rest_until_ > now ? std::min(interval, rest_until_ - now) : interval);
  tick_timer_.async_wait([this, life = std::weak_ptr(life_)](boost::system::error_code error) {
    if (!error && !life.expired()) tick();
  });
}

void JournalLegacy::on_up() {
  pause_until_ = {};
  renew();
  work();
}

// Until the others have appended what they alone heard, it is in no hurry.
void JournalLegacy::on_hearing() {
  if (std::exchange(was_deaf_, false)) rest_until_ = Clock::now() + 2 * options_.patience;
  hearing_ = true;
  tick();
}

void JournalLegacy::on_deaf() {
  if (!std::exchange(hearing_, false)) return;
  was_deaf_ = true;
  lease_until_ = {};
  holder_.set(0);
  if (commands_.up()) commands_.send({"EVAL", kGiveUp, "1", options_.lease, options_.instance}, {});
}

void JournalLegacy::renew() {
  if (!commands_.up() || !hearing_ || Clock::now() < rest_until_) return;
  const std::string time = std::to_string(options_.lease_time.count());
  const auto asked_at = Clock::now();
  commands_.send({"SET", options_.lease, options_.instance, "NX", "PX", time}, {});
  commands_.send({"GET", options_.lease}, [this, asked_at, time](const Reply& reply) {
    if (stopped_ || reply.failed()) return;
    const bool mine = hearing_ && reply.text == options_.instance;
    holder_.set(mine ? 1 : 0);
    lease_until_ = mine ? asked_at + options_.lease_time : Clock::time_point();
    if (!mine) return;
    // It may have just passed to another: then two append for a while, which does no harm.
    commands_.send({"PEXPIRE", options_.lease, time}, {});
    work();
  });
}

// ---- appending

void JournalLegacy::arm() {
  auto next = Clock::time_point::max();
  if (!fresh_.empty()) next = fresh_.front().heard_at + options_.wait;
  if (!ready_.empty() && callbacks_.may_append()) {
    next = std::min(next, std::max(due(ready_.front()), pause_until_));
  }
  if (next >= armed_for_) return;
  armed_for_ = next;
  work_timer_.expires_at(next);
  work_timer_.async_wait([this, life = std::weak_ptr(life_)](boost::system::error_code error) {
    if (error || life.expired()) return;
    armed_for_ = Clock::time_point::max();
    work();
  });
}

// When it is appended by one that does not hold the lease.
JournalLegacy::Clock::time_point JournalLegacy::due(const Held& held) const {
  return held.heard_at + options_.wait + options_.patience;
}

void JournalLegacy::work() {
  const auto now = Clock::now();
  drop_old(now);
  check_fresh(now);
  append_ready(now);
  arm();
}

void JournalLegacy::check_fresh(Clock::time_point now) {
  while (!fresh_.empty() && fresh_.front().heard_at + options_.wait <= now) {
    const auto held = fresh_.begin();
    auto envelope = decode_envelope(held->text);
    if (!envelope) {
      const std::string text = held->text;
      erase(held);
      callbacks_.invalid(text);
      continue;
    }
    held->id = std::move(envelope->id);
    held->ts = std::move(envelope->ts);
    held->where = Where::kReady;
    ready_.splice(ready_.end(), fresh_, held);
  }
}

void JournalLegacy::append_ready(Clock::time_point now) {
  if (now < pause_until_ || !callbacks_.may_append()) return;
  const bool holder = now < lease_until_;
  while (!ready_.empty()) {
    const auto held = ready_.begin();
    if (!holder && due(*held) > now) return;
    held->where = Where::kSent;
    sent_.splice(sent_.end(), ready_, held);
    callbacks_.append(
        {held->id, held->ts, held->text, held->heard_at},
        [this, digest = held->digest](const Reply& reply) { on_appended(digest, reply); });
  }
}

void JournalLegacy::on_appended(Digest digest, const Reply& reply) {
  if (stopped_) return;
  const bool stored = reply.elements.size() == 3;
  if (stored) (reply.elements[2].integer == 0 ? appended_ : known_).add();
  const auto found = held_.find(digest);
  // Seen in the stream meanwhile, or taken back with another one.
  if (found == held_.end() || found->second->where != Where::kSent) return;
  if (stored) return erase(found->second);
  pause_until_ = Clock::now() + kRetryPause;
  if (reply.kind == Reply::Kind::kError) {
    if (const auto suppressed = drop_log_.admit()) {
      log_.warn("published envelope not journaled yet",
                {{"reason", reply.text}, {"suppressed", *suppressed}});
    }
  }
  // All that was sent behind it goes with it, so that the order stays.
  for (Held& held : sent_) held.where = Where::kReady;
  ready_.splice(ready_.begin(), sent_);
}

// ---- what is held

void JournalLegacy::drop_old(Clock::time_point now) {
  const std::uint64_t before = dropped_.value();
  for (List* list : {&ready_, &fresh_}) {
    while (!list->empty() &&
           (list->front().heard_at + options_.keep <= now || bytes_ > options_.max_bytes)) {
      erase(list->begin());
      dropped_.add();
    }
  }
  if (dropped_.value() == before) return;
  if (const auto suppressed = drop_log_.admit()) {
    log_.warn("published envelopes could not be journaled",
              {{"count", dropped_.value() - before}, {"suppressed", *suppressed}});
  }
}

void JournalLegacy::erase(List::iterator held) {
  bytes_ -= held->text.size();
  held_.erase(held->digest);
  List& list = held->where == Where::kFresh   ? fresh_
               : held->where == Where::kReady ? ready_
                                              : sent_;
  list.erase(held);
}

}  // namespace notifications::redis
