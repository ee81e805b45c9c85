#include "publisher-client/event_builder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/envelope_codec.h"

namespace notifications::publishing {
namespace {

using events::Json;
using Rooms = std::vector<std::string>;

constexpr char kTime[] = "2026-02-19T12:00:00.000Z";
constexpr char kIdRule[] = ": must be 1 to 64 characters of 0-9 a-z A-Z -";
constexpr char kTimeRule[] = ": must be an ISO 8601 time in UTC, such as 2026-02-19T12:00:00.000Z";
constexpr char kTextRule[] = ": must be valid UTF-8";

void expect_event(const BuildResult& built, const std::string& event, const Rooms& rooms,
                  const std::string& payload) {
  ASSERT_TRUE(built.ok()) << built.error().message;
  EXPECT_EQ(built->event, event);
  EXPECT_EQ(built->rooms, rooms);
  EXPECT_EQ(built->payload, payload);
  // Whatever is built is an envelope that every gateway takes.
  const Envelope envelope{"id", kTime, "test", built->rooms, built->event, built->payload};
  EXPECT_TRUE(decode_envelope(encode_envelope(envelope)).ok());
}

void expect_error(const BuildResult& built, const std::string& error) {
  ASSERT_FALSE(built.ok()) << "built " << built->payload << " instead of " << error;
  EXPECT_EQ(built.error().message, error);
}

// One valid event of each shape, to be spoiled field by field.
events::NodeStatus node_status() {
  return {.node_id = "42", .provision_status = {.state = "ready"}, .updated_at = kTime};
}
events::NodeState node_state() {
  return {.node_id = "42", .state = {R"({"a":1})"}, .updated_at = kTime};
}
events::NodeReminderCount node_reminder_count() {
  return {.node_id = "42", .count = 3, .updated_at = kTime};
}
events::Thread thread() {
  return {.id = "t-1", .alias = "bills", .status = "open", .created_at = kTime};
}
events::Message message() {
  return {.thread_id = "7",
          .id = "m-1",
          .kind = "user",
          .text = "hi",
          .source = "web",
          .created_at = kTime};
}
events::RunStatus run_status() {
  return {.thread_id = "7",
          .run_id = "r-1",
          .status = "running",
          .created_at = kTime,
          .updated_at = kTime};
}
events::RunEvent run_event() {
  return {.run_id = "r-1", .thread_id = "7", .mutation = "append", .event = {R"({"id":"e"})"}};
}
events::ToolOutputChunk chunk() {
  return {.run_id = "r-1",
          .thread_id = "7",
          .event_id = "e-1",
          .seq_global = 1,
          .seq_stream = 1,
          .source = "stdout",
          .ts = kTime,
          .data = "x"};
}
events::ToolOutputTerminal terminal() {
  return {.run_id = "r-1",
          .thread_id = "7",
          .event_id = "e-1",
          .exit_code = 0,
          .status = "success",
          .bytes_stdout = 10,
          .bytes_stderr = 2,
          .total_chunks = 3,
          .dropped_chunks = 1,
          .saved_path = "/tmp/out",
          .message = "fine",
          .ts = kTime};
}

template <class Event, class Spoil>
Event spoiled(Event event, Spoil spoil) {
  spoil(event);
  return event;
}

TEST(EventBuilder, WritesNodeStatus) {
  expect_event(
      build_node_status(node_status()), "node_status", {"graph", "node:42"},
      R"({"nodeId":"42","provisionStatus":{"state":"ready"},"updatedAt":"2026-02-19T12:00:00.000Z"})");
}

TEST(EventBuilder, LeavesOutEveryAbsentPartOfANodeStatus) {
  expect_event(build_node_status({.node_id = "42"}), "node_status", {"graph", "node:42"},
               R"({"nodeId":"42","provisionStatus":{}})");
}

TEST(EventBuilder, CopiesTheDetailsOfANodeStatusByteForByte) {
  auto event = node_status();
  event.updated_at.reset();
  event.provision_status.details = Json{"\n [9007199254740993, \"\\ud800\"] "};
  expect_event(
      build_node_status(event), "node_status", {"graph", "node:42"},
      R"({"nodeId":"42","provisionStatus":{"state":"ready","details":[9007199254740993, "\ud800"]}})");
}

TEST(EventBuilder, TakesEveryProvisionStateOfTheContract) {
  for (const char* state : {"not_ready", "provisioning", "ready", "deprovisioning",
                            "provisioning_error", "deprovisioning_error"}) {
    EXPECT_TRUE(build_node_status({.node_id = "42", .provision_status = {.state = state}}).ok())
        << state;
  }
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidNodeStatus) {
  using Event = events::NodeStatus;
  const auto error_of = [](auto spoil) { return build_node_status(spoiled(node_status(), spoil)); };
  expect_error(error_of([](Event& e) { e.node_id = ""; }), std::string("payload.nodeId") + kIdRule);
  expect_error(error_of([](Event& e) { e.node_id = "a_b"; }),
               std::string("payload.nodeId") + kIdRule);
  expect_error(error_of([](Event& e) { e.node_id = std::string(65, 'a'); }),
               std::string("payload.nodeId") + kIdRule);
  expect_error(error_of([](Event& e) { e.provision_status.state = "Ready"; }),
               "payload.provisionStatus.state: must be one of not_ready, provisioning, ready, "
               "deprovisioning, provisioning_error, deprovisioning_error");
  expect_error(error_of([](Event& e) { e.provision_status.details = Json{"{,}"}; }),
               "payload.provisionStatus.details: must be valid JSON text");
  expect_error(error_of([](Event& e) { e.provision_status.details = Json{""}; }),
               "payload.provisionStatus.details: must be valid JSON text");
  expect_error(error_of([](Event& e) { e.updated_at = "2026-02-30T12:00:00Z"; }),
               std::string("payload.updatedAt") + kTimeRule);
}

TEST(EventBuilder, WritesNodeState) {
  expect_event(build_node_state(node_state()), "node_state", {"graph", "node:42"},
               R"({"nodeId":"42","state":{"a":1},"updatedAt":"2026-02-19T12:00:00.000Z"})");
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidNodeState) {
  using Event = events::NodeState;
  const auto error_of = [](auto spoil) { return build_node_state(spoiled(node_state(), spoil)); };
  expect_error(error_of([](Event& e) { e.node_id = "a b"; }),
               std::string("payload.nodeId") + kIdRule);
  expect_error(error_of([](Event& e) { e.state = {"[]"}; }),
               "payload.state: must be the text of a JSON object");
  expect_error(error_of([](Event& e) { e.state = {""}; }),
               "payload.state: must be the text of a JSON object");
  expect_error(error_of([](Event& e) { e.state = {R"({"a":1},"b":2)"}; }),
               "payload.state: must be valid JSON text");
  expect_error(error_of([](Event& e) { e.state = {"{\"a\":\"\xff\"}"}; }),
               "payload.state: must be valid JSON text");
  expect_error(error_of([](Event& e) { e.updated_at = ""; }),
               std::string("payload.updatedAt") + kTimeRule);
}

TEST(EventBuilder, CountsTheNestingOfThePayloadFromItsOwnBrace) {
  auto event = node_state();
  const auto nested = [](int depth) {
    return R"({"a":)" + std::string(static_cast<std::size_t>(depth - 1), '[') +
           std::string(static_cast<std::size_t>(depth - 1), ']') + "}";
  };
  event.state.text = nested(511);  // and the payload's own brace: 512
  const auto built = build_node_state(event);
  ASSERT_TRUE(built.ok());
  EXPECT_TRUE(decode_envelope(encode_envelope({"id", kTime, "test", built->rooms, built->event,
                                               built->payload}))
                  .ok());
  event.state.text = nested(512);
  expect_error(build_node_state(event), "payload.state: is nested too deep");
}

TEST(EventBuilder, WritesNodeReminderCount) {
  expect_event(build_node_reminder_count(node_reminder_count()), "node_reminder_count",
               {"graph", "node:42"},
               R"({"nodeId":"42","count":3,"updatedAt":"2026-02-19T12:00:00.000Z"})");
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidNodeReminderCount) {
  using Event = events::NodeReminderCount;
  const auto error_of = [](auto spoil) {
    return build_node_reminder_count(spoiled(node_reminder_count(), spoil));
  };
  EXPECT_TRUE(error_of([](Event& e) { e.count = 0; }).ok());
  expect_error(error_of([](Event& e) { e.count = -1; }), "payload.count: must be 0 or more");
  expect_error(error_of([](Event& e) { e.node_id = "graph:1"; }),
               std::string("payload.nodeId") + kIdRule);
  expect_error(error_of([](Event& e) { e.updated_at = "yesterday"; }),
               std::string("payload.updatedAt") + kTimeRule);
}

TEST(EventBuilder, WritesThreadCreatedWithItsSummaryAsNull) {
  expect_event(
      build_thread_created(thread()), "thread_created", {"threads"},
      R"({"thread":{"id":"t-1","alias":"bills","summary":null,"status":"open","createdAt":"2026-02-19T12:00:00.000Z"}})");
}

TEST(EventBuilder, WritesThreadUpdatedWithEverythingInOrder) {
  auto event = thread();
  event.summary = "all \"paid\"";
  event.parent_id = "t-0";
  event.channel_node_id = "c";
  event.assigned_agent_node_id = "a";
  expect_event(
      build_thread_updated(event), "thread_updated", {"threads"},
      R"({"thread":{"id":"t-1","alias":"bills","summary":"all \"paid\"","status":"open","createdAt":"2026-02-19T12:00:00.000Z","parentId":"t-0","channelNodeId":"c","assignedAgentNodeId":"a"}})");
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidThread) {
  using Event = events::Thread;
  const auto error_of = [](auto spoil) { return build_thread_created(spoiled(thread(), spoil)); };
  const auto bad = "\xc3\x28";
  expect_error(error_of([&](Event& e) { e.id = bad; }),
               std::string("payload.thread.id") + kTextRule);
  expect_error(error_of([&](Event& e) { e.alias = bad; }),
               std::string("payload.thread.alias") + kTextRule);
  expect_error(error_of([&](Event& e) { e.summary = bad; }),
               std::string("payload.thread.summary") + kTextRule);
  expect_error(error_of([&](Event& e) { e.status = bad; }),
               std::string("payload.thread.status") + kTextRule);
  expect_error(error_of([&](Event& e) { e.parent_id = bad; }),
               std::string("payload.thread.parentId") + kTextRule);
  expect_error(error_of([&](Event& e) { e.channel_node_id = bad; }),
               std::string("payload.thread.channelNodeId") + kTextRule);
  expect_error(error_of([&](Event& e) { e.assigned_agent_node_id = bad; }),
               std::string("payload.thread.assignedAgentNodeId") + kTextRule);
  expect_error(error_of([](Event& e) { e.created_at = "2026-02-19T12:00:00+00:00"; }),
               std::string("payload.thread.createdAt") + kTimeRule);
  expect_error(build_thread_updated(spoiled(thread(), [](Event& e) { e.created_at = ""; })),
               std::string("payload.thread.createdAt") + kTimeRule);
}

