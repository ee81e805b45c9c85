#include "publisher-client/scene.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "core/envelope_codec.h"
#include "core/json/scanner.h"
#include "publisher-client/event_builder.h"

namespace notifications {
namespace {

constexpr std::size_t kThreads = 8;
constexpr std::size_t kRuns = 3;

// What a thread is about, from the question to the answer.
struct Topic {
  const char* alias;
  const char* question;
  const char* command;
  std::array<const char*, 4> output;
  const char* answer;
};
constexpr std::array<Topic, 4> kTopics = {{
    {"invoices",
     "Which invoices are overdue?",
     "psql -c 'select * from overdue'",
     {"connecting to billing\n", "INV-1041  Acme GmbH   412.00 €\n",
      "INV-1057  Borealis   1,980.50 €\n", "2 rows\n"},
     "Two invoices are overdue: INV-1041 (Acme GmbH) and INV-1057 (Borealis)."},
    {"release-notes",
     "Write the release notes for 2.4, please.",
     "git log --oneline v2.3..v2.4",
     {"8c1f2aa add resumable delivery\n", "41d09be shorten the drain\n",
      "f00d5c3 cut memory per connection by half\n", "3 commits\n"},
     "Done: three entries, the memory saving first."},
    {"flaky-test",
     "Why does the checkout test fail on Mondays?",
     "ctest -R checkout --repeat until-fail:20",
     {"1/20 checkout ... passed\n", "2/20 checkout ... passed\n", "3/20 checkout ... failed\n",
      "expected \"Sun\", got \"Mon\"\n"},
     "It formats a local date. I have pinned the time zone."},
    {"travel",
     "Find a train from Zürich to Köln on Friday morning.",
     "timetable --from Zürich --to Köln",
     {"06:59  EC 6   direct   5h 02m\n", "07:59  ICE 72  1 change 4h 51m\n", "2 connections\n",
      "seats: 14 left\n"},
     "The 06:59 is direct and arrives at 12:01. Shall I book it?"},
}};

const Topic& topic_of(int index) { return kTopics[static_cast<std::size_t>(index)]; }

// The builders refuse only what breaks the contract's table, which a scene never does.
SceneEvent event_of(publishing::BuildResult built) {
  assert(built.ok());
  publishing::BuiltEvent event = *std::move(built);
  return {std::move(event.event), std::move(event.rooms), std::move(event.payload)};
}

std::string quoted(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

}  // namespace

DemoScene::DemoScene(std::uint64_t seed) : random_state_(seed) {
  for (const char* id : {"planner", "researcher", "shell", "mailbox"}) nodes_.push_back({id});
}

// SplitMix64, and not <random>: its distributions differ from library to library.
int DemoScene::below(int bound) {
  random_state_ += 0x9e3779b97f4a7c15u;
  std::uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<int>((z ^ (z >> 31)) % static_cast<std::uint64_t>(bound));
}

bool DemoScene::chance(int percent) { return below(100) < percent; }

std::string DemoScene::random_id() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string id = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx";
  for (char& c : id) {
    if (c == 'x') c = kHex[below(16)];
  }
  return id;
}

DemoScene::Thread& DemoScene::any_thread() {
  return threads_[static_cast<std::size_t>(below(static_cast<int>(threads_.size())))];
}

SceneEvent DemoScene::next(std::chrono::system_clock::time_point now) {
  now_ = format_timestamp(now);
  // The first scene: nodes come up one after the other, then people start to talk.
  for (Node& node : nodes_) {
    if (threads_.empty() && node.state != "ready") return next_of_node(node);
  }
  if (threads_.empty()) return create_thread();

  // A run ends with kRest; whoever asks next makes room for another.
  std::erase_if(runs_, [](const Run& run) { return run.step == Step::kRest; });
  const int dice = below(100);
  if (!runs_.empty() && dice < 70) {
    return next_of_run(runs_[static_cast<std::size_t>(below(static_cast<int>(runs_.size())))]);
  }
  if (dice < 80) {
    return next_of_node(nodes_[static_cast<std::size_t>(below(static_cast<int>(nodes_.size())))]);
  }
  if (threads_.size() < 3 || chance(10)) return create_thread();
  Thread& thread = any_thread();
  if (runs_.empty() || (runs_.size() < kRuns && chance(50))) return ask(thread);
  return next_of_thread(thread);
}

SceneEvent DemoScene::next_of_node(Node& node) {
  if (node.state == "ready" && !chance(15)) {
    if (chance(50)) {
      node.reminders = (node.reminders + 1) % 4;
      return event_of(publishing::build_node_reminder_count(
          {.node_id = node.id, .count = node.reminders, .updated_at = now_}));
    }
    const std::string state = R"({"busy":)" + std::string(chance(50) ? "true" : "false") +
                              R"(,"queue":)" + std::to_string(below(6)) + "}";
    return event_of(
        publishing::build_node_state({.node_id = node.id, .state = {state}, .updated_at = now_}));
  }
  events::NodeStatus event{.node_id = node.id, .updated_at = now_};
  if (node.state == "ready") {
    node.state = "deprovisioning";
  } else if (node.state == "deprovisioning") {
    node.state = "not_ready";
  } else if (node.state == "provisioning") {
    node.state = chance(15) ? "provisioning_error" : "ready";
  } else {
    node.state = "provisioning";
  }
  event.provision_status.state = node.state;
  if (node.state == "provisioning_error") {
    event.provision_status.details = events::Json{R"({"reason":"image pull timed out"})"};
  }
  return event_of(publishing::build_node_status(event));
}

SceneEvent DemoScene::create_thread() {
  Thread thread;
  thread.id = std::to_string(++threads_made_);
  thread.topic = below(static_cast<int>(kTopics.size()));
  thread.alias = std::string(topic_of(thread.topic).alias) + "-" + thread.id;
  thread.created_at = now_;
  thread.node_id = nodes_.front().id;
  if (!threads_.empty() && chance(30)) thread.parent_id = any_thread().id;
  events::Thread event{.id = thread.id,
                       .alias = thread.alias,
                       .status = "open",
                       .created_at = now_,
                       .assigned_agent_node_id = thread.node_id};
  if (!thread.parent_id.empty()) event.parent_id = thread.parent_id;
  threads_.push_back(std::move(thread));
  if (threads_.size() > kThreads) threads_.pop_front();
  return event_of(publishing::build_thread_created(event));
}

SceneEvent DemoScene::next_of_thread(Thread& thread) {
  if (chance(50)) {
    thread.reminders = (thread.reminders + 1) % 3;
    return event_of(publishing::build_thread_reminders_count(
        {.thread_id = thread.id, .reminders_count = thread.reminders}));
  }
  events::Thread event{.id = thread.id,
                       .alias = thread.alias,
                       .summary = topic_of(thread.topic).question,
                       .status = chance(80) ? "open" : "closed",
                       .created_at = thread.created_at,
                       .assigned_agent_node_id = thread.node_id};
  if (!thread.parent_id.empty()) event.parent_id = thread.parent_id;
  return event_of(publishing::build_thread_updated(event));
}

SceneEvent DemoScene::ask(Thread& thread) {
  Run run;
  run.id = random_id();
  run.thread_id = thread.id;
  run.created_at = now_;
  run.call_id = random_id();
  run.topic = thread.topic;
  run.fails = chance(20);
  runs_.push_back(run);
  return event_of(publishing::build_message_created({.thread_id = thread.id,
                                                     .id = random_id(),
                                                     .kind = "user",
                                                     .text = topic_of(thread.topic).question,
                                                     .source = "web",
                                                     .created_at = now_}));
}

SceneEvent DemoScene::next_of_run(Run& run) {
  switch (run.step) {
    case Step::kStart:
      run.step = Step::kWork;
      return run_status(run, "running");
    case Step::kWork:
      run.step = Step::kCall;
      return event_of(publishing::build_thread_activity_changed(
          {.thread_id = run.thread_id, .activity = "working"}));
    case Step::kCall:
      run.step = Step::kOutput;
      return tool_call(run);
    case Step::kOutput:
      return tool_output(run);
    case Step::kTerminal:
      run.step = Step::kCallDone;
      return tool_terminal(run);
    case Step::kCallDone:
      run.step = Step::kAnswer;
      return tool_call(run);
    case Step::kAnswer:
      run.step = Step::kFinish;
      return event_of(publishing::build_message_created(
          {.thread_id = run.thread_id,
           .id = random_id(),
           .kind = "assistant",
           .text = run.fails ? "That did not work. Shall I try again?" : topic_of(run.topic).answer,
           .source = "agent",
           .created_at = now_,
           .run_id = run.id}));
    case Step::kFinish:
      run.step = Step::kIdle;
      return run_status(run, run.fails ? "failed" : "finished");
    case Step::kIdle:
      run.step = Step::kRest;
      return event_of(publishing::build_thread_activity_changed(
          {.thread_id = run.thread_id, .activity = "idle"}));
    case Step::kRest:
      break;
  }
  assert(false && "finished runs are gone before the next event");
  return run_status(run, "finished");
}

SceneEvent DemoScene::tool_call(const Run& run) const {
  const bool done = run.step == Step::kAnswer;
  const std::string status = !done ? "running" : run.fails ? "error" : "success";
  const events::RunEvent event{
      .run_id = run.id,
      .thread_id = run.thread_id,
      .mutation = done ? "update" : "append",
      .event = {R"({"id":")" + run.call_id + R"(","type":"tool_execution","status":")" + status +
                R"(","command":)" + quoted(topic_of(run.topic).command) + "}"}};
  return event_of(done ? publishing::build_run_event_updated(event)
                       : publishing::build_run_event_appended(event));
}

