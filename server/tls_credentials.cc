#include "server/tls_credentials.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace notifications::server {
namespace {

// What OpenSSL found wrong last, in its words.
std::string last_openssl_error() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason == nullptr ? "not understood" : reason;
  ERR_clear_error();
  return text;
}

// gRPC itself would start with files that it cannot use, and then refuse every connection.
std::optional<TlsProblem> try_files(const TlsFiles& files) {
  ERR_clear_error();
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_server_method()),
                                                             SSL_CTX_free);
  const auto problem = [](const char* flag, const std::string& file) {
    return TlsProblem{"--" + std::string(flag) + ": cannot use " + file + ": " +
                      last_openssl_error()};
  };
  if (context == nullptr) return TlsProblem{"TLS: " + last_openssl_error()};
  for (const auto& [flag, file] :
       {std::pair("grpc_tls_cert", &files.cert), std::pair("grpc_tls_key", &files.key),
        std::pair("grpc_tls_client_ca", &files.client_ca)}) {
    if (file->empty() || ::access(file->c_str(), R_OK) == 0) continue;
    return TlsProblem{"--" + std::string(flag) + ": cannot read " + *file + ": " +
                      std::strerror(errno)};
  }
  // Nobody is there to be asked.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.cert.c_str()) != 1) {
    return problem("grpc_tls_cert", files.cert);
  }
  // Compares it with the certificate, too.
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return problem("grpc_tls_key", files.key);
  }
  if (!files.client_ca.empty() &&
      SSL_CTX_load_verify_locations(context.get(), files.client_ca.c_str(), nullptr) != 1) {
    return problem("grpc_tls_client_ca", files.client_ca);
  }
  return std::nullopt;
}

}  // namespace

Result<std::shared_ptr<grpc::ServerCredentials>, TlsProblem> make_credentials(
    const TlsFiles& files) {
  if (files.cert.empty()) return grpc::InsecureServerCredentials();
  if (auto problem = try_files(files)) return *std::move(problem);
  namespace tls = grpc::experimental;
  const auto refresh = std::max<std::chrono::seconds::rep>(files.refresh.count(), 1);
  tls::TlsServerCredentialsOptions options(std::make_shared<tls::FileWatcherCertificateProvider>(
      files.key, files.cert, files.client_ca, static_cast<unsigned>(refresh)));
  options.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    // The chain is verified in any case; what is left out is the check of a host name, which
    // clients have none of.
    options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  }
  return tls::TlsServerCredentials(options);
}

}  // namespace notifications::server
