#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/memory/memory_broker.h"
#include "core/runtime/dispatcher.h"
#include "edge/edge_shard.h"
#include "edge/recovery.h"

namespace notifications::edge {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

// A connection without a socket, and the client behind it, who may be deaf.
class FakeConnection : public RecoveryPort, public Subscriber {
 public:
  FakeConnection(EdgeShard& shard, std::set<std::string>* arrived)
      : shard_(shard), arrived_(arrived) {
    recovery = std::make_shared<Recovery>(static_cast<RecoveryPort&>(*this), shard);
  }
  ~FakeConnection() override { drop(); }

  // The transport is lost.
  void drop() {
    if (recovery == nullptr) return;
    hub().leave_all(*this);
    recovery->refresh();
    kill();
  }
  // The process is lost.
  void kill() {
    hub().leave_all(*this);
    recovery.reset();
  }
  void subscribe(const std::string& room) {
    socketio::RoomsCommand command;
    command.rooms = {room};
    recovery->join(std::move(command), {room});
  }
  void unsubscribe(const std::string& room) {
    socketio::RoomsCommand command;
    command.rooms = {room};
    recovery->leave(std::move(command), {room});
  }

  // RecoveryPort
  void accept(std::string_view s, std::string_view p) override {
    sid = s;
    pid = p;
    log.push_back("connect");
  }
  void enter(std::string_view room) override { hub().join(*this, room); }
  void exit(std::string_view room) override { hub().leave(*this, room); }
  bool is_in(std::string_view room) const override {
    return shard_.shard().hub().is_member(*this, room);
  }
  void exit_all() override { hub().leave_all(*this); }
  std::size_t replay(const PublicationPtr& publication) override {
    take(*publication);
    return waiting;
  }
  void confirm(const socketio::RoomsCommand& command) override {
    log.push_back("ack " + command.rooms.front());
  }
  void refresh_soon() override { ++refreshes_wanted; }
  void end(CloseReason reason) override {
    log.push_back("end " + std::string(name(reason)));
    ended = reason;
    hub().leave_all(*this);
  }
  // Subscriber
  void deliver(const PublicationPtr& publication) override {
    if (!recovery->open()) return;
    recovery->sent(publication->stream_id());
    take(*publication);
  }

  std::shared_ptr<Recovery> recovery;
  Texts log;     // what happened, in order; events by their ids
  Texts events;  // what arrived
  std::string sid, pid, offset;
  std::optional<CloseReason> ended;
  int refreshes_wanted = 0;
  bool deaf = false;        // what is sent does not arrive
  std::size_t waiting = 0;  // bytes that wait to be written

 private:
  Hub& hub() { return shard_.shard().hub(); }
  void take(const Publication& publication) {
    if (deaf) return;
    const std::string& id = publication.envelope().id;
    log.push_back(id);
    events.push_back(id);
    offset = publication.position();
    EXPECT_TRUE(arrived_->insert(id).second) << id << " came twice";
  }

  EdgeShard& shard_;
  std::set<std::string>* const arrived_;
};

// A journal whose store may be away.
class FlakyJournal : public Journal {
 public:
  explicit FlakyJournal(Journal& journal) : journal_(journal) {}
  bool away = false;
  int saves = 0;  // not refreshes

  void read(std::optional<StreamId> after, std::size_t count,
            std::function<void(JournalPage)> done) override {
    journal_.read(after, count, std::move(done));
  }
  void take(std::string pid, std::function<void(SessionResult, SessionRecord)> done) override {
    if (away) return done(SessionResult::kUnavailable, {});
    journal_.take(std::move(pid), std::move(done));
  }
  void save(SessionRecord record, bool refresh, std::function<void(SessionResult)> done) override {
    if (away) return done(SessionResult::kUnavailable);
    if (!refresh) ++saves;
    journal_.save(std::move(record), refresh, std::move(done));
  }
  void forget(std::string pid, std::uint64_t generation) override {
    journal_.forget(std::move(pid), generation);
  }
  void on_taken(std::function<void(std::string_view, std::uint64_t)>) override {}

