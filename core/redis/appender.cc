#include "core/redis/appender.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace notifications::redis {
namespace {

// What one call may hold: while Redis runs it, nobody else is served (some 20 us an envelope).
constexpr std::size_t kMostEvents = 64;
constexpr std::size_t kMostBytes = 256 * 1024;
// Elements of the script's answer for each envelope: position, ts, duplicate.
constexpr std::size_t kAnswerSize = 3;

// Of two times in milliseconds the earlier one; "" is none.
const std::string& earlier(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return a.empty() ? b : a;
  if (a.size() != b.size()) return a.size() < b.size() ? a : b;
  return a < b ? a : b;
}

}  // namespace

Appender::Appender(boost::asio::io_context& io, ScriptCaller& scripts, std::string channel,
                   const JournalOptions& journal)
    : io_(io),
      scripts_(scripts),
      channel_(std::move(channel)),
      keys_(channel_),
      max_length_(std::to_string(journal.max_length)),
      retention_(std::to_string(journal.retention.count())),
      idempotency_window_(std::to_string(journal.idempotency_window.count())) {}

Appender::~Appender() = default;

void Appender::append(const Event& event, Connection::ReplyHandler done) {
  pending_.push_back({keys_.id_prefix + std::string(event.id), std::string(event.ts),
                      std::string(event.text), event.publish, event.limit, std::move(done)});
  if (pending_.size() > 1) return;
  boost::asio::post(io_, [this, life = std::weak_ptr(life_)] {
    if (!life.expired()) send_all();
  });
}

void Appender::on_down() {
  Reply not_sent;
  not_sent.kind = Reply::Kind::kNotSent;
  for (Pending& event : std::exchange(pending_, {})) event.done(not_sent);
}

void Appender::stop() {
  life_.reset();
  on_down();
}

// In runs of what may go together.
void Appender::send_all() {
  std::vector<Pending> events = std::exchange(pending_, {});
  for (std::size_t begin = 0; begin < events.size();) {
    std::size_t end = begin;
    std::size_t bytes = 0;
    while (end < events.size() && end - begin < kMostEvents &&
           events[end].publish == events[begin].publish) {
      bytes += events[end].text.size();
      if (end > begin && bytes > kMostBytes) break;
      ++end;
    }
    send(std::span(events).subspan(begin, end - begin));
    begin = end;
  }
}

// See: core/redis/scripts/append.lua for the order of keys and arguments.
void Appender::send(std::span<Pending> events) {
  const std::string epoch = epochs_.next();
  std::string limit;
  for (const Pending& event : events) limit = earlier(limit, event.limit);
  const Pending& first = events.front();
  std::vector<std::string_view> words{keys_.journal, keys_.meta};
  words.reserve(10 + 3 * events.size());
  for (const Pending& event : events) words.push_back(event.id_key);
  words.insert(words.end(),
               {first.text, first.ts, channel_, max_length_, retention_, idempotency_window_, epoch,
                first.publish == Publish::kYes ? "1" : "0", limit});
  for (const Pending& event : events.subspan(1)) {
    words.push_back(event.text);
    words.push_back(event.ts);
  }
  std::vector<Connection::ReplyHandler> handlers;
  handlers.reserve(events.size());
  for (Pending& event : events) handlers.push_back(std::move(event.done));
  scripts_.call(kAppendScript, 2 + events.size(), words,
                [life = std::weak_ptr(life_), handlers = std::move(handlers)](const Reply& answer) {
                  // The first is always called: its owner has waited for the connection.
                  for (std::size_t i = 0; i < handlers.size(); ++i) {
                    if (i > 0 && life.expired()) return;
                    handlers[i](answer_of(answer, i, handlers.size()));
                  }
                });
}

Reply answer_of(const Reply& answer, std::size_t index, std::size_t count) {
  if (answer.kind != Reply::Kind::kArray || count == 1) return answer;
  Reply own;
  own.kind = Reply::Kind::kArray;
  if (answer.elements.size() != kAnswerSize * count) return own;
  const auto begin = answer.elements.begin() + static_cast<std::ptrdiff_t>(kAnswerSize * index);
  if (begin->kind == Reply::Kind::kError) return *begin;
  own.elements.assign(begin, begin + kAnswerSize);
  return own;
}

}  // namespace notifications::redis
