#include "core/redis/journal_store.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/redis/journal_entry.h"
#include "core/redis/journal_session.h"

namespace notifications::redis {
namespace {

using std::chrono::steady_clock;

// A refusal (loading, out of memory, a missing permission) may pass.
constexpr std::chrono::seconds kRetryPause{1};
// About how large a page may be.
constexpr std::size_t kPageBytes = 4 * 1024 * 1024;

Reply unavailable() {
  Reply reply;
  reply.kind = Reply::Kind::kLost;
  return reply;
}

Journal::SessionResult saved(const Reply& reply) {
  if (reply.kind != Reply::Kind::kInteger) return Journal::SessionResult::kUnavailable;
  return reply.integer == 1 ? Journal::SessionResult::kOk : Journal::SessionResult::kGone;
}

}  // namespace

JournalStore::JournalStore(boost::asio::io_context& io, JournalKeys keys, JournalOptions options,
                           std::chrono::milliseconds session_limit, Log& log)
    : keys_(std::move(keys)),
      options_(options),
      session_limit_(session_limit),
      log_(log),
      limit_timer_(io),
      retry_timer_(io) {}

void JournalStore::attach(Connection& connection, ScriptCaller& scripts) {
  connection_ = &connection;
  scripts_ = &scripts;
}

// ---- calls

void JournalStore::run(const CallPtr& call) {
  if (closed_) return;
  if (connection_ == nullptr || (call->waits && !connection_->up())) {
    waiting_.push_back(call);
    return;
  }
  call->send(
      [self = shared_from_this(), call](const Reply& reply) { self->on_reply(call, reply); });
}

void JournalStore::on_reply(const CallPtr& call, const Reply& reply) {
  if (!call->done) return;  // its limit was first
  const bool lost = reply.kind == Reply::Kind::kLost || reply.kind == Reply::Kind::kNotSent;
  if (lost && call->waits) {
    waiting_.push_back(call);
  } else {
    end(call, reply);
  }
}

void JournalStore::end(const CallPtr& call, const Reply& reply) {
  if (const auto done = std::exchange(call->done, {})) done(reply);
}

void JournalStore::on_up() {
  for (const CallPtr& call : std::exchange(waiting_, {})) {
    if (call->done) run(call);
  }
}

void JournalStore::limit(const CallPtr& call) {
  limited_.push_back({steady_clock::now() + session_limit_, call});
  if (limited_.size() == 1) arm_limit();
}

void JournalStore::arm_limit() {
  const auto over = [](const Limited& limited) {
    const CallPtr call = limited.call.lock();
    return call == nullptr || !call->done;
  };
  while (!limited_.empty() && over(limited_.front())) limited_.pop_front();
  if (limited_.empty()) return;
  limit_timer_.expires_at(limited_.front().until);
  limit_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || self == nullptr || self->closed_) return;
    const auto now = steady_clock::now();
    while (!self->limited_.empty() && self->limited_.front().until <= now) {
      const CallPtr call = self->limited_.front().call.lock();
      self->limited_.pop_front();
      if (call != nullptr) self->end(call, unavailable());
    }
    self->arm_limit();
  });
}

void JournalStore::close() {
  closed_ = true;
  limit_timer_.cancel();
  retry_timer_.cancel();
  for (const CallPtr& call : std::exchange(waiting_, {})) end(call, unavailable());
  limited_.clear();
}

// ---- pages

void JournalStore::read(std::optional<StreamId> after, std::size_t count,
                        std::function<void(JournalPage)> done) {
  const std::size_t fitting = std::max<std::size_t>(1, kPageBytes / bytes_per_entry_);
  read_page(after, std::min(count, fitting), std::move(done));
}

void JournalStore::read_page(std::optional<StreamId> after, std::size_t count,
                             std::function<void(JournalPage)> done) {
  const auto call = std::make_shared<Call>();
  const auto head = std::make_shared<Reply>();
  call->send = [this, after, count, head](Connection::ReplyHandler handle) {
    // The end first: if nothing lies behind `after` then, it was the end all the while.
    scripts_->call(kOpenScript, 2, {keys_.journal, keys_.meta, epochs_.next(), ""},
                   [head](Reply reply) { *head = std::move(reply); });
    const std::string from = after ? "(" + after->text() : "-";
    connection_->send({"XRANGE", keys_.journal, from, "+", "COUNT", std::to_string(count)},
                      std::move(handle));
  };
  call->done = [this, after, count, head, done = std::move(done)](const Reply& entries) mutable {
    on_page(*head, entries, after, count, std::move(done));
  };
  run(call);
}