 private:
  Journal& journal_;
};

// An edge of one shard on a journal in memory, whose clock and loop the test turns itself.
class RecoverySession : public testing::Test {
 protected:
  RecoverySession() {
    settings_.program = Program::kEdge;
    settings_.session_ttl = 60s;
    JournalOptions options;
    options.retention = 60s;
    options.session_ttl = settings_.session_ttl;
    broker_ = std::make_unique<MemoryBroker>(shard_.io(), options, [this] { return now_; });
    dispatcher_ = std::make_unique<Dispatcher>(interest_, std::vector<Shard*>{&shard_}, &shard_,
                                               log_, metrics_, window_bytes());
    replayer_ = std::make_unique<Replayer>(shard_.io(), *broker_->journal(), dispatcher_->window(),
                                           &shard_, metrics_);
    store_ = std::make_unique<FlakyJournal>(*broker_->journal());
    sessions_ = std::make_unique<Sessions>(shard_.io(), *store_, &shard_);
    dispatcher_->on_advanced([this] { replayer_->on_advanced(); });
    // The notice comes in its own time, as it does from other processes.
    broker_->journal()->on_taken([this](std::string_view pid, std::uint64_t generation) {
      shard_.post([this, pid = std::string(pid), generation] { edge_.on_taken(pid, generation); });
    });
    context_.replayer = replayer_.get();
    context_.sessions = sessions_.get();
    broker_->start(*dispatcher_);
    turn();
  }
  ~RecoverySession() override {
    turn();
    shard_.io().stop();  // nobody turns the loop while the broker stops
    broker_->stop();
  }
  // What the window holds; nothing, so that resumes read the journal.
  static std::size_t window_bytes() { return 1; }

  void turn() {
    shard_.io().restart();
    while (shard_.io().poll() > 0) shard_.io().restart();
  }
  void pass(std::chrono::milliseconds time) { now_ += time; }

  void publish(const std::string& id, const std::string& room = "graph") {
    PublishCommand command;
    command.id = id;
    command.ts = "2026-02-19T12:00:00Z";
    command.text = R"({"id":")" + id + R"(","ts":"2026-02-19T12:00:00Z","source":"s","rooms":[")" +
                   room + R"("],"event":"e","payload":1})";
    command.deadline = std::chrono::steady_clock::now() + 1h;
    broker_->publish(std::move(command), [](const PublishOutcome& outcome) {
      EXPECT_EQ(outcome.status, PublishStatus::kPublished) << outcome.detail;
    });
    turn();
    dispatcher_->announce_head();
    turn();
  }

  std::unique_ptr<FakeConnection> connect(const std::string& auth = "") {
    auto connection = std::make_unique<FakeConnection>(edge_, &arrived_);
    connection->recovery->connect(auth);
    turn();
    return connection;
  }
  std::unique_ptr<FakeConnection> subscribed(const std::string& room) {
    auto connection = connect();
    connection->subscribe(room);
    turn();
    return connection;
  }
  // What a stock client sends when it comes back; it keeps its offset.
  static std::string auth(const FakeConnection& before) {
    return R"({"pid":")" + before.pid + R"(")" +
           (before.offset.empty() ? "" : R"(,"offset":")" + before.offset + R"(")") + "}";
  }
  std::unique_ptr<FakeConnection> come_back(const FakeConnection& before) {
    auto connection = connect(auth(before));
    if (connection->offset.empty()) connection->offset = before.offset;
    return connection;
  }

  std::chrono::system_clock::time_point now_{1'700'000'000s};
  Settings settings_;
  Log log_{LogLevel::kOff, LogFormat::kText, [](std::string_view) {}};
  Metrics metrics_;
  RoomInterest interest_;
  Shard shard_{0, interest_};
  EdgeContext context_{settings_, log_, metrics_};
  std::unique_ptr<MemoryBroker> broker_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Replayer> replayer_;
  std::unique_ptr<FlakyJournal> store_;
  std::unique_ptr<Sessions> sessions_;
  EdgeShard edge_{shard_, context_};
  std::set<std::string> arrived_;  // ids
};

TEST_F(RecoverySession, AcksARoomOnceItsRecordHoldsIt) {
  const auto client = connect();
  client->subscribe("graph");
  EXPECT_EQ(client->log, Texts{"connect"});
  turn();
  EXPECT_EQ(client->log, (Texts{"connect", "ack graph"}));
}

