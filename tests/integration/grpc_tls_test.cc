#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "server/grpc_server.h"
#include "tests/integration/grpc_gateway.h"
#include "tests/support/certificates.h"

namespace notifications::server {
namespace {

using grpc::StatusCode;
using test::Certificate;
using test::CertificateAuthority;

constexpr char kToken[] = "first-token-of-a-publisher";
constexpr char kOtherToken[] = "another-token-of-a-publisher";

// A second front of a gateway, with security of its own; its files are in a folder that goes with
// the test.
class GrpcTlsTest : public testing::Test {
 protected:
  GrpcTlsTest() {
    std::string pattern = testing::TempDir() + "grpc_tls_XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~GrpcTlsTest() override {
    if (front_ != nullptr) front_->stop();
    std::filesystem::remove_all(folder_);
  }

  // The name of a file with this content; in one step, if it was there before.
  std::string file(const std::string& name, const std::string& content) const {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path.string() + ".new") << content;
    std::filesystem::rename(path.string() + ".new", path);
    return path;
  }
  TlsFiles files(const Certificate& certificate, const std::string& client_ca = "") const {
    TlsFiles files;
    files.cert = file("cert.pem", certificate.certificate);
    files.key = file("key.pem", certificate.key);
    if (!client_ca.empty()) files.client_ca = file("client_ca.pem", client_ca);
    files.refresh = seconds(1);
    return files;
  }

  // What open() said; the front serves if that is nothing.
  std::optional<std::string> serve(TlsFiles files, std::vector<std::string> tokens = {}) {
    front_ = std::make_unique<GrpcServer>(
        GrpcServer::Options{Address{"127.0.0.1", 0}, {}, std::move(files), std::move(tokens)},
        gateway_.memory, nullptr, std::vector<Shard*>(), metrics_, gateway_.log);
    const auto problem = front_->open();
    if (problem) return problem;
    front_->start();
    front_->set_ready(true);
    return std::nullopt;
  }
  std::string address() const { return front_->address().text(); }

  // One publish on a connection of its own.
  grpc::Status publish(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                       const std::vector<std::string>& authorizations = {}) const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    const auto stub = v1::NotificationsGateway::NewStub(
        grpc::CreateCustomChannel(address(), credentials, arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    for (const std::string& value : authorizations) context.AddMetadata("authorization", value);
    v1::PublishRequest request;
    request.set_event("e");
    request.add_rooms("graph");
    v1::PublishResponse response;
    return stub->Publish(&context, request, &response);
  }
  static std::shared_ptr<grpc::ChannelCredentials> plain() {
    return grpc::InsecureChannelCredentials();
  }
  static std::shared_ptr<grpc::ChannelCredentials> trusting(const CertificateAuthority& authority,
                                                            const Certificate& own = {}) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = authority.certificate();
    options.pem_cert_chain = own.certificate;
    options.pem_private_key = own.key;
    return grpc::SslCredentials(options);
  }

