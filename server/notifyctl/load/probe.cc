#include "server/notifyctl/load/probe.h"

#include <charconv>
#include <chrono>

namespace notifications::load {
namespace {

constexpr std::string_view kSequence = R"({"seq":)";
constexpr std::string_view kAt = R"(,"at":)";
constexpr std::size_t kSequenceDigits = 10;
constexpr std::size_t kAtDigits = 16;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes `expected` from the front of `text`.
bool take(std::string_view& text, std::string_view expected) {
  if (text.substr(0, expected.size()) != expected) return false;
  text.remove_prefix(expected.size());
  return true;
}

}  // namespace

std::uint64_t probe_clock() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return 1'000'000'000'000'000 +
         static_cast<std::uint64_t>(
             std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

ProbeText::ProbeText(std::size_t payload_size)
    : head_("42[\"" + std::string(kEvent) + "\","), tail_(R"(,"pad":")") {
  const std::size_t fixed =
      kSequence.size() + kSequenceDigits + kAt.size() + kAtDigits + tail_.size() + 2;
  if (payload_size > fixed) tail_.append(payload_size - fixed, 'x');
  tail_ += "\"}";
}

std::string ProbeText::payload(std::uint64_t sequence, std::uint64_t at) const {
  std::string out(kSequence);
  out.reserve(64 + tail_.size());
  out += std::to_string(sequence);
  out += kAt;
  out += std::to_string(at);
  return out += tail_;
}

std::string ProbeText::packet(std::uint64_t sequence, std::uint64_t at) const {
  return head_ + payload(sequence, at) + "]";
}

std::optional<ProbeText::Seen> ProbeText::take_payload(std::string_view& text) const {
  if (!take(text, kSequence)) return std::nullopt;
  const auto sequence = number(text.substr(0, kSequenceDigits));
  if (!sequence) return std::nullopt;
  text.remove_prefix(kSequenceDigits);
  if (!take(text, kAt)) return std::nullopt;
  const auto at = number(text.substr(0, kAtDigits));
  if (!at) return std::nullopt;
  text.remove_prefix(kAtDigits);
  if (!take(text, tail_)) return std::nullopt;
  return Seen{*sequence, *at};
}

std::optional<ProbeText::Seen> ProbeText::read_payload(std::string_view payload) const {
  const auto seen = take_payload(payload);
  return payload.empty() ? seen : std::nullopt;
}

std::optional<ProbeText::Seen> ProbeText::read(std::string_view packet) const {
  if (!take(packet, head_)) return std::nullopt;
  const auto seen = take_payload(packet);
  const bool positioned = packet.size() > 4 && packet.substr(0, 2) == ",\"";
  if (packet.empty() || packet.back() != ']' || (packet.size() > 1 && !positioned)) {
    return std::nullopt;
  }
  return seen;
}

}  // namespace notifications::load