TEST_F(RecoverySession, GivesWhatWasMissedBehindConnectAndBeforeWhatIsLive) {
  const auto client = subscribed("graph");
  publish("1");
  client->drop();
  publish("2");
  publish("3");
  const auto back = come_back(*client);
  publish("4");
  EXPECT_EQ(back->log, (Texts{"connect", "2", "3", "4"}));
  EXPECT_EQ(back->pid, client->pid);
  EXPECT_EQ(back->sid, client->sid);
}

TEST_F(RecoverySession, GivesAgainWhatWasSentButDidNotArrive) {
  const auto client = subscribed("graph");
  publish("1");
  client->deaf = true;
  publish("2");
  client->drop();
  publish("3");
  const auto back = come_back(*client);
  EXPECT_EQ(back->events, (Texts{"2", "3"}));
}

TEST_F(RecoverySession, ServesAClientThatHasSeenNoEvent) {
  const auto client = subscribed("graph");
  client->deaf = true;
  publish("1");
  client->kill();
  publish("2");
  const auto back = come_back(*client);
  EXPECT_EQ(back->events, (Texts{"1", "2"}));
}

TEST_F(RecoverySession, ServesAClientThatKeepsAnOffsetOfAnEarlierSession) {
  const auto first = subscribed("graph");
  publish("1");
  first->recovery->disconnect();
  const auto second = come_back(*first);
  EXPECT_NE(second->pid, first->pid);
  publish("2");
  second->subscribe("graph");
  turn();
  second->kill();
  publish("3");
  const auto back = come_back(*second);
  EXPECT_EQ(back->pid, second->pid);
  EXPECT_EQ(back->events, Texts{"3"});
}

TEST_F(RecoverySession, EndsForGoodWhenItsClientSaysSo) {
  const auto client = subscribed("graph");
  client->recovery->disconnect();
  turn();
  const auto back = come_back(*client);
  EXPECT_NE(back->pid, client->pid);
  EXPECT_EQ(back->log, Texts{"connect"});
}

TEST_F(RecoverySession, EndsForGoodThoughItsClientSaysSoWhileItIsLookedUp) {
  const auto client = subscribed("graph");
  client->drop();
  turn();
  const auto hasty = std::make_unique<FakeConnection>(edge_, &arrived_);
  hasty->recovery->connect(auth(*client));
  hasty->recovery->disconnect();
  turn();
  EXPECT_EQ(hasty->log, Texts{});
  EXPECT_NE(come_back(*client)->pid, client->pid);
}

TEST_F(RecoverySession, EntersNoRoomWhenItIsFoundForAConnectionThatIsEnding) {
  const auto client = subscribed("graph");
  client->drop();
  turn();
  publish("1");
  const auto leaving = std::make_unique<FakeConnection>(edge_, &arrived_);
  leaving->recovery->connect(auth(*client));
  leaving->recovery->detach();
  turn();
  EXPECT_EQ(leaving->log, Texts{});
  EXPECT_EQ(shard_.hub().subscriptions(), 0u);
  EXPECT_EQ(come_back(*client)->events, Texts{"1"});
}

TEST_F(RecoverySession, EntersNoRoomWhenThePastOfAConnectionThatIsEndingIsRead) {
  const auto client = subscribed("graph");
  client->drop();
  turn();
  const auto leaving = std::make_unique<FakeConnection>(edge_, &arrived_);
  leaving->recovery->connect(auth(*client));
  leaving->subscribe("threads");  // waits for the past
  shard_.io().restart();
  while (leaving->log.empty() && shard_.hub().subscriptions() == 0) shard_.io().poll_one();
  leaving->exit_all();
  leaving->recovery->detach();
  turn();
  EXPECT_EQ(shard_.hub().subscriptions(), 0u);
}

TEST_F(RecoverySession, BeginsAnewOnTheSameConnection) {
  const auto client = subscribed("graph");
  const std::string first = client->pid;
  client->recovery->disconnect();
  publish("1");
  client->recovery->connect("");
  turn();
  EXPECT_NE(client->pid, first);
  publish("2");
  client->subscribe("graph");
  turn();
  publish("3");
  EXPECT_EQ(client->events, Texts{"3"});
}

