#include "server/grpc_server.h"

#include <absl/synchronization/mutex.h>
#include <google/protobuf/generated_message_reflection.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "core/runtime/process.h"
#include "grpc/health/v1/health.pb.h"
#include "server/stream_frame.h"

namespace notifications::server {
namespace {

// How long the last bytes of calls may take once the drain period is over.
constexpr std::chrono::milliseconds kFlushTime{500};

// What gRPC and protobuf have to say is for their developers, would stand between our lines, and a
// peer can cause any number of it; shown to those who ask for it with GRPC_VERBOSITY.
void silence_libraries() {
  if (std::getenv("GRPC_VERBOSITY") != nullptr) return;
  gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);
}

// gRPC ends with its last user, and then waits up to 10 s for a poller of its own if a large write
// was cut just before: longer than a drain may take. So it stays up until the process ends.
void keep_grpc_up() {
  static const bool kept = [] {
    grpc_init();
    return true;
  }();
  static_cast<void>(kept);
}

// Debian's Abseil looks for deadlocks at each of gRPC's locks: some 4 % of what a message costs.
void lock_without_looking() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

// gRPC's own health service brings no schema: reflection knows it if the program does.
void describe_health() {
  google::protobuf::LinkMessageReflection<grpc::health::v1::HealthCheckRequest>();
}

// gRPC does not say why it could not listen: try it, and see.
std::string why_not_listening(const Address& address) {
  using boost::asio::ip::tcp;
  boost::asio::io_context io;
  boost::system::error_code error;
  const auto found =
      tcp::resolver(io).resolve(address.host, std::to_string(address.port),
                                tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) return error.message();
  tcp::acceptor acceptor(io);
  acceptor.open(found->endpoint().protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(found->endpoint(), error);
  if (!error) acceptor.listen(1, error);
  return error ? error.message() : "gRPC refuses the address";
}

void configure(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
  builder.SetMaxSendMessageSize(static_cast<int>(kMaxMessageBytes));
  // Without it a second server on the same port would quietly take half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // We compress nothing, and need not be asked about each message. What clients compress is read.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  // Streams are silent for long: see dead peers, keep NATs open, and let clients do the same.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
}

}  // namespace

GrpcServer::GrpcServer(Options options, Broker& broker, Replayer* replayer,
                       const std::vector<Shard*>& shards, Metrics& metrics, Log& log)
    : options_(std::move(options)),
      log_(log),
      service_(options_.limits, PublishTokens(options_.publish_tokens), broker, replayer, shards,
               metrics, log) {}

GrpcServer::~GrpcServer() { stop(); }

std::optional<std::string> GrpcServer::open() {
  silence_libraries();
  keep_grpc_up();
  describe_health();
  lock_without_looking();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  configure(builder);
  auto credentials = make_credentials(options_.tls);
  if (!credentials) return credentials.error().message;
  int port = 0;
  builder.AddListeningPort(options_.listen.text(), *credentials, &port);
  builder.RegisterService(&service_);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    return "cannot listen on " + options_.listen.text() + ": " + why_not_listening(options_.listen);
  }
  announce(false);
  options_.listen.port = static_cast<std::uint16_t>(port);
  const char* security = options_.tls.cert.empty()        ? "none"
                         : options_.tls.client_ca.empty() ? "tls"
                                                          : "mtls";
  log_.info("listening", {{"listener", "grpc"},
                          {"address", options_.listen.text()},
                          {"security", security},
                          {"publish_tokens", options_.publish_tokens.size()}});
  return std::nullopt;
}

void GrpcServer::start() { service_.start(); }

void GrpcServer::announce(bool serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus("", serving);
  health->SetServingStatus(v1::NotificationsGateway::service_full_name(), serving);
}

void GrpcServer::set_ready(bool ready) {
  if (server_ != nullptr) announce(ready);
}

void GrpcServer::drain(std::chrono::milliseconds period, std::function<void()> done) {
  announce(false);
  // The last tenth is for what is still queued.
  service_.drain(period * 9 / 10);
  drain_thread_ = std::thread([this, period, done = std::move(done)] {
    finish(period);
    done();
  });
}

void GrpcServer::finish(std::chrono::milliseconds period) {
  service_.active().wait_until_none(std::chrono::steady_clock::now() + period + kFlushTime);
  server_->Shutdown(std::chrono::system_clock::now() + kFlushTime);
  server_->Wait();
  service_.active().wait_until_none();
}

void GrpcServer::stop() {
  service_.active().hurry();
  if (drain_thread_.joinable()) drain_thread_.join();
  if (server_ == nullptr) return;
  // A second shutdown does nothing.
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  service_.active().wait_until_none();
  server_.reset();
}

std::unique_ptr<Front> make_grpc_server(Process& process) {
  const Settings& settings = process.settings();
  GrpcServer::Options options;
  options.listen = settings.grpc_listen;
  options.limits = {static_cast<std::size_t>(settings.max_outbound_bytes), settings.write_timeout};
  options.tls.cert = settings.grpc_tls_cert;
  options.tls.key = settings.grpc_tls_key;
  options.tls.client_ca = settings.grpc_tls_client_ca;
  options.publish_tokens = settings.publish_tokens;
  std::vector<Shard*> shards;
  for (const auto& shard : process.shards()) shards.push_back(shard.get());
  return std::make_unique<GrpcServer>(std::move(options), process.broker(), process.replayer(),
                                      shards, process.metrics(), process.log());
}

}  // namespace notifications::server
