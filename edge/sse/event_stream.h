#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/publication.h"

namespace notifications::sse {

// The blocks of an event stream, each complete with its empty line. Thread: any.
// See: https://html.spec.whatwg.org/multipage/server-sent-events.html, CONTRACT section 7.

// The first block: a comment, and how long the client waits before it comes back.
std::string connected_block(std::chrono::milliseconds retry);
// Only how long to wait: to send a client away so that it comes back later.
std::string retry_block(std::chrono::milliseconds retry);
inline constexpr std::string_view kKeepalive = ": keepalive\n\n";
// A block that only moves the client's last event id.
std::string id_block(std::string_view position);
// event: notifications.gap, with `id:` set to `resumes_at` unless that is empty.
std::string gap_block(std::string_view after, std::string_view resumes_at);
// A comment that says why the stream ends.
std::string closing_block(std::string_view reason);

// An event: id (unless the position is empty), name, payload text; line breaks in the text make
// several data lines. A name that cannot stand in an event line makes the envelope form.
std::string encode_event(const Publication& publication);
// An event in the envelope form: id, and the whole envelope as it was published.
std::string encode_envelope(const Publication& publication);

}  // namespace notifications::sse
