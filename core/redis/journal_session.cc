#include "core/redis/journal_session.h"

#include <utility>

namespace notifications::redis {
namespace {

class Writer {
 public:
  void word(std::string_view text, char end) { out.append(text).push_back(end); }
  void position(const std::optional<Position>& position) {
    if (!position) return word("-", '\n');
    if (position->epoch != epoch_) out += epoch_ = position->epoch;
    out.push_back('.');
    word(position->id.text(), '\n');
  }
  std::string out;

 private:
  std::string epoch_;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  std::optional<std::string_view> word(char end) {
    const std::size_t at = rest_.find(end);
    if (at == rest_.npos) return std::nullopt;
    const std::string_view found = rest_.substr(0, at);
    rest_.remove_prefix(at + 1);
    return found;
  }
  // False if the next line is neither a position nor "-".
  bool position(std::optional<Position>& out) {
    const auto line = word('\n');
    if (!line) return false;
    if (*line == "-") return true;
    const bool same_epoch = !line->empty() && line->front() == '.';
    out = parse_position(same_epoch ? epoch_ + std::string(*line) : std::string(*line));
    if (out) epoch_ = out->epoch;
    return out.has_value();
  }

 private:
  std::string_view rest_;
  std::string epoch_;
};

}  // namespace

std::string encode_session(const SessionRecord& record) {
  Writer writer;
  writer.word(record.sid, '\n');
  writer.position(record.sent);
  writer.position(record.checked);
  for (const SessionRecord::Room& room : record.rooms) {
    writer.word(room.name, ' ');
    writer.position(room.since);
  }
  return std::move(writer.out);
}

std::optional<SessionRecord> decode_session(std::string_view text) {
  Reader reader(text);
  SessionRecord record;
  const auto sid = reader.word('\n');
  if (!sid || !reader.position(record.sent) || !reader.position(record.checked)) {
    return std::nullopt;
  }
  record.sid = *sid;
  while (!reader.at_end()) {
    const auto name = reader.word(' ');
    std::optional<Position> since;
    if (!name || !reader.position(since) || !since) return std::nullopt;
    record.rooms.push_back({std::string(*name), *std::move(since)});
  }
  return record;
}

}  // namespace notifications::redis