  std::filesystem::path folder_;
  Metrics metrics_;
  TestGateway gateway_;
  std::unique_ptr<GrpcServer> front_;
  CertificateAuthority authority_;
};

TEST_F(GrpcTlsTest, ServesWhoTrustsItsAuthorityAndNobodyInPlainText) {
  ASSERT_EQ(serve(files(authority_.issue("server"))), std::nullopt);
  const grpc::Status status = publish(trusting(authority_));
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(publish(plain()).error_code(), StatusCode::UNAVAILABLE);
  const CertificateAuthority stranger;
  EXPECT_EQ(publish(trusting(stranger)).error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(GrpcTlsTest, AsksClientsForACertificateOfTheirAuthority) {
  CertificateAuthority clients;
  CertificateAuthority stranger;
  ASSERT_EQ(serve(files(authority_.issue("server"), clients.certificate())), std::nullopt);
  const grpc::Status status = publish(trusting(authority_, clients.issue("client")));
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(publish(trusting(authority_)).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(publish(trusting(authority_, stranger.issue("client"))).error_code(),
            StatusCode::UNAVAILABLE);
  // The server's own authority is not the clients'.
  EXPECT_EQ(publish(trusting(authority_, authority_.issue("client"))).error_code(),
            StatusCode::UNAVAILABLE);
}

TEST_F(GrpcTlsTest, FollowsItsFilesWithoutARestart) {
  CertificateAuthority clients;
  CertificateAuthority next;
  CertificateAuthority next_clients;
  ASSERT_EQ(serve(files(authority_.issue("server"), clients.certificate())), std::nullopt);
  ASSERT_TRUE(publish(trusting(authority_, clients.issue("client"))).ok());
  ASSERT_FALSE(publish(trusting(next, next_clients.issue("client"))).ok());
  files(next.issue("server"), next_clients.certificate());
  EXPECT_TRUE(
      eventually([&] { return publish(trusting(next, next_clients.issue("client"))).ok(); }));
  EXPECT_FALSE(publish(trusting(authority_, clients.issue("client"))).ok());
}

TEST_F(GrpcTlsTest, SaysInOneLineWhichFileItCannotUse) {
  const TlsFiles good = files(authority_.issue("server"), authority_.certificate());
  TlsFiles bad = good;
  bad.cert = folder_ / "none.pem";
  EXPECT_EQ(serve(bad), "--grpc_tls_cert: cannot read " + bad.cert + ": No such file or directory");
  bad = good;
  bad.key = file("other_key.pem", authority_.issue("other").key);
  EXPECT_EQ(serve(bad), "--grpc_tls_key: cannot use " + bad.key + ": key values mismatch");
  bad = good;
  bad.key = file("garbage.pem", "garbage\n");
  EXPECT_EQ(serve(bad)->find("--grpc_tls_key: cannot use " + bad.key + ": "), 0u);
  bad = good;
  bad.client_ca = file("garbage.pem", "garbage\n");
  EXPECT_EQ(serve(bad)->find("--grpc_tls_client_ca: cannot use " + bad.client_ca + ": "), 0u);
}

TEST_F(GrpcTlsTest, TakesAnyOfItsTokensAndNothingElse) {
  ASSERT_EQ(serve({}, {kToken, kOtherToken}), std::nullopt);
  const std::string token = kToken;
  EXPECT_TRUE(publish(plain(), {"Bearer " + token}).ok());
  EXPECT_TRUE(publish(plain(), {std::string("Bearer ") + kOtherToken}).ok());
  const grpc::Status none = publish(plain());
  EXPECT_EQ(none.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(none.error_message(), "a bearer token is needed");
  const grpc::Status wrong = publish(plain(), {"Bearer " + token + "x"});
  EXPECT_EQ(wrong.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(wrong.error_message(), "not a bearer token that is known here");
  EXPECT_EQ(publish(plain(), {"Bearer " + token, "Bearer " + token}).error_code(),
            StatusCode::UNAUTHENTICATED);
  const auto counts = metrics_.by_label("notifications_grpc_publishes_total");
  EXPECT_NE(std::find(counts.begin(), counts.end(), std::pair<std::string, std::int64_t>("ok", 2)),
            counts.end());
  EXPECT_NE(std::find(counts.begin(), counts.end(),
                      std::pair<std::string, std::int64_t>("unauthenticated", 3)),
            counts.end());
}

// notifyctl as built beside this test: its exit code and what it printed.
std::pair<int, std::string> notifyctl(const std::string& arguments) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "notifyctl";
  std::FILE* pipe = popen((program.string() + " " + arguments + " 2>&1").c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) out += buffer.data();
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out};
}

TEST_F(GrpcTlsTest, NotifyctlShowsItsCertificateAndItsToken) {
  CertificateAuthority clients;
  const Certificate own = clients.issue("operator");
  ASSERT_EQ(serve(files(authority_.issue("server"), clients.certificate()), {kToken}),
            std::nullopt);
  const std::string to = "--server " + address() + " --timeout 5s";
  const std::string tls = " --tls_ca " + file("ca.pem", authority_.certificate()) + " --tls_cert " +
                          file("own.pem", own.certificate) + " --tls_key " +
                          file("own_key.pem", own.key);
  const std::string publish = " publish --event e --room graph";
  EXPECT_EQ(notifyctl(to + tls + " --token " + kToken + publish).first, 0);
  EXPECT_EQ(
      notifyctl(to + tls + publish),
      (std::pair<int, std::string>(1, "notifyctl: UNAUTHENTICATED: a bearer token is needed\n")));
  // Health needs the certificate, but no token.
  EXPECT_EQ(notifyctl(to + tls + " health"), (std::pair<int, std::string>(0, "SERVING\n")));
  EXPECT_EQ(notifyctl(to + " health").first, 3);
  EXPECT_EQ(notifyctl(to + " --tls_ca " + (folder_ / "ca.pem").string() + " health").first, 3);
  EXPECT_EQ(notifyctl(to + " --tls_ca " + (folder_ / "none").string() + " health"),
            (std::pair<int, std::string>(
                1, "notifyctl: --tls_ca: cannot read " + (folder_ / "none").string() + "\n")));
  EXPECT_EQ(notifyctl(to + " --tls_cert x health"),
            (std::pair<int, std::string>(2, "notifyctl: --tls_cert and --tls_key go together\n")));
}

}  // namespace
}  // namespace notifications::server
