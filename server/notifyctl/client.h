#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <memory>
#include <string>

#include "core/result.h"
#include "server/notifyctl/exit_code.h"

namespace notifications::notifyctl {

// PEM files for a server that speaks TLS.
struct TlsOptions {
  std::string ca;    // whose certificate the server must show; "": plain text
  std::string cert;  // our own, with `key`, for a server that asks for one; "" for none
  std::string key;
};

// Connects to a server (`host:port`). Errors: kBadUsage for an address that is none, kFailed for a
// file that cannot be read, kUnreachable with the reason if nothing answers there within `timeout`.
Result<std::shared_ptr<grpc::Channel>, Outcome> connect(const std::string& server,
                                                        const TlsOptions& tls,
                                                        std::chrono::milliseconds timeout);

// Adds the bearer token to a call; "" adds nothing.
void authorize(grpc::ClientContext& context, const std::string& token);

// The word for a status code: "UNAVAILABLE".
std::string name(grpc::StatusCode code);

// How a call that failed with `status` ends the program.
Outcome outcome_of(const grpc::Status& status);

}  // namespace notifications::notifyctl
