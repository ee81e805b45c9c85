#pragma once

#include <string>

namespace notifications::redis {

// The names under which a channel's journal stands in Redis; all start with `<channel>:`.
struct JournalKeys {
  explicit JournalKeys(const std::string& channel)
      : journal(channel + ":journal"),
        meta(channel + ":meta"),
        id_prefix(channel + ":id:"),
        session_prefix(channel + ":session:"),
        control(channel + ":control"),
        legacy(channel + ":legacy"),
        mode_on(channel + ":mode:on"),
        mode_off(channel + ":mode:off") {}

  std::string journal;         // the stream
  std::string meta;            // hash: epoch, head
  std::string id_prefix;       // + the envelope's id: its position and ts
  std::string session_prefix;  // + pid: hash: g(eneration), r(ecord)
  std::string control;         // Pub/Sub: "taken <pid> <generation>"
  std::string legacy;          // who appends what was only PUBLISHed
  std::string mode_on;         // a process that keeps a journal on the channel; expires
  std::string mode_off;        // a process that keeps none; expires
};

}  // namespace notifications::redis
