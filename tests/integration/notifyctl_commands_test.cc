#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/json/scanner.h"
#include "tests/integration/grpc_gateway.h"

extern char** environ;

namespace notifications::server {
namespace {

// notifyctl as built beside this test.
std::string program_path() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "notifyctl";
}

// A run of notifyctl, from start to end.
class Notifyctl {
 public:
  // `output`: its stdout, which is closed here and of which out() then tells nothing; or -1.
  explicit Notifyctl(std::vector<std::string> arguments, const std::string& input = "",
                     int output = -1) {
    int in[2], out[2], err[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
    if (output >= 0) close(std::exchange(out[1], output));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    const std::string path = program_path();
    arguments.insert(arguments.begin(), path);
    std::vector<char*> words;
    words.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, path.c_str(), &actions, nullptr, words.data(), environ), 0)
        << path << " is missing: build notifyctl";
    posix_spawn_file_actions_destroy(&actions);
    for (int fd : {in[0], out[1], err[1]}) close(fd);
    EXPECT_EQ(write(in[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
    close(in[1]);
    readers_.emplace_back([this, fd = out[0]] { read_all(fd, out_); });
    readers_.emplace_back([this, fd = err[0]] { read_all(fd, err_); });
  }
  ~Notifyctl() {
    if (!ended_) signal(SIGKILL);
    code();
  }

  void signal(int number) { kill(pid_, number); }

  // The exit code; waits for the end. Negative: ended by that signal.
  int code() {
    if (ended_) return code_;
    int status = 0;
    waitpid(pid_, &status, 0);
    ended_ = true;
    for (std::thread& reader : readers_) reader.join();
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return code_;
  }
  std::string out() {
    const std::lock_guard lock(mutex_);
    return out_;
  }
  std::string err() {
    const std::lock_guard lock(mutex_);
    return err_;
  }
  bool err_has(const std::string& text) {
    return eventually([&] { return err().find(text) != std::string::npos; });
  }

 private:
  void read_all(int fd, std::string& text) {
    char buffer[4096];
    ssize_t got = 0;
    while ((got = read(fd, buffer, sizeof buffer)) > 0) {
      const std::lock_guard lock(mutex_);
      text.append(buffer, static_cast<std::size_t>(got));
    }
    close(fd);
  }

  pid_t pid_ = -1;
  bool ended_ = false;
  int code_ = -1;
  std::mutex mutex_;
  std::string out_;  // guarded by mutex_
  std::string err_;  // guarded by mutex_
  std::vector<std::thread> readers_;
};

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    found.push_back(text.substr(begin, end - begin));
  return found;
}

class NotifyctlTest : public testing::Test {
 protected:
  // `command` with --server.
  Notifyctl run(std::vector<std::string> command, const std::string& input = "", int output = -1) {
    command.insert(command.end(), {"--server", gateway_.address()});
    return Notifyctl(command, input, output);
  }

