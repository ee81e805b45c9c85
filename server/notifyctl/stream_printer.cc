#include "server/notifyctl/stream_printer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/envelope_codec.h"
#include "core/json/scanner.h"
#include "server/notifyctl/time_text.h"

namespace notifications::notifyctl {
namespace {

// The envelope as one line of JSON; the payload as the server sent it.
std::string json_line(const v1::Envelope& message) {
  Envelope envelope;
  envelope.id = message.id();
  envelope.ts = time_text(message.ts());
  envelope.source = message.source();
  envelope.rooms.assign(message.rooms().begin(), message.rooms().end());
  envelope.event = message.event();
  envelope.payload = message.payload_json();
  // Line breaks can only be white space between tokens, but would make two lines of one.
  std::replace(envelope.payload.begin(), envelope.payload.end(), '\n', ' ');
  std::replace(envelope.payload.begin(), envelope.payload.end(), '\r', ' ');
  std::string line = encode_envelope(envelope);
  if (!message.position().empty()) {
    line.back() = ',';
    line += "\"position\":";
    json::append_string(line, message.position());
    line += '}';
  }
  return line;
}

std::string pretty_text(const v1::Envelope& message) {
  std::string event = message.event();
  // Control characters would do things to a terminal.
  std::replace_if(
      event.begin(), event.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  event.resize(std::max<std::size_t>(event.size(), 24), ' ');
  std::string text = time_text(message.ts()).substr(11) + "  " + event + " ";
  for (const std::string& room : message.rooms()) text += " " + room;
  std::string payload = message.payload_json();
  std::replace(payload.begin(), payload.end(), '\x7f', '?');
  return text + "\n  " + payload;
}

}  // namespace

void note(const std::string& text) { std::fprintf(stderr, "notifyctl: %s\n", text.c_str()); }

void StreamPrinter::take(const v1::StreamResponse& message) {
  switch (message.kind_case()) {
    case v1::StreamResponse::kOpened:
      return open(message.opened());
    case v1::StreamResponse::kEnvelope:
      return print(message.envelope());
    case v1::StreamResponse::kGap:
      note("gap: events after " + message.gap().after() + " are lost, going on at " +
           message.gap().resumes_at());
      return save(message.gap().resumes_at());
    case v1::StreamResponse::kCheckpoint:
      return save(message.checkpoint().position());
    default:
      return;
  }
}

void StreamPrinter::open(const v1::Opened& opened) {
  opened_ = true;
  note("opened" + (opened.position().empty() ? std::string() : " at " + opened.position()));
  if (file_ == nullptr) return;
  if (opened.position().empty())
    note("the server keeps no journal: what happens between two streams is lost");
  // With a cursor at hand this is where it goes on, perhaps behind a gap that is yet to be told.
  if (file_->cursor().empty()) save(opened.position());
}

void StreamPrinter::print(const v1::Envelope& envelope) {
  const std::string text = (pretty_ ? pretty_text(envelope) : json_line(envelope)) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) {
    // Whoever reads may have gone (`| head -1`): enough was seen, then.
    done_ =
        errno == EPIPE ? Outcome() : Outcome{kFailed, std::string("stdout: ") + strerror(errno)};
    return;
  }
  save(envelope.position());
  if (--left_ == 0 && !done_) done_ = Outcome();
}

void StreamPrinter::save(const std::string& position) {
  if (file_ != nullptr) {
    if (auto problem = file_->save(position)) done_ = std::move(problem);
  }
}

}  // namespace notifications::notifyctl
