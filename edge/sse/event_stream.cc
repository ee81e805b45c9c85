#include "edge/sse/event_stream.h"

#include <algorithm>

#include "core/json/scanner.h"

namespace notifications::sse {
namespace {

void append_id(std::string& out, std::string_view position) {
  if (!position.empty()) out.append("id: ").append(position).append("\n");
}

// A line ends at CR, LF or both together; a client joins the data lines with LF.
void append_data(std::string& out, std::string_view text) {
  while (true) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    out.append("data: ").append(text.substr(0, end)).append("\n");
    if (end == text.size()) return;
    const bool both = text.substr(end, 2) == "\r\n";
    text.remove_prefix(end + (both ? 2 : 1));
  }
}

// Line breaks would end the line; a lone surrogate has no UTF-8.
bool fits_event_line(std::string_view name) {
  if (name.find_first_of(std::string_view("\r\n\0", 3)) != name.npos) return false;
  for (std::size_t i = 0; i + 1 < name.size(); ++i) {
    const bool surrogate = static_cast<unsigned char>(name[i]) == 0xED &&
                           static_cast<unsigned char>(name[i + 1]) >= 0xA0;
    if (surrogate) return false;
  }
  return true;
}

}  // namespace

std::string connected_block(std::chrono::milliseconds retry) {
  return ": connected\nretry: " + std::to_string(retry.count()) + "\n\n";
}

std::string retry_block(std::chrono::milliseconds retry) {
  return "retry: " + std::to_string(retry.count()) + "\n\n";
}

std::string id_block(std::string_view position) { return "id: " + std::string(position) + "\n\n"; }

std::string gap_block(std::string_view after, std::string_view resumes_at) {
  std::string out;
  append_id(out, resumes_at);
  out += "event: notifications.gap\ndata: {\"after\":";
  json::append_string(out, after);
  out += ",\"resumes_at\":";
  json::append_string(out, resumes_at);
  return out + "}\n\n";
}

std::string closing_block(std::string_view reason) {
  return ": closing: " + std::string(reason) + "\n\n";
}

std::string encode_event(const Publication& publication) {
  const Envelope& envelope = publication.envelope();
  if (!fits_event_line(envelope.event)) return encode_envelope(publication);
  std::string out;
  out.reserve(envelope.payload.size() + envelope.event.size() + 96);
  append_id(out, publication.position());
  out.append("event: ").append(envelope.event).append("\n");
  append_data(out, envelope.payload);
  return out += '\n';
}

std::string encode_envelope(const Publication& publication) {
  std::string out;
  out.reserve(publication.text().size() + 96);
  append_id(out, publication.position());
  append_data(out, publication.text());
  return out += '\n';
}

}  // namespace notifications::sse