  TestGateway gateway_;
  TestClient client_{gateway_.address()};
};

TEST_F(NotifyctlTest, PublishPrintsTheId) {
  TestStream stream(client_, rooms({"*"}));
  ASSERT_TRUE(stream.opened());
  Notifyctl publish = run({"publish", "--event", "e", "--room", "graph", "--room=node:1",
                           "--payload", R"({"a": 1})", "--source", "me"});
  ASSERT_EQ(publish.code(), 0) << publish.err();
  const v1::Envelope envelope = stream.envelope();
  EXPECT_EQ(publish.out(), envelope.id() + "\n");
  EXPECT_EQ(publish.err(), "");
  EXPECT_EQ(envelope.event(), "e");
  EXPECT_EQ(envelope.source(), "me");
  ASSERT_EQ(envelope.rooms_size(), 2);
  EXPECT_EQ(envelope.rooms(1), "node:1");
  EXPECT_EQ(envelope.payload_json(), R"({"a": 1})");
}

TEST_F(NotifyctlTest, PublishPrintsJsonWhenAsked) {
  Notifyctl publish = run({"publish", "--event", "e", "--room", "graph", "--id", "a\"b", "--json"});
  ASSERT_EQ(publish.code(), 0) << publish.err();
  EXPECT_EQ(publish.out().substr(0, 21), R"({"id":"a\"b","ts":"20)");
  EXPECT_TRUE(json::is_valid(publish.out()));
}

TEST_F(NotifyctlTest, PublishReadsThePayloadFromStdinAndFromAFile) {
  TestStream stream(client_, rooms({"*"}));
  ASSERT_TRUE(stream.opened());
  EXPECT_EQ(run({"publish", "--event", "e", "--room", "graph", "--payload", "-"}, "[1 ]\n").code(),
            0);
  EXPECT_EQ(stream.payload(), "[1 ]");
  const std::string path = testing::TempDir() + "notifyctl_payload_" + std::to_string(getpid());
  std::ofstream(path) << "\"" << std::string(500'000, 'x') << "\"";
  EXPECT_EQ(run({"publish", "--event", "e", "--room", "graph", "--payload", "@" + path}).code(), 0);
  EXPECT_EQ(stream.payload().size(), 500'002u);
  std::filesystem::remove(path);
}

TEST_F(NotifyctlTest, StreamPrintsOneLineForEachEvent) {
  Notifyctl stream = run({"stream", "--room", "graph", "--event", "e", "--count", "2"});
  ASSERT_TRUE(stream.err_has("notifyctl: opened\n"));
  ASSERT_TRUE(client_.publish("other", {"graph"}, "0", "id-0").ok());
  ASSERT_TRUE(
      client_.publish("e", {"graph", "node:1"}, "{\"n\":\n12345678901234567890}", "id-1").ok());
  ASSERT_TRUE(client_.publish("e", {"graph"}, R"("\ud800")", "id-2").ok());
  ASSERT_EQ(stream.code(), 0) << stream.err();
  const std::vector<std::string> printed = lines(stream.out());
  ASSERT_EQ(printed.size(), 2u) << stream.out();
  EXPECT_EQ(printed[0].substr(0, 18), R"({"id":"id-1","ts":)");
  EXPECT_NE(printed[0].find(R"(Z","source":"operator","rooms":["graph","node:1"],"event":"e",)"
                            R"("payload":{"n": 12345678901234567890}})"),
            std::string::npos)
      << printed[0];
  EXPECT_NE(printed[1].find(R"("payload":"\ud800"})"), std::string::npos) << printed[1];
}

TEST_F(NotifyctlTest, StreamForPeopleShowsTheEventAndItsPayload) {
  Notifyctl stream = run({"stream", "--room", "graph", "--pretty", "--count", "1"});
  ASSERT_TRUE(stream.err_has("opened"));
  ASSERT_TRUE(client_.publish("node_status", {"graph", "node:1"}, R"({"a":1})").ok());
  ASSERT_EQ(stream.code(), 0);
  const std::vector<std::string> printed = lines(stream.out());
  ASSERT_EQ(printed.size(), 2u) << stream.out();
  EXPECT_EQ(printed[0].substr(12), "Z  node_status               graph node:1");
  EXPECT_EQ(printed[1], R"(  {"a":1})");
}

TEST_F(NotifyctlTest, StreamTakesTheLargestEvents) {
  Notifyctl stream = run({"stream", "--room", "graph", "--count", "1"});
  ASSERT_TRUE(stream.err_has("opened"));
  ASSERT_TRUE(client_.publish("e", {"graph"}, "\"" + std::string(8'000'000, 'x') + "\"").ok());
  ASSERT_EQ(stream.code(), 0) << stream.err();
  EXPECT_GT(stream.out().size(), 8'000'000u);
}

TEST_F(NotifyctlTest, StreamEndsWellOnASignal) {
  for (const int number : {SIGINT, SIGTERM}) {
    Notifyctl stream = run({"stream", "--room", "graph"});
    ASSERT_TRUE(stream.err_has("opened"));
    stream.signal(number);
    EXPECT_EQ(stream.code(), 0);
    EXPECT_EQ(stream.err(), "notifyctl: opened\n");
  }
}

TEST_F(NotifyctlTest, StreamThatTheServerEndsIsCodeFour) {
  Notifyctl stream = run({"stream", "--room", "graph"});
  ASSERT_TRUE(stream.err_has("opened"));
  gateway_.front->drain(milliseconds(0), [] {});
  EXPECT_EQ(stream.code(), 4);
  EXPECT_EQ(stream.err(),
            "notifyctl: opened\nnotifyctl: the stream ended: UNAVAILABLE: draining\n");
}

TEST_F(NotifyctlTest, DemoPublishesAsManyAsAsked) {
  TestStream stream(client_, rooms({"*"}));
  ASSERT_TRUE(stream.opened());
  Notifyctl demo = run({"demo", "--rate", "2000", "--count", "50", "--seed", "7"});
  EXPECT_EQ(demo.code(), 0);
  EXPECT_EQ(demo.out() + demo.err(), "");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(stream.envelope().source(), "demo");
  ASSERT_TRUE(client_.publish("last", {"graph"}).ok());
  EXPECT_EQ(stream.envelope().event(), "last");
}

// As `stream | head -1` has it, though no further event comes.
TEST_F(NotifyctlTest, StreamEndsWhenItsReaderGoes) {
  int out[2];
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  Notifyctl stream = run({"stream", "--room", "graph"}, "", out[1]);
  ASSERT_TRUE(stream.err_has("opened")) << stream.err();
  close(out[0]);
  EXPECT_EQ(stream.code(), 0);
  EXPECT_EQ(stream.err(), "notifyctl: opened\n");
}

TEST_F(NotifyctlTest, OutputThatCannotBeWrittenIsAFailure) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"health"}, {"publish", "--event", "e", "--room", "graph"}}) {
    Notifyctl full = run(command, "", open("/dev/full", O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(full.code(), 1);
    EXPECT_EQ(full.err(), "notifyctl: stdout: No space left on device\n");
  }
}

// A connection would get the free number otherwise, and the output with it.
TEST_F(NotifyctlTest, ClosedOutputIsAFailure) {
  const std::string command = program_path() + " health --server " + gateway_.address();
  EXPECT_EQ(WEXITSTATUS(std::system((command + " >&- 2>/dev/null").c_str())), 1);
  EXPECT_EQ(WEXITSTATUS(std::system((command + " >/dev/null <&- 2>&-").c_str())), 0);
}

TEST_F(NotifyctlTest, DemoEndsAfterItsDuration) {
  Notifyctl demo = run({"demo", "--rate", "100", "--duration", "200ms"});
  EXPECT_EQ(demo.code(), 0) << demo.err();
  const auto published = gateway_.metric("notifications_grpc_publishes_total");
  EXPECT_GT(published, 0);
  EXPECT_LE(published, 21);
}

TEST_F(NotifyctlTest, DemoEndsWellOnASignal) {
  Notifyctl demo = run({"demo", "--rate", "20"});
  ASSERT_TRUE(
      eventually([&] { return gateway_.metric("notifications_grpc_publishes_total") > 1; }));
  demo.signal(SIGINT);
  EXPECT_EQ(demo.code(), 0);
  EXPECT_EQ(demo.err(), "");
}

TEST_F(NotifyctlTest, HealthFollowsReadiness) {
  for (const std::string service : {"", "notifications.v1.NotificationsGateway"}) {
    gateway_.front->set_ready(true);
    Notifyctl serving = run({"health", "--service", service});
    EXPECT_EQ(serving.code(), 0) << serving.err();
    EXPECT_EQ(serving.out(), "SERVING\n");
    gateway_.front->set_ready(false);
    Notifyctl not_serving = run({"health", "--service", service});
    EXPECT_EQ(not_serving.code(), 1) << not_serving.err();
    EXPECT_EQ(not_serving.out(), "NOT_SERVING\n");
  }
}

TEST_F(NotifyctlTest, HealthIsNotServingOnceTheServerDrains) {
  TestStream stream(client_, rooms({"graph"}));  // keeps the server up
  ASSERT_TRUE(stream.opened());
  gateway_.front->drain(seconds(600), [] {});
  Notifyctl health = run({"health"});
  EXPECT_EQ(health.code(), 1) << health.err();
  EXPECT_EQ(health.out(), "NOT_SERVING\n");
}

// Exit code and the beginning of the one line on stderr.
struct Failure {
  std::vector<std::string> command;
  int code;
  std::string line;
};

TEST_F(NotifyctlTest, FailuresAreOneLineAndACode) {
  const std::vector<std::string> publish{"publish", "--event", "e", "--room", "graph"};
  const auto with = [](std::vector<std::string> command, std::vector<std::string> more) {
    command.insert(command.end(), more.begin(), more.end());
    return command;
  };
  const std::vector<Failure> failures{
      {{"nonsense"}, 2, "unknown command \"nonsense\""},
      {{}, 2, "a command is missing"},
      {{"publish"}, 2, "publish needs --event"},
      {{"publish", "--event", "e"}, 2, "publish needs --room"},
      {with(publish, {"--nonsense"}), 2, "unknown flag \"--nonsense\""},
      {with(publish, {"stray"}), 2, "unexpected argument \"stray\""},
      {with(publish, {"--event", "f"}), 2, "--event is given twice"},
      {with(publish, {"--json=yes"}), 2, "--json takes no value"},
      {with(publish, {"--timeout", "soon"}), 2, "--timeout: expected a duration"},
      {with(publish, {"--payload", "{nope"}), 1, "INVALID_ARGUMENT: payload_json: "},
      {with(publish, {"--payload", "@/no/such/file"}), 1, "--payload: cannot read /no/such/file: "},
      {with(publish, {"--room", "Graph"}), 1, "INVALID_ARGUMENT: rooms[1]: \"Graph\""},
      {with(publish, {"--room", "\xff"}), 1, "INVALID_ARGUMENT: rooms[1]: is not valid UTF-8"},
      {{"stream"}, 2, "stream needs --room"},
      {{"stream", "--room", "nope"}, 1, "INVALID_ARGUMENT: rooms[0]: \"nope\""},
      {{"stream", "--room", "*", "--resume_after", std::string(257, 'x')},
       1,
       "INVALID_ARGUMENT: resume_after: "},
      {{"stream", "--room", "*", "--count", "0"}, 2, "--count: expected a whole number from 1"},
      {{"demo", "--rate", "x"}, 2, "--rate: expected a number"},
      {{"demo", "--rate", "-1"}, 2, "--rate: expected a number"},
      {{"demo", "--redis_url", "http://x"}, 2, "--redis_url: "},
      {{"demo", "--redis_url", "redis://127.0.0.1:1", "--timeout", "200ms"}, 3, "cannot reach "},
      {{"demo", "--channel", "x"}, 2, "--channel goes with --redis_url"},
      {{"health", "--service", "no.such"}, 1, "NOT_FOUND: "},
  };
  for (const Failure& failure : failures) {
    Notifyctl program = run(failure.command);
    EXPECT_EQ(program.code(), failure.code) << failure.line;
    EXPECT_EQ(program.out(), "");
    const std::string start = "notifyctl: " + failure.line;
    EXPECT_EQ(program.err().substr(0, start.size()), start);
    EXPECT_EQ(lines(program.err()).size(), 1u) << program.err();
  }
}

TEST(Notifyctl, UnreachableServerIsCodeThreeInOneLine) {
  for (const char* command : {"health", "demo"}) {
    Notifyctl program({command, "--server", "127.0.0.1:1"});
    EXPECT_EQ(program.code(), 3);
    EXPECT_EQ(program.err().find("notifyctl: cannot reach 127.0.0.1:1: "), 0u) << program.err();
    EXPECT_NE(program.err().find("Connection refused"), std::string::npos) << program.err();
    EXPECT_EQ(lines(program.err()).size(), 1u);
  }
}

// A server that accepts and says nothing.
TEST(Notifyctl, SilentServerIsCodeThreeAfterTheTimeout) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor silent(io, {boost::asio::ip::address_v4::loopback(), 0});
  Notifyctl program({"health", "--timeout", "500ms", "--server",
                     "127.0.0.1:" + std::to_string(silent.local_endpoint().port())});
  EXPECT_EQ(program.code(), 3);
  EXPECT_NE(program.err().find("no answer in time"), std::string::npos) << program.err();
}

TEST(Notifyctl, BadAddressIsBadUsage) {
  for (const char* address :
       {"nowhere", "127.0.0.1", "127.0.0.1:0", "a:b:1", ":1", "127.0.0.1:x"}) {
    Notifyctl program({"health", "--server", address});
    EXPECT_EQ(program.code(), 2) << address;
    EXPECT_EQ(program.err(),
              "notifyctl: --server: expected host:port, got \"" + std::string(address) + "\"\n");
  }
}

TEST(Notifyctl, HelpSaysItAll) {
  Notifyctl all({"--help"});
  EXPECT_EQ(all.code(), 0);
  EXPECT_EQ(all.err(), "");
  for (const char* text : {"Usage: notifyctl", "publish:", "stream:", "demo:", "health:",
                           "NOTIFICATIONS_SERVER", "Exit codes:", "  4  "})
    EXPECT_NE(all.out().find(text), std::string::npos) << text;
  Notifyctl one({"stream", "--help"});
  EXPECT_EQ(one.code(), 0);
  EXPECT_EQ(one.out().find("publish:"), std::string::npos);
}

}  // namespace
}  // namespace notifications::server