SceneEvent DemoScene::tool_output(Run& run) {
  const auto& lines = topic_of(run.topic).output;
  std::string data = lines[static_cast<std::size_t>(run.stdout_chunks) % lines.size()];
  std::string source = "stdout";
  const bool last = run.stdout_chunks + 1 == static_cast<std::int64_t>(lines.size());
  if (last && run.fails) {
    data = "error: connection reset by peer\n";
    source = "stderr";
  }
  std::int64_t& chunks = source == "stdout" ? run.stdout_chunks : run.stderr_chunks;
  (source == "stdout" ? run.stdout_bytes : run.stderr_bytes) +=
      static_cast<std::int64_t>(data.size());
  ++chunks;
  if (last) run.step = Step::kTerminal;
  return event_of(
      publishing::build_tool_output_chunk({.run_id = run.id,
                                           .thread_id = run.thread_id,
                                           .event_id = run.call_id,
                                           .seq_global = run.stdout_chunks + run.stderr_chunks,
                                           .seq_stream = chunks,
                                           .source = source,
                                           .ts = now_,
                                           .data = data}));
}

SceneEvent DemoScene::tool_terminal(const Run& run) const {
  events::ToolOutputTerminal event{.run_id = run.id,
                                   .thread_id = run.thread_id,
                                   .event_id = run.call_id,
                                   .exit_code = run.fails ? 1 : 0,
                                   .status = run.fails ? "error" : "success",
                                   .bytes_stdout = run.stdout_bytes,
                                   .bytes_stderr = run.stderr_bytes,
                                   .total_chunks = run.stdout_chunks + run.stderr_chunks,
                                   .ts = now_};
  if (run.fails) event.message = "the tool exited with status 1";
  return event_of(publishing::build_tool_output_terminal(event));
}

SceneEvent DemoScene::run_status(const Run& run, const std::string& status) const {
  return event_of(publishing::build_run_status_changed({.thread_id = run.thread_id,
                                                        .run_id = run.id,
                                                        .status = status,
                                                        .created_at = run.created_at,
                                                        .updated_at = now_}));
}

}  // namespace notifications
