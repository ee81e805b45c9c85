// notifyctl stream: prints the events of rooms as they come.

#include <grpcpp/client_context.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "notifications/v1/gateway.grpc.pb.h"
#include "server/notifyctl/client.h"
#include "server/notifyctl/commands.h"
#include "server/notifyctl/reader_watch.h"
#include "server/notifyctl/resume_file.h"
#include "server/notifyctl/stream_printer.h"

namespace notifications::notifyctl {
namespace {

constexpr Flag kFlags[] = {
    {"room", "ROOM", "a room, or a pattern (*, thread:*); required, repeatable", true},
    {"event", "NAME", "only events of this name; repeatable", true},
    {"resume_after", "POSITION", "first what was missed since (needs the journal)"},
    {"resume_file", "FILE",
     "keep the cursor there, begin with it, and connect again for ever (needs the journal)"},
    {"count", "N", "end after N events"},
    {"pretty", "", "for people: time, event and rooms, the payload below"},
};

v1::StreamRequest request_of(const Arguments& arguments) {
  v1::StreamRequest request;
  for (const std::string& room : arguments.all("room")) request.add_rooms(room);
  for (const std::string& event : arguments.all("event")) request.add_events(event);
  request.set_resume_after(arguments.get("resume_after"));
  return request;
}

// What one stream came to.
struct Ended {
  Outcome outcome;
  bool for_good = true;  // another try would end alike, or is not wanted
};

bool may_pass(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::UNIMPLEMENTED:
      return false;
    default:
      return true;
  }
}

Ended read_stream(const CommonFlags& common, const v1::StreamRequest& request,
                  StreamPrinter& printer, StopSignal& stop) {
  printer.begin();
  const auto channel = connect(common.server, common.tls, common.timeout);
  if (!channel) return {channel.error(), channel.error().code != kUnreachable};
  grpc::ClientContext context;
  stop.on_stop([&context] { context.TryCancel(); });
  const auto reader = v1::NotificationsGateway::NewStub(*channel)->Stream(&context, request);
  v1::StreamResponse message;
  while (!printer.done() && reader->Read(&message)) printer.take(message);
  stop.on_stop(nullptr);
  if (printer.done()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  if (printer.done()) return {*printer.done()};
  if (stop.stopped()) return {};
  Outcome outcome = outcome_of(status);
  if (printer.opened()) outcome = {kStreamEnded, "the stream ended: " + outcome.message};
  return {std::move(outcome), !may_pass(status.error_code())};
}

// One stream after the other, each where the one before ended.
Outcome follow(const CommonFlags& common, v1::StreamRequest request, ResumeFile& file,
               StreamPrinter& printer, StopSignal& stop) {
  constexpr std::chrono::milliseconds kFirstPause{100};
  constexpr std::chrono::milliseconds kLongestPause{5000};
  std::minstd_rand random(std::random_device{}());
  auto pause = kFirstPause;
  bool told = false;
  while (true) {
    if (!file.cursor().empty()) request.set_resume_after(file.cursor());
    const Ended ended = read_stream(common, request, printer, stop);
    if (ended.for_good) return ended.outcome;
    if (printer.opened()) {
      pause = kFirstPause;
      told = false;
    }
    // An outage has many failed attempts: one line for it is enough.
    if (!std::exchange(told, true)) note(ended.outcome.message + "; trying again");
    // Those that one server lost do not come back at the same moment.
    std::this_thread::sleep_for(pause / 2 + pause * (random() % 500) / 1000);
    pause = std::min(2 * pause, kLongestPause);
  }
}

Outcome run(const Arguments& arguments, StopSignal& stop) {
  const auto common = read_common(arguments);
  if (!common) return bad_usage(common.error());
  const auto count = arguments.count("count", 0);
  if (!count) return bad_usage(count.error());
  if (!arguments.has("room")) return {kBadUsage, "stream needs --room"};
  const bool pretty = arguments.has("pretty");
  const ReaderWatch watch(STDOUT_FILENO, [&stop] { stop.stop(); });
  if (!arguments.has("resume_file")) {
    StreamPrinter printer(*count, pretty, nullptr);
    return read_stream(*common, request_of(arguments), printer, stop).outcome;
  }
  auto file = ResumeFile::open(arguments.get("resume_file"));
  if (!file) return file.error();
  file->catch_up_with(STDOUT_FILENO);
  StreamPrinter printer(*count, pretty, &*file);
  return follow(*common, request_of(arguments), *file, printer, stop);
}

}  // namespace

const Command kStreamCommand{"stream", "prints the events of rooms, one line of JSON each", kFlags,
                             run, kOk};

}  // namespace notifications::notifyctl