void JournalStore::on_page(const Reply& head, const Reply& entries, std::optional<StreamId> after,
                           std::size_t count, std::function<void(JournalPage)> done) {
  if (closed_) return done({});
  const auto end = head.elements.empty() ? std::nullopt : parse_position(head.elements[0].text);
  if (!end || entries.kind != Reply::Kind::kArray) {
    const Reply& problem = head.kind == Reply::Kind::kError ? head : entries;
    if (const auto suppressed = error_log_.admit()) {
      log_.warn("journal cannot be read", {{"reason", problem.text}, {"suppressed", *suppressed}});
    }
    return retry_later([this, after, count, done = std::move(done)]() mutable {
      read_page(after, count, std::move(done));
    });
  }
  if (on_head_) on_head_(*end);
  JournalPage page;
  page.ok = true;
  page.head = *end;
  std::size_t bytes = 0;
  for (const Reply& element : entries.elements) {
    const auto entry = read_stream_entry(element);
    auto held = entry ? to_journal_entry(*entry) : std::nullopt;
    if (!held) continue;
    bytes += held->text.size();
    page.entries.push_back(*std::move(held));
  }
  if (!page.entries.empty())
    bytes_per_entry_ = (3 * bytes_per_entry_ + bytes / page.entries.size()) / 4 + 1;
  const bool more = page.entries.empty() && entries.elements.size() == count;
  if (more) {
    // A page of what others wrote into the stream.
    const auto last = parse_stream_id(stream_id_of(entries.elements.back()));
    if (last) return read_page(last, count, std::move(done));
  }
  done(std::move(page));
}

void JournalStore::retry_later(std::function<void()> work) {
  retries_.push_back(std::move(work));
  if (retries_.size() > 1) return;
  retry_timer_.expires_after(kRetryPause);
  retry_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || self == nullptr || self->closed_) return;
    for (const auto& again : std::exchange(self->retries_, {})) again();
  });
}

// ---- sessions

void JournalStore::take(std::string pid, std::function<void(SessionResult, SessionRecord)> done) {
  const auto call = std::make_shared<Call>();
  call->send = [this, pid](Connection::ReplyHandler handle) {
    scripts_->call(kTakeScript, 1,
                   {keys_.session_prefix + pid, keys_.control, pid,
                    std::to_string(options_.record_lifetime().count())},
                   std::move(handle));
  };
  call->done = [pid, done = std::move(done)](const Reply& reply) {
    if (reply.kind == Reply::Kind::kNil) return done(SessionResult::kGone, {});
    if (reply.elements.size() != 2) return done(SessionResult::kUnavailable, {});
    auto record = decode_session(reply.elements[1].text);
    if (!record) return done(SessionResult::kGone, {});
    record->pid = pid;
    record->generation = static_cast<std::uint64_t>(reply.elements[0].integer);
    done(SessionResult::kOk, *std::move(record));
  };
  run(call);
  limit(call);
}

void JournalStore::save(SessionRecord record, bool refresh,
                        std::function<void(SessionResult)> done) {
  const auto call = std::make_shared<Call>();
  call->waits = !refresh;
  call->send = [this, pid = record.pid, generation = record.generation,
                text = encode_session(record)](Connection::ReplyHandler handle) {
    scripts_->call(kSaveScript, 1,
                   {keys_.session_prefix + pid, std::to_string(generation), text,
                    std::to_string(options_.record_lifetime().count())},
                   std::move(handle));
  };
  call->done = [this, refresh, pid = record.pid, generation = record.generation,
                done = std::move(done)](const Reply& reply) {
    const SessionResult result = saved(reply);
    // Somebody took it while we could not hear of it.
    if (refresh && result == SessionResult::kGone && taken_) taken_(pid, generation + 1);
    done(result);
  };
  run(call);
  limit(call);
}

void JournalStore::forget(std::string pid, std::uint64_t generation) {
  const auto call = std::make_shared<Call>();
  call->send = [this, pid, generation](Connection::ReplyHandler handle) {
    scripts_->call(kForgetScript, 1, {keys_.session_prefix + pid, std::to_string(generation)},
                   std::move(handle));
  };
  call->done = [](const Reply&) {};
  run(call);
  limit(call);
}

void JournalStore::on_control(std::string_view message) {
  constexpr std::string_view kTaken = "taken ";
  if (!taken_ || message.substr(0, kTaken.size()) != kTaken) return;
  message.remove_prefix(kTaken.size());
  const std::size_t space = message.find(' ');
  if (space == message.npos) return;
  std::uint64_t generation = 0;
  const std::string_view number = message.substr(space + 1);
  std::from_chars(number.data(), number.data() + number.size(), generation);
  taken_(message.substr(0, space), generation);
}

}  // namespace notifications::redis
