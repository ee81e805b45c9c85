// notifyctl stream: prints the events of rooms as they come.

#include <grpcpp/client_context.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "core/envelope_codec.h"
#include "core/json/scanner.h"
#include "notifications/v1/gateway.grpc.pb.h"
#include "server/notifyctl/client.h"
#include "server/notifyctl/commands.h"
#include "server/notifyctl/time_text.h"

namespace notifications::notifyctl {
namespace {

constexpr Flag kFlags[] = {
    {"room", "ROOM", "a room, or a pattern (*, thread:*); required, repeatable", true},
    {"event", "NAME", "only events of this name; repeatable", true},
    {"resume_after", "POSITION", "first what was missed since (needs the journal)"},
    {"count", "N", "end after N events"},
    {"pretty", "", "for people: time, event and rooms, the payload below"},
};

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

v1::StreamRequest request_of(const Arguments& arguments) {
  v1::StreamRequest request;
  for (const std::string& room : arguments.all("room")) request.add_rooms(room);
  for (const std::string& event : arguments.all("event")) request.add_events(event);
  request.set_resume_after(arguments.get("resume_after"));
  return request;
}

// Reads a stream and prints it, until it ends or enough was seen.
class Printer {
 public:
  Printer(std::uint64_t count, bool pretty) : left_(count), pretty_(pretty) {}

  // False when no more is wanted.
  bool take(const v1::StreamResponse& message) {
    switch (message.kind_case()) {
      case v1::StreamResponse::kOpened:
        opened_ = true;
        note("opened" + (message.opened().position().empty()
                             ? std::string()
                             : " at " + message.opened().position()));
        return true;
      case v1::StreamResponse::kEnvelope:
        return print(message.envelope());
      case v1::StreamResponse::kGap:
        note("gap: events after " + message.gap().after() + " are lost, going on at " +
             message.gap().resumes_at());
        return true;
      default:
        return true;
    }
  }
  bool opened() const { return opened_; }

 private:
  void note(const std::string& text) { std::fprintf(stderr, "notifyctl: %s\n", text.c_str()); }

  bool print(const v1::Envelope& envelope) {
    const std::string text = (pretty_ ? pretty_text(envelope) : json_line(envelope)) + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
    // Whoever reads may have gone (`| head -1`): enough was seen, then.
    if (std::fflush(stdout) != 0) return false;
    return --left_ != 0;
  }

  std::uint64_t left_;  // 0 wraps around: as good as for ever
  const bool pretty_;
  bool opened_ = false;
};

Outcome run(const Arguments& arguments, StopSignal& stop) {
  const auto common = read_common(arguments);
  if (!common) return bad_usage(common.error());
  const auto count = arguments.count("count", 0);
  if (!count) return bad_usage(count.error());
  if (!arguments.has("room")) return {kBadUsage, "stream needs --room"};
  const auto channel = connect(common->server, common->tls, common->timeout);
  if (!channel) return channel.error();

  grpc::ClientContext context;
  stop.on_stop([&context] { context.TryCancel(); });
  const auto reader =
      v1::NotificationsGateway::NewStub(*channel)->Stream(&context, request_of(arguments));
  Printer printer(*count, arguments.has("pretty"));
  v1::StreamResponse message;
  bool enough = false;
  while (!enough && reader->Read(&message)) enough = !printer.take(message);
  stop.on_stop(nullptr);
  if (enough) context.TryCancel();
  const grpc::Status status = reader->Finish();
  if (enough || stop.stopped()) return {};
  if (!printer.opened()) return outcome_of(status);
  return {kStreamEnded, "the stream ended: " + outcome_of(status).message};
}

}  // namespace

const Command kStreamCommand{"stream", "prints the events of rooms, one line of JSON each", kFlags,
                             run, kOk};

}  // namespace notifications::notifyctl
