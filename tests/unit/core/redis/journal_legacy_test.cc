#include "core/redis/journal_legacy.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace notifications::redis {
namespace {

using namespace std::chrono_literals;

class JournalLegacyTest : public testing::Test {
 protected:
  // Appends at once what it hears, as far as it is told so by `appended_`.
  std::unique_ptr<JournalLegacy> legacy() {
    JournalLegacy::Options options;
    options.wait = 0ms;
    JournalLegacy::Callbacks callbacks;
    callbacks.may_append = [] { return true; };
    callbacks.append = [](const Appended&, const Connection::ReplyHandler&) {};
    callbacks.invalid = [this](std::string_view text) { invalid_.emplace_back(text); };
    callbacks.drop_backlog = [] {};
    return std::make_unique<JournalLegacy>(io_, commands_, options, callbacks, log_, metrics_);
  }

  boost::asio::io_context io_;
  Log log_{LogLevel::kOff, LogFormat::kText, [](std::string_view) {}};
  Metrics metrics_;
  Connection commands_{io_, {}, {}};
  std::vector<std::string> invalid_;
};

TEST_F(JournalLegacyTest, LooksAtWhatItHeardAfterTheWait) {
  const auto legacy = this->legacy();
  legacy->heard("no envelope");
  EXPECT_TRUE(invalid_.empty());
  io_.run_one_for(10s);
  EXPECT_EQ(invalid_, std::vector<std::string>{"no envelope"});
  legacy->stop();
}

// A timer that has expired already can't be cancelled: its handler is called all the same.
TEST_F(JournalLegacyTest, MayDieInTheTurnInWhichItsTimersExpire) {
  auto legacy = this->legacy();
  boost::asio::steady_timer first(io_, std::chrono::steady_clock::time_point::min() + 1h);
  first.async_wait([&](boost::system::error_code) {
    legacy->stop();
    legacy.reset();
  });
  legacy->heard("no envelope");
  io_.run_for(50ms);
  EXPECT_TRUE(invalid_.empty());
}

}  // namespace
}  // namespace notifications::redis
