#include "core/memory/memory_journal.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "core/uuid.h"

namespace notifications {
namespace {

constexpr int kEpochBytes = 9;

std::uint64_t milliseconds_of(std::chrono::system_clock::time_point time) {
  const auto since = time.time_since_epoch();
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::floor<std::chrono::milliseconds>(since).count()));
}

}  // namespace

MemoryJournal::MemoryJournal(boost::asio::io_context& io, JournalOptions options, SystemClock clock)
    : io_(io),
      options_(options),
      clock_(clock ? std::move(clock) : SystemClock(std::chrono::system_clock::now)),
      head_{new_random_id(kEpochBytes), {}} {}

template <class Work>
void MemoryJournal::later(Work work) {
  boost::asio::post(io_, [alive = std::weak_ptr(alive_), work = std::move(work)]() mutable {
    if (!alive.expired()) work();
  });
}

// ---- entries

MemoryJournal::Appended MemoryJournal::append(const PublishCommand& command) {
  const TimePoint now = clock_();
  trim(now);
  if (const auto known = ids_.find(command.id); known != ids_.end()) {
    return {known->second.position, {}, known->second.ts, true};
  }
  JournalEntry entry;
  entry.previous = head_;
  // Ids grow whatever the clock does.
  const std::uint64_t ms = milliseconds_of(now);
  head_.id = ms > head_.id.ms ? StreamId{ms, 0} : StreamId{head_.id.ms, head_.id.seq + 1};
  entry.position = head_;
  entry.text = command.text;
  Appended result{head_.text(), entry.previous.text(), command.ts, false};
  entries_.push_back(std::move(entry));
  if (entries_.size() > options_.max_length) entries_.pop_front();
  ids_[command.id] = {result.position, command.ts};
  ids_by_age_.emplace_back(now + options_.idempotency_window, command.id);
  return result;
}

void MemoryJournal::trim(TimePoint now) {
  const std::uint64_t oldest = milliseconds_of(now - options_.retention);
  while (!entries_.empty() && entries_.front().position.id.ms < oldest) entries_.pop_front();
  while (!ids_by_age_.empty() && ids_by_age_.front().first <= now) {
    ids_.erase(ids_by_age_.front().second);
    ids_by_age_.pop_front();
  }
}

void MemoryJournal::read(std::optional<StreamId> after, std::size_t count,
                         std::function<void(JournalPage)> done) {
  JournalPage page;
  page.ok = true;
  page.head = head_;
  auto next = entries_.begin();
  if (after) {
    next = std::upper_bound(
        entries_.begin(), entries_.end(), *after,
        [](const StreamId& id, const JournalEntry& entry) { return id < entry.position.id; });
  }
  for (; next != entries_.end() && page.entries.size() < count; ++next) {
    page.entries.push_back(*next);
  }
  later([done = std::move(done), page = std::move(page)]() mutable { done(std::move(page)); });
}

// ---- sessions

MemoryJournal::Kept* MemoryJournal::find_session(const std::string& pid) {
  const auto found = sessions_.find(pid);
  if (found == sessions_.end()) return nullptr;
  if (found->second.until > clock_()) return &found->second;
  sessions_.erase(found);
  return nullptr;
}

void MemoryJournal::take(std::string pid, std::function<void(SessionResult, SessionRecord)> done) {
  Kept* const kept = find_session(pid);
  if (kept == nullptr) {
    return later([done = std::move(done)] { done(SessionResult::kGone, {}); });
  }
  ++kept->record.generation;
  kept->until = clock_() + options_.record_lifetime();
  later([this, done = std::move(done), record = kept->record] {
    if (taken_) taken_(record.pid, record.generation);
    done(SessionResult::kOk, record);
  });
}

void MemoryJournal::save(SessionRecord record, bool, std::function<void(SessionResult)> done) {
  const TimePoint now = clock_();
  const Kept* const kept = find_session(record.pid);
  const bool refused = kept != nullptr && kept->record.generation > record.generation;
  if (!refused) {
    std::string pid = record.pid;
    sessions_[std::move(pid)] = {std::move(record), now + options_.record_lifetime()};
    forget_old_sessions(now);
  }
  later([done = std::move(done), refused] {
    done(refused ? SessionResult::kGone : SessionResult::kOk);
  });
}

void MemoryJournal::forget(std::string pid, std::uint64_t generation) {
  const Kept* const kept = find_session(pid);
  if (kept != nullptr && kept->record.generation <= generation) sessions_.erase(pid);
}

// Sessions that nobody asks for again go in sweeps, each paid for by as many new ones.
void MemoryJournal::forget_old_sessions(TimePoint now) {
  if (sessions_.size() < sweep_at_) return;
  absl::erase_if(sessions_, [now](const auto& session) { return session.second.until <= now; });
  sweep_at_ = std::max<std::size_t>(1024, 2 * sessions_.size());
}

}  // namespace notifications
