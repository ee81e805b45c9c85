#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "tests/integration/grpc_gateway.h"

namespace notifications::server {
namespace {

using grpc::StatusCode;

// A broker whose outcomes a test decides.
class ScriptedBroker final : public Broker {
 public:
  // Answers each publish with this, at its deadline or at once.
  PublishOutcome outcome;
  bool at_deadline = false;
  std::atomic<int> publishes = 0;

  explicit ScriptedBroker(boost::asio::io_context& io) : io_(io) {}

  void start(EventSink&) override {}
  void publish(PublishCommand command, std::function<void(PublishOutcome)> done) override {
    ++publishes;
    if (!at_deadline) {
      boost::asio::post(io_, [done, answer = outcome] { done(answer); });
      return;
    }
    const auto timer = std::make_shared<boost::asio::steady_timer>(io_, command.deadline);
    timer->async_wait(
        [timer, done, answer = outcome](const boost::system::error_code&) { done(answer); });
  }
  BrokerStatus status() const override { return {}; }
  void on_status_change(std::function<void(const BrokerStatus&)>) override {}
  void stop() override {}

 private:
  boost::asio::io_context& io_;
};

v1::PublishRequest request(const std::string& event, const std::vector<std::string>& room_names) {
  v1::PublishRequest made;
  made.set_event(event);
  for (const std::string& room : room_names) made.add_rooms(room);
  return made;
}

TEST(GrpcPublish, AnswersWithIdAndTime) {
  TestGateway gateway;
  TestClient client(gateway.address());
  v1::PublishResponse response;
  ASSERT_TRUE(client.publish(request("e", {"graph"}), &response).ok());
  EXPECT_EQ(response.id().size(), 36u);
  EXPECT_GT(response.ts().seconds(), 1'600'000'000);
  EXPECT_EQ(response.ts().nanos() % 1'000'000, 0);
  EXPECT_EQ(response.position(), "");
  v1::PublishRequest named = request("e", {"graph"});
  named.set_id("mine");
  ASSERT_TRUE(client.publish(named, &response).ok());
  EXPECT_EQ(response.id(), "mine");
}

TEST(GrpcPublish, CarriesAValueAsJson) {
  TestGateway gateway;
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"graph"}));
  ASSERT_TRUE(stream.opened());
  v1::PublishRequest publish = request("e", {"graph"});
  auto& fields = *publish.mutable_payload()->mutable_struct_value()->mutable_fields();
  fields["z"].set_number_value(1e21);
  fields["a"].mutable_list_value()->add_values()->set_null_value(google::protobuf::NULL_VALUE);
  ASSERT_TRUE(client.publish(publish).ok());
  EXPECT_EQ(stream.payload(), R"({"a":[null],"z":1e+21})");
}

TEST(GrpcPublish, MissingPayloadIsNull) {
  TestGateway gateway;
  TestClient client(gateway.address());
  TestStream stream(client, rooms({"graph"}));
  ASSERT_TRUE(stream.opened());
  ASSERT_TRUE(client.publish(request("e", {"graph"})).ok());
  EXPECT_EQ(stream.payload(), "null");
}

TEST(GrpcPublish, AnswersBadRequestsWithTheFieldsName) {
  TestGateway gateway;
  TestClient client(gateway.address());
  struct Case {
    v1::PublishRequest request;
    std::string message;  // its beginning
  };
  std::vector<Case> cases{
      {request("", {"graph"}), "event: must not be empty"},
      {request("disconnect", {"graph"}), "event: \"disconnect\" is reserved"},
      {request("e", {}), "rooms: at least one room is needed"},
      {request("e", {"graph", "thread:a b"}), "rooms[1]: \"thread:a b\" is not a room"},
      {request("e", {"*"}), "rooms[0]: "},
      {request("e", {"graph"}), "payload_json: not valid JSON at byte 1: "},
      {request("e", {"graph"}), "payload: has no kind"},
      {request("e", {"graph"}), "payload.n: is not a finite number"},
      {request("e", {"graph"}), "payload_json: the envelope would be "},
  };
  cases[5].request.set_payload_json("{");
  cases[6].request.mutable_payload();
  (*cases[7].request.mutable_payload()->mutable_struct_value()->mutable_fields())["n"]
      .set_number_value(std::numeric_limits<double>::infinity());
  cases[8].request.set_payload_json("\"" + std::string(8 << 20, 'x') + "\"");
  for (const Case& bad : cases) {
    const grpc::Status status = client.publish(bad.request);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << bad.message;
    EXPECT_EQ(status.error_message().substr(0, bad.message.size()), bad.message);
  }
  EXPECT_EQ(gateway.metric("notifications_events_received_total"), 0);
}

