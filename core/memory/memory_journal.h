#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/broker.h"
#include "core/journal.h"
#include "core/journal_options.h"
#include "core/string_map.h"

namespace notifications {

// MemoryJournal keeps the journal of one process in memory: gone with it, and with a new epoch each
// time.
//
// Thread: the broker's. Callbacks come in a later turn.
class MemoryJournal final : public Journal {
 public:
  using SystemClock = std::function<std::chrono::system_clock::time_point()>;

  MemoryJournal(boost::asio::io_context& io, JournalOptions options, SystemClock clock);

  // What became of an envelope.
  struct Appended {
    std::string position;
    std::string previous;
    std::string ts;
    bool duplicate = false;  // its id was known: nothing was appended, the first answer is returned
  };
  Appended append(const PublishCommand& command);

  // No callback is made any more.
  void close() { alive_.reset(); }

  // How many sessions are held, dead ones that nobody has looked at included.
  std::size_t sessions() const { return sessions_.size(); }

  // The last entry, or what stands before the first one.
  const Position& head() const { return head_; }

  void read(std::optional<StreamId> after, std::size_t count,
            std::function<void(JournalPage)> done) override;
  void take(std::string pid, std::function<void(SessionResult, SessionRecord)> done) override;
  void save(SessionRecord record, bool refresh, std::function<void(SessionResult)> done) override;
  void forget(std::string pid, std::uint64_t generation) override;
  void on_taken(std::function<void(std::string_view, std::uint64_t)> taken) override {
    taken_ = std::move(taken);
  }

 private:
  using TimePoint = std::chrono::system_clock::time_point;
  struct Known {
    std::string position;
    std::string ts;
  };
  struct Kept {
    SessionRecord record;
    TimePoint until;
  };

  void trim(TimePoint now);
  void forget_old_sessions(TimePoint now);
  Kept* find_session(const std::string& pid);
  template <class Work>
  void later(Work work);

  // Constant after construction.
  boost::asio::io_context& io_;
  const JournalOptions options_;
  const SystemClock clock_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::function<void(std::string_view, std::uint64_t)> taken_;

  // The broker's thread only.
  Position head_;
  std::deque<JournalEntry> entries_;
  StringMap<Known> ids_;
  std::deque<std::pair<TimePoint, std::string>> ids_by_age_;
  StringMap<Kept> sessions_;
  std::size_t sweep_at_ = 1024;  // how many sessions make it worth to look for dead ones
};

}  // namespace notifications
