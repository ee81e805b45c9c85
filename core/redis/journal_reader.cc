#include "core/redis/journal_reader.h"

#include <algorithm>
#include <utility>

#include "core/redis/journal_entry.h"

namespace notifications::redis {
namespace {

// About how large a page may be, and how many entries at most.
constexpr std::size_t kPageBytes = 2 * 1024 * 1024;
constexpr std::size_t kPageEntries = 256;
// About what an entry costs in memory beside its text, which is held twice.
constexpr std::size_t kEntryCost = 512;

}  // namespace

JournalReader::JournalReader(Connection& connection, Options options, EventSink& sink,
                             Callbacks callbacks, Log& log, Metrics& metrics)
    : connection_(connection),
      scripts_(connection),
      options_(std::move(options)),
      sink_(sink),
      callbacks_(std::move(callbacks)),
      log_(log),
      strangers_(metrics.counter("notifications_journal_strangers_total",
                                 "Entries of the stream that the append script did not write")) {
  metrics.computed(
      "notifications_journal_lag_seconds",
      "Time between the last entry handed out and the journal's end, at the last probe",
      [progress = progress_] { return static_cast<double>(progress->behind_ms.load()) / 1000; });
  metrics.computed("notifications_journal_read_age_seconds",
                   "Time since the journal was last read; a probe comes by there, too",
                   [progress = progress_] {
                     const auto age = std::chrono::steady_clock::now() - progress->read_at.load();
                     return std::chrono::duration<double>(age).count();
                   });
}

bool JournalReader::refused(const Reply& reply, std::string_view what) {
  if (reply.kind == Reply::Kind::kError) connection_.reset(std::string(what) + ": " + reply.text);
  return reply.failed();
}

// Pages grow with the number of entries that wait, not with their size.
std::size_t JournalReader::page_size() const {
  return std::clamp<std::size_t>(kPageBytes / bytes_per_entry_, 1, kPageEntries);
}

void JournalReader::learn_size(std::size_t entries, std::size_t bytes) {
  if (entries > 0) bytes_per_entry_ = std::max(bytes / entries, (3 * bytes_per_entry_) / 4) + 1;
}

// ---- opening

void JournalReader::on_up() {
  scripts_.on_up();
  // A canary of another life, or of another kind, may stand there.
  connection_.send({"DEL", options_.canary}, {});
  canary_from_ = "0-0";
  live_ = false;
  warm_.clear();
  warm_size_ = 0;
  open();
}

void JournalReader::open() {
  scripts_.call(kOpenScript, 2, {options_.keys.journal, options_.keys.meta, epochs_.next(), known_},
                [this](const Reply& reply) {
                  if (!refused(reply, "the journal cannot be opened")) on_opened(reply);
                });
}

void JournalReader::on_opened(const Reply& reply) {
  if (reply.elements.size() != 3) return connection_.reset("the journal cannot be opened");
  const std::string& head = reply.elements[0].text;
  const std::string& base = reply.elements[2].text;
  measure_lag(head);
  from_ = reply.elements[1].text;
  if (known_.empty()) {
    expected_ = head;
    return warm(from_);
  }
  if (!base.empty()) {
    reset_to(base);
    sink_.on_batch_end();
  }
  go_live();
}

void JournalReader::measure_lag(const std::string& head) {
  const auto end = parse_position(head);
  const auto here = parse_position(known_);
  // Before its first entry a journal has no time.
  const bool known = end && here && here->id.ms != 0 && end->id.ms > here->id.ms;
  const auto behind = known ? static_cast<std::int64_t>(end->id.ms - here->id.ms) : 0;
  progress_->behind_ms.store(behind, std::memory_order_relaxed);
}

void JournalReader::reset_to(const std::string& base) {
  const auto position = parse_position(base);
  if (!position) return connection_.reset("the journal's end is not understood");
  known_ = base;
  hole_found_ = false;
  sink_.on_reset(*position);
}

// Reads backwards from the end as far as the chain and the limit go. What is found is handed out
// only when all of it is here: it must come in order.
void JournalReader::warm(const std::string& end) {
  if (warm_size_ >= options_.warm_bytes) return hand_out_warm();
  connection_.send(
      {"XREVRANGE", options_.keys.journal, end, "-", "COUNT", std::to_string(page_size())},
      [this](const Reply& reply) {
        if (!refused(reply, "the journal cannot be read")) on_warm_page(reply);
      });
}

void JournalReader::on_warm_page(const Reply& page) {
  std::size_t bytes = 0;
  for (const Reply& element : page.elements) {
    const auto entry = read_stream_entry(element);
    if (!entry) {
      count_stranger(element);
      continue;
    }
    std::string position = entry->position();
    if (position != expected_ || warm_size_ >= options_.warm_bytes) return hand_out_warm();
    expected_ = entry->previous;
    bytes += entry->text.size();
    warm_size_ += kEntryCost + 2 * entry->text.size();
    warm_.push_back({std::move(position), expected_, std::string(entry->text)});
  }
  if (page.elements.empty()) return hand_out_warm();
  learn_size(page.elements.size(), bytes);
  warm("(" + std::string(stream_id_of(page.elements.back())));
}

void JournalReader::hand_out_warm() {
  reset_to(expected_);
  for (; !warm_.empty(); warm_.pop_back()) {
    hand_out(warm_.back().position, warm_.back().previous, warm_.back().text);
  }
  warm_.shrink_to_fit();
  sink_.on_batch_end();
  go_live();
}

void JournalReader::go_live() {
  if (!connection_.up()) return;
  if (!std::exchange(live_, true) && callbacks_.on_open) callbacks_.on_open();
  read();
}

// ---- reading

void JournalReader::read() {
  connection_.send({"XREAD", "COUNT", std::to_string(page_size()), "BLOCK", "0", "STREAMS",
                    options_.keys.journal, options_.canary, from_, canary_from_},
                   [this](const Reply& reply) {
                     if (!refused(reply, "the journal cannot be read")) on_read(reply);
                   });
}

void JournalReader::on_read(const Reply& reply) {
  progress_->read_at.store(std::chrono::steady_clock::now(), std::memory_order_relaxed);
  std::string canary;
  Taken taken;
  for (const Reply& stream : reply.elements) {
    if (stream.elements.size() != 2) continue;
    const Reply& entries = stream.elements[1];
    if (stream.elements[0].text == options_.keys.journal) {
      taken = take(entries);
    } else if (!entries.elements.empty()) {
      const Reply& last = entries.elements.back();
      canary_from_ = stream_id_of(last);
      if (last.elements.size() == 2 && last.elements[1].elements.size() == 2) {
        canary = last.elements[1].elements[1].text;
      }
    }
  }
  const bool goes_on = taken.known_way && canary.empty();
  // What follows is asked for before this is delivered: the server gathers it meanwhile, and it
  // still leaves in the same writes to most.
  if (goes_on) {
    read();
    connection_.flush();
  }
  if (taken.some) sink_.on_batch_end();
  if (goes_on) return;
  if (!canary.empty() && callbacks_.on_canary) callbacks_.on_canary(canary);
  open();
}

// Not by a known way if the journal may be another one, which has to be found out before the rest
// is handed out: a new stream may have given out ids anew, and then its first entries were not
// read.
JournalReader::Taken JournalReader::take(const Reply& entries) {
  Taken taken;
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (const Reply& element : entries.elements) {
    const auto entry = read_stream_entry(element);
    if (entry && entry->epoch != epoch() && entry->previous != known_ &&
        !std::exchange(hole_found_, true)) {
      taken.known_way = false;
      break;
    }
    from_ = stream_id_of(element);
    if (!entry) {
      count_stranger(element);
      continue;
    }
    hole_found_ = false;
    ++count;
    bytes += entry->text.size();
    hand_out(entry->position(), entry->previous, entry->text);
  }
  learn_size(count, bytes);
  taken.some = count > 0;
  return taken;
}

void JournalReader::hand_out(std::string_view position, std::string_view previous,
                             std::string_view text) {
  known_ = position;
  if (seen_) seen_(text);
  Incoming message;
  message.text = text;
  message.position = position;
  message.previous = previous;
  sink_.on_message(message);
}

void JournalReader::count_stranger(const Reply& element) {
  strangers_.add();
  if (const auto suppressed = stranger_log_.admit()) {
    log_.warn("entry of the journal not understood",
              {{"id", stream_id_of(element)}, {"suppressed", *suppressed}});
  }
}

}  // namespace notifications::redis