TEST(GrpcPublish, RefusesAMessageBeyondNineMebibytes) {
  TestGateway gateway;
  TestClient client(gateway.address());
  v1::PublishRequest publish = request("e", {"graph"});
  publish.set_payload_json("\"" + std::string(9 << 20, 'x') + "\"");
  EXPECT_EQ(client.publish(publish).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(client.publish(request("e", {"graph"})).ok());
}

TEST(GrpcPublish, AnswersTextThatIsNotUtf8AsInvalid) {
  TestGateway gateway;
  auto channel = grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  v1::PublishRequest publish = request("\xff\xfe", {"graph"});  // not UTF-8
  v1::PublishResponse response;
  google::protobuf::LogSilencer silence;
  const grpc::Status status =
      v1::NotificationsGateway::NewStub(channel)->Publish(&context, publish, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "event: is not valid UTF-8");
}

// A gateway whose broker answers as the test says.
class GrpcPublishToABroker : public testing::Test {
 protected:
  BrokerLoop loop_;
  ScriptedBroker broker_{loop_.io};
  TestGateway gateway_{TestGateway::Options{{}, &broker_}};
  TestClient client_{gateway_.address()};
};

TEST_F(GrpcPublishToABroker, ThatIsAwayIsUnavailable) {
  broker_.outcome = {PublishStatus::kUnavailable, "not connected", "", ""};
  const grpc::Status status = client_.publish(request("e", {"graph"}));
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the broker cannot be reached: not connected");
}

TEST_F(GrpcPublishToABroker, ThatIsSilentIsUnavailableBeforeTheCallersDeadline) {
  broker_.outcome = {PublishStatus::kTimedOut, "", "", ""};
  broker_.at_deadline = true;
  const auto start = std::chrono::steady_clock::now();
  const grpc::Status status = client_.publish(request("e", {"graph"}), nullptr, seconds(2));
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the broker did not answer in time");
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(2000));
  EXPECT_GT(std::chrono::steady_clock::now() - start, milliseconds(1500));
}

TEST_F(GrpcPublishToABroker, ThatRefusesIsAFailedPrecondition) {
  broker_.outcome = {PublishStatus::kRefused, "NOPERM no rights", "", ""};
  EXPECT_EQ(client_.publish(request("e", {"graph"})).error_code(), StatusCode::FAILED_PRECONDITION);
  broker_.outcome = {PublishStatus::kRefused, "LOADING dataset", "", ""};
  EXPECT_EQ(client_.publish(request("e", {"graph"})).error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(GrpcPublishToABroker, ThatKnowsTheIdAnswersWithItsFirstTimeAndPosition) {
  broker_.outcome = {PublishStatus::kPublished, "", "epoch.7-0", "2026-02-19T12:00:00.5Z"};
  v1::PublishResponse response;
  ASSERT_TRUE(client_.publish(request("e", {"graph"}), &response).ok());
  EXPECT_EQ(response.position(), "epoch.7-0");
  EXPECT_EQ(response.ts().seconds(), 1771502400);
  EXPECT_EQ(response.ts().nanos(), 500'000'000);
}

// The broker answers long after the client has gone, and after the call has.
TEST_F(GrpcPublishToABroker, GivesTheCallBackWhenTheClientCancels) {
  broker_.outcome = {PublishStatus::kPublished, "", "", ""};
  broker_.at_deadline = true;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(1));
  v1::PublishResponse response;
  auto call = std::async(std::launch::async, [&] {
    return client_.stub->Publish(&context, request("e", {"graph"}), &response);
  });
  ASSERT_TRUE(eventually([&] { return broker_.publishes == 1; }));
  context.TryCancel();
  EXPECT_EQ(call.get().error_code(), StatusCode::CANCELLED);
  EXPECT_TRUE(
      eventually([&] { return gateway_.metric("notifications_grpc_publishes_total") == 1; }));
}

}  // namespace
}  // namespace notifications::server