TEST_F(RecoverySession, ForgetsRoomsThatWereLeft) {
  const auto client = subscribed("graph");
  client->subscribe("threads");
  turn();
  client->unsubscribe("graph");
  turn();
  client->kill();
  publish("1", "graph");
  publish("2", "threads");
  EXPECT_EQ(come_back(*client)->events, Texts{"2"});
}

TEST_F(RecoverySession, ReplaysARoomFromWhereItBecameLive) {
  const auto client = subscribed("graph");
  publish("1", "threads");
  client->subscribe("threads");
  turn();
  client->deaf = true;
  publish("2", "threads");
  client->kill();
  EXPECT_EQ(come_back(*client)->events, Texts{"2"});
}

TEST_F(RecoverySession, LetsGoOfASessionThatComesBackOnTheSameShard) {
  const auto client = subscribed("graph");
  publish("1");
  const auto back = come_back(*client);
  EXPECT_EQ(client->ended, CloseReason::kTakeover);
  publish("2");
  EXPECT_EQ(client->events, Texts{"1"});
  EXPECT_EQ(back->events, Texts{"2"});
  // The end of the old connection takes nothing from the new one.
  client->drop();
  turn();
  const auto third = come_back(*back);
  EXPECT_EQ(back->ended, CloseReason::kTakeover);
  publish("3");
  EXPECT_EQ(third->events, Texts{"3"});
}

TEST_F(RecoverySession, StartsAfreshBehindAGap) {
  const auto client = subscribed("graph");
  publish("1");
  client->drop();
  publish("2");
  pass(2min);
  publish("3");
  const auto back = come_back(*client);
  EXPECT_EQ(back->log, Texts{"connect"});
  EXPECT_NE(back->pid, client->pid);
}

TEST_F(RecoverySession, KeepsItsPlaceInAQuietRoom) {
  auto client = subscribed("graph");
  publish("1");
  for (int i = 0; i < 10; ++i) {
    pass(30s);
    publish("busy-" + std::to_string(i), "threads");
    if (i % 3 == 0) {
      auto back = come_back(*client);
      EXPECT_EQ(back->pid, client->pid) << i;
      client = std::move(back);
    }
    client->recovery->refresh();
    turn();
  }
  client->drop();
  publish("2");
  EXPECT_EQ(come_back(*client)->events, Texts{"2"});
}

// The record knew of one event, the client of a later one.
TEST_F(RecoverySession, KeepsItsPlaceAfterItCameBackWithALaterOffset) {
  const auto client = subscribed("graph");
  publish("1");
  client->recovery->refresh();
  turn();
  publish("2");
  client->kill();
  auto back = come_back(*client);
  for (int i = 0; i < 10; ++i) {
    pass(30s);
    publish("busy-" + std::to_string(i), "threads");
    back->recovery->refresh();
    turn();
  }
  back->kill();
  publish("3");
  const auto again = come_back(*back);
  EXPECT_EQ(again->pid, client->pid);
  EXPECT_EQ(again->events, Texts{"3"});
}

TEST_F(RecoverySession, IsForgottenWhenEventsWereMissedInLiveReading) {
  const auto client = subscribed("graph");
  publish("1");
  client->recovery->forget();
  // Neither the timer nor the client brings it back to life.
  client->recovery->refresh();
  client->subscribe("threads");
  publish("2");
  turn();
  EXPECT_EQ(client->log, (Texts{"connect", "ack graph", "1"}));
  client->drop();
  turn();
  EXPECT_NE(come_back(*client)->pid, client->pid);
}

// A record lives no longer than a few refreshes: each that fails is made up for.
TEST_F(RecoverySession, WantsARefreshSoonAfterOneThatFailed) {
  const auto client = subscribed("graph");
  client->recovery->refresh();
  turn();
  EXPECT_EQ(client->refreshes_wanted, 0);
  store_->away = true;
  client->recovery->refresh();
  turn();
  EXPECT_EQ(client->refreshes_wanted, 1);
}

TEST_F(RecoverySession, IsNotGivenUpWhileTheStoreIsAway) {
  const auto client = subscribed("graph");
  client->drop();
  turn();
  publish("1");
  store_->away = true;
  const auto early = come_back(*client);
  EXPECT_EQ(early->ended, CloseReason::kStoreAway);
  EXPECT_EQ(early->pid, "");
  store_->away = false;
  const auto back = come_back(*client);
  EXPECT_EQ(back->pid, client->pid);
  EXPECT_EQ(back->events, Texts{"1"});
}

