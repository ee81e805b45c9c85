#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <memory>
#include <string>

#include "core/result.h"
#include "server/notifyctl/exit_code.h"

namespace notifications::notifyctl {

// Connects to a server (`host:port`). Errors: kBadUsage for an address that is none, kUnreachable
// with the reason if nothing answers there within `timeout`.
Result<std::shared_ptr<grpc::Channel>, Outcome> connect(const std::string& server,
                                                        std::chrono::milliseconds timeout);

// The word for a status code: "UNAVAILABLE".
std::string name(grpc::StatusCode code);

// How a call that failed with `status` ends the program.
Outcome outcome_of(const grpc::Status& status);

}  // namespace notifications::notifyctl
