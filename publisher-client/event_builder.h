#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "notifications/events.h"

namespace notifications::publishing {

// An event that is ready for an envelope: valid rooms, and a payload that the contract's table
// allows.
struct BuiltEvent {
  std::string event;
  std::vector<std::string> rooms;
  std::string payload;  // JSON text, keys in the table's order
};

struct EventError {
  std::string message;  // names the field: "payload.count: must be 0 or more"
};

using BuildResult = Result<BuiltEvent, EventError>;

// One function for each of the platform's events: rooms in the table's order, keys in the table's
// order, empty optionals left out or null as events.h says. The first field that breaks a rule is
// the error.
//
// Thread: any. See: CONTRACT section 3.
BuildResult build_node_status(const events::NodeStatus& event);
BuildResult build_node_state(const events::NodeState& event);
BuildResult build_node_reminder_count(const events::NodeReminderCount& event);
BuildResult build_thread_created(const events::Thread& event);
BuildResult build_thread_updated(const events::Thread& event);
BuildResult build_thread_activity_changed(const events::ThreadActivity& event);
BuildResult build_thread_reminders_count(const events::ThreadRemindersCount& event);
BuildResult build_message_created(const events::Message& event);
BuildResult build_run_status_changed(const events::RunStatus& event);
BuildResult build_run_event_appended(const events::RunEvent& event);
BuildResult build_run_event_updated(const events::RunEvent& event);
BuildResult build_tool_output_chunk(const events::ToolOutputChunk& event);
BuildResult build_tool_output_terminal(const events::ToolOutputTerminal& event);

}  // namespace notifications::publishing