TEST(EventBuilder, WritesThreadActivityChanged) {
  expect_event(build_thread_activity_changed({.thread_id = "7", .activity = "working"}),
               "thread_activity_changed", {"threads", "thread:7"},
               R"({"threadId":"7","activity":"working"})");
}

TEST(EventBuilder, WritesThreadRemindersCount) {
  expect_event(build_thread_reminders_count({.thread_id = "7", .reminders_count = 2}),
               "thread_reminders_count", {"threads", "thread:7"},
               R"({"threadId":"7","remindersCount":2})");
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidThreadMetric) {
  expect_error(build_thread_activity_changed({.thread_id = "", .activity = "working"}),
               std::string("payload.threadId") + kIdRule);
  expect_error(build_thread_activity_changed({.thread_id = "7", .activity = "\xff"}),
               std::string("payload.activity") + kTextRule);
  expect_error(build_thread_reminders_count({.thread_id = "*", .reminders_count = 2}),
               std::string("payload.threadId") + kIdRule);
  expect_error(build_thread_reminders_count({.thread_id = "7", .reminders_count = -1}),
               "payload.remindersCount: must be 0 or more");
}

TEST(EventBuilder, WritesMessageCreated) {
  auto event = message();
  event.run_id = "r-1";
  expect_event(
      build_message_created(event), "message_created", {"thread:7"},
      R"({"threadId":"7","message":{"id":"m-1","kind":"user","text":"hi","source":"web","createdAt":"2026-02-19T12:00:00.000Z","runId":"r-1"}})");
}

