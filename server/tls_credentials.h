#pragma once

#include <grpcpp/security/server_credentials.h>

#include <chrono>
#include <memory>
#include <string>

#include "core/result.h"

namespace notifications::server {

// Where the gRPC front's certificates stand; PEM files.
struct TlsFiles {
  std::string cert;       // the server's, with its chain; "": no TLS at all
  std::string key;        // its key, without a passphrase
  std::string client_ca;  // whose certificates clients must show; "": they show none
  // How often the files are looked at; whole seconds, at least one.
  std::chrono::seconds refresh{10};
};

struct TlsProblem {
  std::string message;  // one line, naming the flag
};

// Credentials that follow the files: what is replaced there holds for the connections made from
// then on, at most `refresh` later. Replace certificate and key together (a renamed directory, a
// symbolic link): while they do not match, new connections fail.
//
// Everything is tried first: an error if a file cannot be read or is no PEM, or if key and
// certificate do not match. Without a certificate: plain text.
Result<std::shared_ptr<grpc::ServerCredentials>, TlsProblem> make_credentials(
    const TlsFiles& files);

}  // namespace notifications::server
