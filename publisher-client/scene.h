#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace notifications {

// One event of the scene, ready for a raw publish over Redis or gRPC.
struct SceneEvent {
  std::string event;
  std::vector<std::string> rooms;  // in the order of the contract's table
  std::string payload_json;        // valid by the contract's table
};

// DemoScene plays an endless, lifelike scene of the platform's events: nodes that are provisioned
// and fail now and then, threads in which people and agents talk, runs that call tools and stream
// their output. All 13 events occur, each run as a story in its right order.
//
// It knows neither clock nor network: the caller says what time it is and sends what it gets, so
// a demo can play it over any way in. Two scenes of one seed that are asked at the same times tell
// the same story.
//
// Thread: any one.
class DemoScene {
 public:
  explicit DemoScene(std::uint64_t seed);

  // The next event, with `now` as the time at which it happens. Memory stays bounded however
  // often it is called.
  SceneEvent next(std::chrono::system_clock::time_point now);

 private:
  struct Node {
    std::string id;
    std::string state = "not_ready";
    std::int64_t reminders = 0;
  };
  struct Thread {
    std::string id;
    std::string alias;
    std::string created_at;
    std::string parent_id;  // "" for none
    std::string node_id;    // of the agent it is assigned to
    int topic = 0;
    std::int64_t reminders = 0;
  };
  // What a run does next.
  enum class Step {
    kStart,
    kWork,
    kCall,
    kOutput,
    kTerminal,
    kCallDone,
    kAnswer,
    kFinish,
    kIdle,
    kRest
  };
  struct Run {
    std::string id;
    std::string thread_id;
    std::string created_at;
    std::string call_id;  // the tool call's event
    Step step = Step::kStart;
    int topic = 0;
    bool fails = false;
    std::int64_t stdout_chunks = 0;
    std::int64_t stderr_chunks = 0;
    std::int64_t stdout_bytes = 0;
    std::int64_t stderr_bytes = 0;
  };

  int below(int bound);  // a number of 0 .. bound-1
  bool chance(int percent);
  std::string random_id();
  Thread& any_thread();

  SceneEvent next_of_node(Node& node);
  SceneEvent next_of_thread(Thread& thread);
  SceneEvent next_of_run(Run& run);
  SceneEvent create_thread();
  SceneEvent ask(Thread& thread);  // a person's message; starts a run
  SceneEvent tool_call(const Run& run) const;
  SceneEvent tool_output(Run& run);
  SceneEvent tool_terminal(const Run& run) const;
  SceneEvent run_status(const Run& run, const std::string& status) const;

  std::uint64_t random_state_;
  std::string now_;  // of the event being made
  std::int64_t threads_made_ = 0;
  std::vector<Node> nodes_;
  std::deque<Thread> threads_;  // the oldest leaves when there are enough
  std::vector<Run> runs_;
};

}  // namespace notifications