TEST(EventBuilder, WritesAMessageWithoutTextAndWithAJsonSource) {
  auto event = message();
  event.text.reset();
  event.source = Json{R"({"via":"slack"})"};
  expect_event(
      build_message_created(event), "message_created", {"thread:7"},
      R"({"threadId":"7","message":{"id":"m-1","kind":"user","text":null,"source":{"via":"slack"},"createdAt":"2026-02-19T12:00:00.000Z"}})");
}

TEST(EventBuilder, EscapesTextAsJsonStringifyDoes) {
  auto event = message();
  event.text = "a\"\\\n\x01 \xe2\x80\xa8 \xf0\x9f\x98\x80";
  const auto built = build_message_created(event);
  ASSERT_TRUE(built.ok());
  EXPECT_NE(built->payload.find("\"text\":\"a\\\"\\\\\\n\\u0001 \xe2\x80\xa8 \xf0\x9f\x98\x80\""),
            std::string::npos)
      << built->payload;
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidMessage) {
  using Event = events::Message;
  const auto error_of = [](auto spoil) { return build_message_created(spoiled(message(), spoil)); };
  const auto bad = "\xed\xa0";
  expect_error(error_of([](Event& e) { e.thread_id = "7/8"; }),
               std::string("payload.threadId") + kIdRule);
  expect_error(error_of([&](Event& e) { e.id = bad; }),
               std::string("payload.message.id") + kTextRule);
  expect_error(error_of([&](Event& e) { e.kind = bad; }),
               std::string("payload.message.kind") + kTextRule);
  expect_error(error_of([&](Event& e) { e.text = bad; }),
               std::string("payload.message.text") + kTextRule);
  expect_error(error_of([&](Event& e) { e.source = bad; }),
               std::string("payload.message.source") + kTextRule);
  expect_error(error_of([](Event& e) { e.source = Json{"nul"}; }),
               "payload.message.source: must be valid JSON text");
  expect_error(error_of([](Event& e) { e.created_at = "2026-02-19"; }),
               std::string("payload.message.createdAt") + kTimeRule);
  expect_error(error_of([&](Event& e) { e.run_id = bad; }),
               std::string("payload.message.runId") + kTextRule);
}

