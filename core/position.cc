#include "core/position.h"

#include <algorithm>
#include <charconv>

namespace notifications {
namespace {

constexpr std::size_t kMaxEpoch = 64;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  // One spelling for each number, so that equal texts are equal positions and the other way round.
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

bool is_epoch_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-';
}

}  // namespace

std::string StreamId::text() const { return std::to_string(ms) + "-" + std::to_string(seq); }

std::optional<StreamId> parse_stream_id(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == text.npos) return std::nullopt;
  const auto ms = parse_number(text.substr(0, dash));
  const auto seq = parse_number(text.substr(dash + 1));
  if (!ms || !seq) return std::nullopt;
  return StreamId{*ms, *seq};
}

std::string Position::text() const { return epoch + "." + id.text(); }

std::optional<Position> parse_position(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == text.npos || dot == 0 || dot > kMaxEpoch) return std::nullopt;
  const std::string_view epoch = text.substr(0, dot);
  const auto id = parse_stream_id(text.substr(dot + 1));
  if (!id || !std::all_of(epoch.begin(), epoch.end(), is_epoch_character)) return std::nullopt;
  return Position{std::string(epoch), *id};
}

}  // namespace notifications
