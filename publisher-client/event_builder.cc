#include "publisher-client/event_builder.h"

#include <utility>

#include "publisher-client/payload_writer.h"

namespace notifications::publishing {
namespace {

BuildResult built(std::string event, std::vector<std::string> rooms, PayloadWriter payload) {
  if (!payload.error().empty()) return EventError{payload.error()};
  return BuiltEvent{std::move(event), std::move(rooms), payload.finish()};
}

BuildResult build_thread(std::string name, const events::Thread& event) {
  PayloadWriter payload;
  payload.open("thread");
  payload.text("id", event.id);
  payload.text("alias", event.alias);
  payload.text_or_null("summary", event.summary);
  payload.text("status", event.status);
  payload.time("createdAt", event.created_at);
  payload.text_if_any("parentId", event.parent_id);
  payload.text_if_any("channelNodeId", event.channel_node_id);
  payload.text_if_any("assignedAgentNodeId", event.assigned_agent_node_id);
  payload.close();
  return built(std::move(name), {"threads"}, std::move(payload));
}

BuildResult build_run_event(std::string name, const events::RunEvent& event) {
  PayloadWriter payload;
  payload.room_id("runId", event.run_id);
  payload.check_room_id("threadId", event.thread_id);
  payload.text("mutation", event.mutation);
  payload.object("event", event.event);
  return built(std::move(name), {"run:" + event.run_id, "thread:" + event.thread_id},
               std::move(payload));
}

}  // namespace

BuildResult build_node_status(const events::NodeStatus& event) {
  PayloadWriter payload;
  payload.room_id("nodeId", event.node_id);
  payload.open("provisionStatus");
  if (event.provision_status.state) {
    payload.choice("state", *event.provision_status.state,
                   {"not_ready", "provisioning", "ready", "deprovisioning", "provisioning_error",
                    "deprovisioning_error"});
  }
  if (event.provision_status.details) payload.json("details", *event.provision_status.details);
  payload.close();
  if (event.updated_at) payload.time("updatedAt", *event.updated_at);
  return built("node_status", {"graph", "node:" + event.node_id}, std::move(payload));
}

BuildResult build_node_state(const events::NodeState& event) {
  PayloadWriter payload;
  payload.room_id("nodeId", event.node_id);
  payload.object("state", event.state);
  payload.time("updatedAt", event.updated_at);
  return built("node_state", {"graph", "node:" + event.node_id}, std::move(payload));
}

BuildResult build_node_reminder_count(const events::NodeReminderCount& event) {
  PayloadWriter payload;
  payload.room_id("nodeId", event.node_id);
  payload.integer_from(0, "count", event.count);
  payload.time("updatedAt", event.updated_at);
  return built("node_reminder_count", {"graph", "node:" + event.node_id}, std::move(payload));
}

BuildResult build_thread_created(const events::Thread& event) {
  return build_thread("thread_created", event);
}

BuildResult build_thread_updated(const events::Thread& event) {
  return build_thread("thread_updated", event);
}

BuildResult build_thread_activity_changed(const events::ThreadActivity& event) {
  PayloadWriter payload;
  payload.room_id("threadId", event.thread_id);
  payload.text("activity", event.activity);
  return built("thread_activity_changed", {"threads", "thread:" + event.thread_id},
               std::move(payload));
}

BuildResult build_thread_reminders_count(const events::ThreadRemindersCount& event) {
  PayloadWriter payload;
  payload.room_id("threadId", event.thread_id);
  payload.integer_from(0, "remindersCount", event.reminders_count);
  return built("thread_reminders_count", {"threads", "thread:" + event.thread_id},
               std::move(payload));
}

BuildResult build_message_created(const events::Message& event) {
  PayloadWriter payload;
  payload.room_id("threadId", event.thread_id);
  payload.open("message");
  payload.text("id", event.id);
  payload.text("kind", event.kind);
  payload.text_or_null("text", event.text);
  if (const auto* json = std::get_if<events::Json>(&event.source)) {
    payload.json("source", *json);
  } else {
    payload.text("source", std::get<std::string>(event.source));
  }
  payload.time("createdAt", event.created_at);
  payload.text_if_any("runId", event.run_id);
  payload.close();
  return built("message_created", {"thread:" + event.thread_id}, std::move(payload));
}

BuildResult build_run_status_changed(const events::RunStatus& event) {
  PayloadWriter payload;
  payload.room_id("threadId", event.thread_id);
  payload.open("run");
  payload.room_id("id", event.run_id);
  payload.text("status", event.status);
  payload.text("threadId", event.thread_id);
  payload.time("createdAt", event.created_at);
  payload.time("updatedAt", event.updated_at);
  payload.close();
  return built("run_status_changed", {"thread:" + event.thread_id, "run:" + event.run_id},
               std::move(payload));
}

BuildResult build_run_event_appended(const events::RunEvent& event) {
  return build_run_event("run_event_appended", event);
}

BuildResult build_run_event_updated(const events::RunEvent& event) {
  return build_run_event("run_event_updated", event);
}

BuildResult build_tool_output_chunk(const events::ToolOutputChunk& event) {
  PayloadWriter payload;
  payload.room_id("runId", event.run_id);
  payload.room_id("threadId", event.thread_id);
  payload.text("eventId", event.event_id);
  payload.integer_from(1, "seqGlobal", event.seq_global);
  payload.integer_from(1, "seqStream", event.seq_stream);
  payload.choice("source", event.source, {"stdout", "stderr"});
  payload.time("ts", event.ts);
  payload.text("data", event.data);
  return built("tool_output_chunk", {"run:" + event.run_id, "thread:" + event.thread_id},
               std::move(payload));
}

BuildResult build_tool_output_terminal(const events::ToolOutputTerminal& event) {
  PayloadWriter payload;
  payload.room_id("runId", event.run_id);
  payload.room_id("threadId", event.thread_id);
  payload.text("eventId", event.event_id);
  event.exit_code ? payload.integer("exitCode", *event.exit_code) : payload.null("exitCode");
  payload.choice("status", event.status,
                 {"success", "error", "timeout", "idle_timeout", "cancelled", "truncated"});
  payload.integer_from(0, "bytesStdout", event.bytes_stdout);
  payload.integer_from(0, "bytesStderr", event.bytes_stderr);
  payload.integer_from(0, "totalChunks", event.total_chunks);
  payload.integer_from(0, "droppedChunks", event.dropped_chunks);
  payload.text_or_null("savedPath", event.saved_path);
  payload.text_or_null("message", event.message);
  payload.time("ts", event.ts);
  return built("tool_output_terminal", {"run:" + event.run_id, "thread:" + event.thread_id},
               std::move(payload));
}

}  // namespace notifications::publishing