TEST(EventBuilder, WritesRunStatusChanged) {
  expect_event(
      build_run_status_changed(run_status()), "run_status_changed", {"thread:7", "run:r-1"},
      R"({"threadId":"7","run":{"id":"r-1","status":"running","threadId":"7","createdAt":"2026-02-19T12:00:00.000Z","updatedAt":"2026-02-19T12:00:00.000Z"}})");
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidRunStatus) {
  using Event = events::RunStatus;
  const auto error_of = [](auto spoil) {
    return build_run_status_changed(spoiled(run_status(), spoil));
  };
  expect_error(error_of([](Event& e) { e.thread_id = ""; }),
               std::string("payload.threadId") + kIdRule);
  expect_error(error_of([](Event& e) { e.run_id = "r_1"; }),
               std::string("payload.run.id") + kIdRule);
  expect_error(error_of([](Event& e) { e.status = "\xff"; }),
               std::string("payload.run.status") + kTextRule);
  expect_error(error_of([](Event& e) { e.created_at = ""; }),
               std::string("payload.run.createdAt") + kTimeRule);
  expect_error(error_of([](Event& e) { e.updated_at = ""; }),
               std::string("payload.run.updatedAt") + kTimeRule);
}

TEST(EventBuilder, WritesRunEventAppended) {
  expect_event(build_run_event_appended(run_event()), "run_event_appended", {"run:r-1", "thread:7"},
               R"({"runId":"r-1","mutation":"append","event":{"id":"e"}})");
}

TEST(EventBuilder, WritesRunEventUpdated) {
  auto event = run_event();
  event.mutation = "update";
  expect_event(build_run_event_updated(event), "run_event_updated", {"run:r-1", "thread:7"},
               R"({"runId":"r-1","mutation":"update","event":{"id":"e"}})");
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidRunEvent) {
  using Event = events::RunEvent;
  const auto error_of = [](auto spoil) {
    return build_run_event_appended(spoiled(run_event(), spoil));
  };
  expect_error(error_of([](Event& e) { e.run_id = ""; }), std::string("payload.runId") + kIdRule);
  // It stands in a room but not in the payload.
  expect_error(error_of([](Event& e) { e.thread_id = ""; }), std::string("threadId") + kIdRule);
  expect_error(error_of([](Event& e) { e.mutation = "\xff"; }),
               std::string("payload.mutation") + kTextRule);
  expect_error(error_of([](Event& e) { e.event = {"\"text\""}; }),
               "payload.event: must be the text of a JSON object");
  expect_error(build_run_event_updated(spoiled(run_event(), [](Event& e) { e.event = {"{"}; })),
               "payload.event: must be valid JSON text");
}