TEST_F(RecoverySession, IsClosedWithoutAnAckIfTheStoreStaysAway) {
  const auto client = connect();
  store_->away = true;
  client->subscribe("graph");
  turn();
  EXPECT_EQ(client->log, (Texts{"connect", "end store_away"}));
}

TEST_F(RecoverySession, PullsTheNextPageWhenLittleWaits) {
  settings_.max_outbound_bytes = 4;  // a page for each event
  const auto client = subscribed("graph");
  client->kill();
  for (const char* id : {"1", "2", "3", "4", "5"}) publish(id);
  const auto slow = std::make_unique<FakeConnection>(edge_, &arrived_);
  slow->waiting = 1'000'000;
  slow->recovery->connect(auth(*client));
  turn();
  const std::size_t first = slow->events.size();
  EXPECT_LT(first, 5u);
  publish("6");  // not past what is still to come
  EXPECT_EQ(slow->events.size(), first);
  while (slow->events.size() < 6) {
    const std::size_t had = slow->events.size();
    slow->recovery->on_drained();
    turn();
    ASSERT_GT(slow->events.size(), had);
  }
  slow->recovery->on_drained();
  turn();
  publish("7");
  EXPECT_EQ(slow->events, (Texts{"1", "2", "3", "4", "5", "6", "7"}));
}

TEST_F(RecoverySession, JoinsRoomsOnlyOnceThePastIsBehindIt) {
  settings_.max_outbound_bytes = 4;
  const auto client = subscribed("graph");
  client->kill();
  for (const char* id : {"1", "2", "3"}) publish(id);
  const auto back = std::make_unique<FakeConnection>(edge_, &arrived_);
  back->recovery->connect(auth(*client));
  back->subscribe("threads");
  back->unsubscribe("graph");
  turn();
  EXPECT_EQ(Texts(back->log.begin(), back->log.begin() + 4), (Texts{"connect", "1", "2", "3"}));
  EXPECT_THAT(back->log, testing::IsSupersetOf({"ack threads", "ack graph"}));
}

TEST_F(RecoverySession, JoinsAnyNumberOfRoomsThatAreAskedForDuringItsPast) {
  const auto client = subscribed("graph");
  client->drop();
  turn();
  const auto back = std::make_unique<FakeConnection>(edge_, &arrived_);
  back->recovery->connect(auth(*client));
  for (int i = 0; i < 500; ++i) back->subscribe("thread:" + std::to_string(i));
  turn();
  EXPECT_EQ(back->ended, std::nullopt);
  EXPECT_TRUE(back->is_in("thread:499"));
}

// A client that asks for its rooms one by one costs the store few writes, and is answered in order.
TEST_F(RecoverySession, WritesItsRecordOnceForCommandsThatComeTogether) {
  const auto client = connect();
  Texts answers{"connect"};
  for (int i = 0; i < 100; ++i) {
    client->subscribe("thread:" + std::to_string(i));
    answers.push_back("ack thread:" + std::to_string(i));
  }
  turn();
  EXPECT_EQ(client->log, answers);
  EXPECT_LE(store_->saves, 2);
  client->drop();
  turn();
  publish("1", "thread:99");
  EXPECT_EQ(come_back(*client)->events, Texts{"1"});
}

TEST_F(RecoverySession, TakesNoOffsetThatIsNoPosition) {
  const auto client = subscribed("graph");
  client->kill();
  const auto back = connect(R"({"pid":")" + client->pid + R"(","offset":"hello"})");
  EXPECT_NE(back->pid, client->pid);
}

TEST_F(RecoverySession, LooksUpNoPidThatIsNoneOfOurs) {
  for (const char* text :
       {R"({"pid":""})", R"({"pid":5})", R"({"pid":"a b"})", R"({"pid":"nobody"})", "{}", "",
        R"({"pid":"*"})", R"({"token":"pid"})"}) {
    EXPECT_EQ(connect(text)->log, Texts{"connect"}) << text;
  }
  EXPECT_EQ(connect(R"({"pid":")" + std::string(100'000, 'p') + R"("})")->log, Texts{"connect"});
}

}  // namespace
}  // namespace notifications::edge
