#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

// The platform's events as plain data, one struct per shape of payload.
//
// Conventions, all of them checked before anything is published:
//   - ids that name a room are 1 to 64 characters of 0-9 a-z A-Z and -;
//   - times are ISO 8601 in UTC with Z ("2026-02-19T12:00:00.000Z");
//   - strings are UTF-8;
//   - an empty `optional` leaves the key out, unless its comment says that it is written as null;
//   - Json is text that goes into the payload as it is, byte for byte.
namespace notifications::events {

// JSON text, as opposed to a string that becomes a JSON string.
struct Json {
  std::string text;
};

// node_status -> graph, node:<node_id>
struct NodeStatus {
  struct Provision {
    // not_ready, provisioning, ready, deprovisioning, provisioning_error or deprovisioning_error
    std::optional<std::string> state = {};
    std::optional<Json> details = {};  // any JSON value
  };
  std::string node_id = {};
  Provision provision_status = {};
  std::optional<std::string> updated_at = {};
};

// node_state -> graph, node:<node_id>
struct NodeState {
  std::string node_id = {};
  Json state = {};  // an object
  std::string updated_at = {};
};

// node_reminder_count -> graph, node:<node_id>
struct NodeReminderCount {
  std::string node_id = {};
  std::int64_t count = 0;  // 0 or more
  std::string updated_at = {};
};

// thread_created, thread_updated -> threads
struct Thread {
  std::string id = {};
  std::string alias = {};
  std::optional<std::string> summary = {};  // empty: null
  std::string status = {};
  std::string created_at = {};
  std::optional<std::string> parent_id = {};
  std::optional<std::string> channel_node_id = {};
  std::optional<std::string> assigned_agent_node_id = {};
};

// thread_activity_changed -> threads, thread:<thread_id>; coalesced
struct ThreadActivity {
  std::string thread_id = {};
  std::string activity = {};
};

// thread_reminders_count -> threads, thread:<thread_id>; coalesced
struct ThreadRemindersCount {
  std::string thread_id = {};
  std::int64_t reminders_count = 0;  // 0 or more
};

// message_created -> thread:<thread_id>
struct Message {
  std::string thread_id = {};
  std::string id = {};
  std::string kind = {};
  std::optional<std::string> text = {};         // empty: null
  std::variant<std::string, Json> source = {};  // a string, or any JSON value
  std::string created_at = {};
  std::optional<std::string> run_id = {};
};

// run_status_changed -> thread:<thread_id>, run:<run_id>
struct RunStatus {
  std::string thread_id = {};  // stands both beside the run and in it
  std::string run_id = {};
  std::string status = {};
  std::string created_at = {};
  std::string updated_at = {};
};

// run_event_appended, run_event_updated -> run:<run_id>, thread:<thread_id>
struct RunEvent {
  std::string run_id = {};
  std::string thread_id = {};  // for the room alone: the payload does not hold it
  std::string mutation = {};
  Json event = {};  // an object
};

// tool_output_chunk -> run:<run_id>, thread:<thread_id>
struct ToolOutputChunk {
  std::string run_id = {};
  std::string thread_id = {};
  std::string event_id = {};
  std::int64_t seq_global = 0;  // from 1
  std::int64_t seq_stream = 0;  // from 1
  std::string source = {};      // stdout or stderr
  std::string ts = {};
  std::string data = {};
};

// tool_output_terminal -> run:<run_id>, thread:<thread_id>
struct ToolOutputTerminal {
  std::string run_id = {};
  std::string thread_id = {};
  std::string event_id = {};
  std::optional<std::int64_t> exit_code = {};  // empty: null
  std::string status = {};  // success, error, timeout, idle_timeout, cancelled or truncated
  std::int64_t bytes_stdout = 0;
  std::int64_t bytes_stderr = 0;
  std::int64_t total_chunks = 0;
  std::int64_t dropped_chunks = 0;
  std::optional<std::string> saved_path = {};  // empty: null
  std::optional<std::string> message = {};     // empty: null
  std::string ts = {};
};

}  // namespace notifications::events
