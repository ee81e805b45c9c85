#include "server/notifyctl/client.h"

#include <grpc/grpc.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>

#include "core/settings.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace notifications::notifyctl {
namespace {

// Larger than the largest message a server sends.
constexpr int kMaxReceiveBytes = 16 << 20;

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return text;
}

// A channel does not say why it could not connect; a call that fails for it does.
std::string why_not_connected(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status =
      grpc::health::v1::Health::NewStub(channel)->Check(&context, {}, &response);
  return status.error_message();
}

using Credentials = std::shared_ptr<grpc::ChannelCredentials>;

// Leaves `text` alone without a file.
std::optional<Outcome> read_pem(const char* flag, const std::string& file, std::string& text) {
  if (file.empty()) return std::nullopt;
  std::ifstream in(file, std::ios::binary);
  text.assign(std::istreambuf_iterator<char>(in), {});
  if (in && !text.empty()) return std::nullopt;
  return Outcome{kFailed, one_line("--" + std::string(flag) + ": cannot read " + file)};
}

Result<Credentials, Outcome> credentials_of(const TlsOptions& tls) {
  if (tls.ca.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  if (auto problem = read_pem("tls_ca", tls.ca, options.pem_root_certs)) return *problem;
  if (auto problem = read_pem("tls_cert", tls.cert, options.pem_cert_chain)) return *problem;
  if (auto problem = read_pem("tls_key", tls.key, options.pem_private_key)) return *problem;
  return grpc::SslCredentials(options);
}

}  // namespace

void authorize(grpc::ClientContext& context, const std::string& token) {
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
}

Result<std::shared_ptr<grpc::Channel>, Outcome> connect(const std::string& server,
                                                        const TlsOptions& tls,
                                                        std::chrono::milliseconds timeout) {
  const std::optional<Address> address = parse_address(server);
  if (!address || address->port == 0)
    return Outcome{kBadUsage, one_line("--server: expected host:port, got \"" + server + "\"")};
  // gRPC ends with its last user, and then may wait 10 s for a poller of its own: keep it until the
  // process ends.
  grpc_init();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Notices a server that is gone without a word, below a stream that is silent.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  const auto credentials = credentials_of(tls);
  if (!credentials) return credentials.error();
  auto channel = grpc::CreateCustomChannel(address->text(), *credentials, arguments);
  const auto deadline = std::chrono::system_clock::now() + timeout;
  while (true) {
    const grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return channel;
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE)
      return Outcome{kUnreachable,
                     one_line("cannot reach " + server + ": " + why_not_connected(channel))};
    if (!channel->WaitForStateChange(state, deadline))
      return Outcome{kUnreachable, one_line("cannot reach " + server + ": no answer in time")};
  }
}

std::string name(grpc::StatusCode code) {
  constexpr std::array<const char*, 17> kNames{"OK",
                                               "CANCELLED",
                                               "UNKNOWN",
                                               "INVALID_ARGUMENT",
                                               "DEADLINE_EXCEEDED",
                                               "NOT_FOUND",
                                               "ALREADY_EXISTS",
                                               "PERMISSION_DENIED",
                                               "RESOURCE_EXHAUSTED",
                                               "FAILED_PRECONDITION",
                                               "ABORTED",
                                               "OUT_OF_RANGE",
                                               "UNIMPLEMENTED",
                                               "INTERNAL",
                                               "UNAVAILABLE",
                                               "DATA_LOSS",
                                               "UNAUTHENTICATED"};
  const auto index = static_cast<std::size_t>(code);
  return index < kNames.size() ? kNames[index] : "code " + std::to_string(index);
}

Outcome outcome_of(const grpc::Status& status) {
  if (status.ok()) return {};
  const bool unreachable = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                           status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  return {unreachable ? kUnreachable : kFailed,
          one_line(name(status.error_code()) + ": " + status.error_message())};
}

}  // namespace notifications::notifyctl
