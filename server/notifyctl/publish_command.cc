// notifyctl publish: publishes one event.

#include <grpcpp/client_context.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "core/json/scanner.h"
#include "notifications/v1/gateway.grpc.pb.h"
#include "server/notifyctl/client.h"
#include "server/notifyctl/commands.h"
#include "server/notifyctl/time_text.h"

namespace notifications::notifyctl {
namespace {

constexpr Flag kFlags[] = {
    {"event", "NAME", "the event's name; required"},
    {"room", "ROOM", "a room, as in thread:42; required, repeatable", true},
    {"payload", "JSON|@FILE|-", "the payload, a file that holds it, or - for stdin [null]"},
    {"source", "NAME", "who publishes [operator]"},
    {"id", "ID", "the event's id [a new UUID]"},
    {"json", "", "print id, ts and position as JSON, not only the id"},
};

// More than any server takes: the rest need not be read.
constexpr std::size_t kMaxPayloadBytes = 10 << 20;

Result<std::string, Outcome> read_file(const std::string& path) {
  const bool standard_input = path == "-";
  std::FILE* const opened = standard_input ? stdin : std::fopen(path.c_str(), "rb");
  const auto failure = [&] {
    return Outcome{kFailed, "--payload: cannot read " + (standard_input ? "standard input" : path) +
                                ": " + std::strerror(errno)};
  };
  if (opened == nullptr) return failure();
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      opened, [](std::FILE* f) { return f == stdin ? 0 : std::fclose(f); });
  std::string text;
  char buffer[1 << 16];
  while (text.size() < kMaxPayloadBytes) {
    const std::size_t got = std::fread(buffer, 1, sizeof buffer, file.get());
    text.append(buffer, got);
    if (got < sizeof buffer) break;
  }
  if (std::ferror(file.get()) != 0) return failure();
  return text;
}

Result<v1::PublishRequest, Outcome> request_of(const Arguments& arguments) {
  v1::PublishRequest request;
  if (arguments.get("event").empty()) return Outcome{kBadUsage, "publish needs --event"};
  if (!arguments.has("room")) return Outcome{kBadUsage, "publish needs --room"};
  request.set_event(arguments.get("event"));
  for (const std::string& room : arguments.all("room")) request.add_rooms(room);
  request.set_source(arguments.get("source"));
  request.set_id(arguments.get("id"));
  if (!arguments.has("payload")) return request;
  std::string payload = arguments.get("payload");
  if (payload == "-" || payload.substr(0, 1) == "@") {
    auto text = read_file(payload == "-" ? payload : payload.substr(1));
    if (!text) return text.error();
    payload = std::move(text).value();
  }
  request.set_payload_json(payload);
  return request;
}

void print(const v1::PublishResponse& response, bool as_json) {
  if (!as_json) {
    std::puts(response.id().c_str());
    return;
  }
  std::string line = "{\"id\":";
  json::append_string(line, response.id());
  line += ",\"ts\":\"" + time_text(response.ts()) + "\",\"position\":";
  json::append_string(line, response.position());
  std::puts((line + "}").c_str());
}

Outcome run(const Arguments& arguments, StopSignal&) {
  const auto common = read_common(arguments);
  if (!common) return bad_usage(common.error());
  const auto request = request_of(arguments);
  if (!request) return request.error();
  const auto channel = connect(common->server, common->tls, common->timeout);
  if (!channel) return channel.error();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + common->timeout);
  authorize(context, common->token);
  v1::PublishResponse response;
  const grpc::Status status =
      v1::NotificationsGateway::NewStub(*channel)->Publish(&context, *request, &response);
  if (!status.ok()) return outcome_of(status);
  print(response, arguments.has("json"));
  return {};
}

}  // namespace

const Command kPublishCommand{"publish", "publishes one event and prints its id", kFlags, run};

}  // namespace notifications::notifyctl