TEST(EventBuilder, WritesToolOutputChunk) {
  auto event = chunk();
  event.seq_global = 9007199254740993;
  event.seq_stream = 2;
  event.source = "stderr";
  event.data = "line\n";
  expect_event(
      build_tool_output_chunk(event), "tool_output_chunk", {"run:r-1", "thread:7"},
      R"({"runId":"r-1","threadId":"7","eventId":"e-1","seqGlobal":9007199254740993,"seqStream":2,"source":"stderr","ts":"2026-02-19T12:00:00.000Z","data":"line\n"})");
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidToolOutputChunk) {
  using Event = events::ToolOutputChunk;
  const auto error_of = [](auto spoil) { return build_tool_output_chunk(spoiled(chunk(), spoil)); };
  expect_error(error_of([](Event& e) { e.run_id = ""; }), std::string("payload.runId") + kIdRule);
  expect_error(error_of([](Event& e) { e.thread_id = ""; }),
               std::string("payload.threadId") + kIdRule);
  expect_error(error_of([](Event& e) { e.event_id = "\xff"; }),
               std::string("payload.eventId") + kTextRule);
  expect_error(error_of([](Event& e) { e.seq_global = 0; }),
               "payload.seqGlobal: must be 1 or more");
  expect_error(error_of([](Event& e) { e.seq_stream = 0; }),
               "payload.seqStream: must be 1 or more");
  expect_error(error_of([](Event& e) { e.source = "stdin"; }),
               "payload.source: must be one of stdout, stderr");
  expect_error(error_of([](Event& e) { e.ts = ""; }), std::string("payload.ts") + kTimeRule);
  // Output that was cut in the middle of a character.
  expect_error(error_of([](Event& e) { e.data = "\xe2\x82"; }),
               std::string("payload.data") + kTextRule);
}

TEST(EventBuilder, WritesToolOutputTerminal) {
  expect_event(
      build_tool_output_terminal(terminal()), "tool_output_terminal", {"run:r-1", "thread:7"},
      R"({"runId":"r-1","threadId":"7","eventId":"e-1","exitCode":0,"status":"success","bytesStdout":10,"bytesStderr":2,"totalChunks":3,"droppedChunks":1,"savedPath":"/tmp/out","message":"fine","ts":"2026-02-19T12:00:00.000Z"})");
}

TEST(EventBuilder, WritesTheAbsentPartsOfAToolOutputTerminalAsNull) {
  auto event = terminal();
  event.exit_code.reset();
  event.saved_path.reset();
  event.message.reset();
  expect_event(
      build_tool_output_terminal(event), "tool_output_terminal", {"run:r-1", "thread:7"},
      R"({"runId":"r-1","threadId":"7","eventId":"e-1","exitCode":null,"status":"success","bytesStdout":10,"bytesStderr":2,"totalChunks":3,"droppedChunks":1,"savedPath":null,"message":null,"ts":"2026-02-19T12:00:00.000Z"})");
}

TEST(EventBuilder, TakesEveryTerminalStatusAndANegativeExitCode) {
  auto event = terminal();
  event.exit_code = -9;
  for (const char* status :
       {"success", "error", "timeout", "idle_timeout", "cancelled", "truncated"}) {
    event.status = status;
    EXPECT_TRUE(build_tool_output_terminal(event).ok()) << status;
  }
}

TEST(EventBuilder, NamesTheFieldOfAnInvalidToolOutputTerminal) {
  using Event = events::ToolOutputTerminal;
  const auto error_of = [](auto spoil) {
    return build_tool_output_terminal(spoiled(terminal(), spoil));
  };
  expect_error(error_of([](Event& e) { e.run_id = ""; }), std::string("payload.runId") + kIdRule);
  expect_error(error_of([](Event& e) { e.thread_id = ""; }),
               std::string("payload.threadId") + kIdRule);
  expect_error(error_of([](Event& e) { e.event_id = "\xff"; }),
               std::string("payload.eventId") + kTextRule);
  expect_error(error_of([](Event& e) { e.status = "killed"; }),
               "payload.status: must be one of success, error, timeout, idle_timeout, cancelled, "
               "truncated");
  expect_error(error_of([](Event& e) { e.bytes_stdout = -1; }),
               "payload.bytesStdout: must be 0 or more");
  expect_error(error_of([](Event& e) { e.bytes_stderr = -1; }),
               "payload.bytesStderr: must be 0 or more");
  expect_error(error_of([](Event& e) { e.total_chunks = -1; }),
               "payload.totalChunks: must be 0 or more");
  expect_error(error_of([](Event& e) { e.dropped_chunks = -1; }),
               "payload.droppedChunks: must be 0 or more");
  expect_error(error_of([](Event& e) { e.saved_path = "\xff"; }),
               std::string("payload.savedPath") + kTextRule);
  expect_error(error_of([](Event& e) { e.message = "\xff"; }),
               std::string("payload.message") + kTextRule);
  expect_error(error_of([](Event& e) { e.ts = "now"; }), std::string("payload.ts") + kTimeRule);
}

TEST(EventBuilder, NamesTheFirstOfSeveralInvalidFields) {
  expect_error(build_tool_output_chunk({}), std::string("payload.runId") + kIdRule);
}

}  // namespace
}  // namespace notifications::publishing
