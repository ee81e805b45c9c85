#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "notifications/v1/gateway.pb.h"
#include "server/notifyctl/exit_code.h"
#include "server/notifyctl/resume_file.h"

namespace notifications::notifyctl {

// StreamPrinter prints what streams bring, one after the other: events on stdout, one line of JSON
// each (or for people), everything else on stderr. Thread: one.
class StreamPrinter {
 public:
  // `count`: of events, after which it is done; 0 is for ever. `file` may be null, and outlives it.
  StreamPrinter(std::uint64_t count, bool pretty, ResumeFile* file)
      : left_(count), pretty_(pretty), file_(file) {}

  // A stream begins.
  void begin() { opened_ = false; }
  void take(const v1::StreamResponse& message);

  bool opened() const { return opened_; }
  // How it ended, if no more is wanted: enough was seen, or what came could not be kept.
  const std::optional<Outcome>& done() const { return done_; }

 private:
  void open(const v1::Opened& opened);
  void print(const v1::Envelope& envelope);
  void save(const std::string& position);

  std::uint64_t left_;  // 0 wraps around: as good as for ever
  const bool pretty_;
  ResumeFile* const file_;
  bool opened_ = false;
  std::optional<Outcome> done_;
};

// One line on stderr.
void note(const std::string& text);

}  // namespace notifications::notifyctl
