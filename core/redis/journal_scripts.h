#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/redis/connection.h"

namespace notifications::redis {

// A Lua script of core/redis/scripts/, built into the program.
struct Script {
  std::string_view name;
  std::string_view sha;  // SHA-1 of the text, in hex: the name under which Redis keeps it
  std::string_view text;
};

extern const Script kAppendScript;
extern const Script kForgetScript;
extern const Script kOpenScript;
extern const Script kSaveScript;
extern const Script kTakeScript;

// ScriptCaller runs scripts over a connection: the text is sent once on each new connection, from
// then on its name.
//
// Should the server forget a script meanwhile (SCRIPT FLUSH), the connection is made anew: what was
// sent behind it would otherwise overtake it.
// Thread: the connection's. The connection outlives it.
class ScriptCaller {
 public:
  explicit ScriptCaller(Connection& connection) : connection_(connection) {}

  // To be called in the connection's on_up.
  void on_up() { known_.clear(); }

  // `keys_and_arguments` begins with `keys` keys. `done`: as Connection::send's; kNotSent also if
  // the server did not know the script.
  void call(const Script& script, std::size_t keys,
            const std::vector<std::string_view>& keys_and_arguments,
            Connection::ReplyHandler done) {
    const bool first = connection_.up() && known_.insert(&script).second;
    const std::string key_count = std::to_string(keys);
    std::vector<std::string_view> command{first ? "EVAL" : "EVALSHA",
                                          first ? script.text : script.sha, key_count};
    command.insert(command.end(), keys_and_arguments.begin(), keys_and_arguments.end());
    connection_.send(command, [this, done = std::move(done)](Reply reply) {
      const bool forgotten =
          reply.kind == Reply::Kind::kError && reply.text.rfind("NOSCRIPT", 0) == 0;
      if (!forgotten) return done(std::move(reply));
      Reply not_run;
      not_run.kind = Reply::Kind::kNotSent;
      done(std::move(not_run));
      connection_.reset("the server has forgotten a script");
    });
  }

 private:
  Connection& connection_;
  std::set<const Script*> known_;  // sent on this connection
};

}  // namespace notifications::redis
