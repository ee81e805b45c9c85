#include "core/log.h"

#include <gtest/gtest.h>

#include <chrono>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "core/json/scanner.h"

namespace notifications {
namespace {

using namespace std::string_literals;
using namespace std::chrono_literals;

// Collects lines; `text()` is what was written, without the time in front.
class Lines {
 public:
  Log make(LogLevel level, LogFormat format) {
    return Log(level, format, [this](std::string_view line) { lines.emplace_back(line); });
  }
  std::vector<std::string> lines;
};

// What one text line says after its time.
std::string text_line(std::initializer_list<LogField> fields) {
  std::string out;
  Log log(LogLevel::kTrace, LogFormat::kText, [&](std::string_view line) { out = line; });
  log.info("fact", fields);
  const std::regex time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info fact)");
  std::smatch match;
  EXPECT_TRUE(std::regex_search(out, match, time, std::regex_constants::match_continuous)) << out;
  EXPECT_EQ(out.find('\n'), out.size() - 1) << out;
  return out.substr(static_cast<std::size_t>(match.length()),
                    out.size() - 1 - static_cast<std::size_t>(match.length()));
}

// What one JSON line says after its time.
std::string json_line(std::initializer_list<LogField> fields) {
  std::string out;
  Log log(LogLevel::kTrace, LogFormat::kJson, [&](std::string_view line) { out = line; });
  log.warn("fact", fields);
  EXPECT_EQ(out.find('\n'), out.size() - 1) << out;
  out.pop_back();
  EXPECT_TRUE(json::is_valid(out)) << out;
  const std::size_t level = out.find("\"level\"");
  EXPECT_EQ(out.substr(0, 9), "{\"time\":\"");
  return level == out.npos ? out : out.substr(level);
}

TEST(Log, WritesOneLineOfTextPerFact) {
  EXPECT_EQ(text_line({}), "");
  EXPECT_EQ(text_line({{"a", "b"}, {"n", 42}, {"took", 250ms}}), " a=b n=42 took=250ms");
  EXPECT_EQ(text_line({{"n", -1}, {"big", ~std::uint64_t{0}}}), " n=-1 big=18446744073709551615");
}

TEST(Log, WritesOneJsonObjectPerFact) {
  EXPECT_EQ(json_line({}), R"("level":"warn","msg":"fact"})");
  EXPECT_EQ(json_line({{"a", "b"}, {"n", 42}, {"took", 250ms}}),
            R"("level":"warn","msg":"fact","a":"b","n":42,"took":"250ms"})");
}

TEST(Log, QuotesTextThatCouldBeTakenForSomethingElse) {
  EXPECT_EQ(text_line({{"a", ""}}), R"( a="")");
  EXPECT_EQ(text_line({{"a", "b c"}}), R"( a="b c")");
  EXPECT_EQ(text_line({{"a", "b=c"}}), R"( a="b=c")");
  EXPECT_EQ(text_line({{"a", "b\"c"}}), R"( a="b\"c")");
  EXPECT_EQ(text_line({{"a", "b\\c"}}), R"( a="b\\c")");
  EXPECT_EQ(text_line({{"a", "x y=1\" z"}}), R"( a="x y=1\" z")");
}

// A peer's text can forge no line and no escape sequence of a terminal.
TEST(Log, EscapesHostileText) {
  const std::string forged = "x\n2026-01-01T00:00:00.000Z error fake\r\x1b[2J\0end"s;
  EXPECT_EQ(text_line({{"a", forged}}),
            R"( a="x\n2026-01-01T00:00:00.000Z error fake\r\u001b[2J\u0000end")");
  EXPECT_EQ(
      json_line({{"a", forged}}),
      R"("level":"warn","msg":"fact","a":"x\n2026-01-01T00:00:00.000Z error fake\r\u001b[2J\u0000end"})");
  EXPECT_EQ(json_line({{"a\"", "1"}}), R"("level":"warn","msg":"fact","a\"":"1"})");
}

TEST(Log, WritesValidUtf8WhateverItIsGiven) {
  EXPECT_EQ(text_line({{"a", "é€😀"}}), " a=\"é€😀\"");
  EXPECT_EQ(text_line({{"a", "x\xFFy\xC3"}}), R"( a="x?y?")");
  EXPECT_EQ(json_line({{"a", "\xE2\x82"}}), R"("level":"warn","msg":"fact","a":"??"})");
  EXPECT_EQ(json_line({{"a", "\xED\xA0\x80"}}), R"("level":"warn","msg":"fact","a":"\ud800"})");
}

TEST(Log, NoControlByteReachesTheLineRaw) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string line =
        text_line({{"a", "x" + std::string(1, static_cast<char>(byte)) + "y"}});
    for (const char c : line) {
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20) << byte;
      EXPECT_TRUE(static_cast<unsigned char>(c) < 0x80) << byte;
    }
  }
}

TEST(Log, WritesWhatIsAtItsLevelOrAbove) {
  const std::vector<std::string> names = {"trace", "debug", "info", "warn", "error"};
  for (int level = 0; level <= static_cast<int>(LogLevel::kOff); ++level) {
    Lines out;
    Log log = out.make(static_cast<LogLevel>(level), LogFormat::kText);
    log.trace("x");
    log.debug("x");
    log.info("x");
    log.warn("x");
    log.error("x");
    ASSERT_EQ(out.lines.size(), names.size() - static_cast<std::size_t>(level));
    for (std::size_t i = 0; i < out.lines.size(); ++i) {
      const std::string& name = names[static_cast<std::size_t>(level) + i];
      EXPECT_NE(out.lines[i].find(" " + name + " x"), std::string::npos) << out.lines[i];
    }
  }
}

TEST(Log, ChangesItsLevel) {
  Lines out;
  Log log = out.make(LogLevel::kWarn, LogFormat::kText);
  EXPECT_FALSE(log.enabled(LogLevel::kInfo));
  log.set_level(LogLevel::kDebug);
  EXPECT_TRUE(log.enabled(LogLevel::kDebug));
  EXPECT_EQ(log.level(), LogLevel::kDebug);
}

TEST(Log, ReadsLevelsAndFormats) {
  EXPECT_EQ(parse_log_level("trace"), LogLevel::kTrace);
  EXPECT_EQ(parse_log_level("off"), LogLevel::kOff);
  EXPECT_EQ(parse_log_format("text"), LogFormat::kText);
  EXPECT_EQ(parse_log_format("json"), LogFormat::kJson);
  for (const char* text : {"", "Info", "INFO", "warning", "fatal", "text ", "info\n"}) {
    EXPECT_FALSE(parse_log_level(text)) << text;
    EXPECT_FALSE(parse_log_format(text)) << text;
  }
}

TEST(LogLimit, LetsOneLineThroughPerIntervalAndCountsTheOthers) {
  LogLimit limit(1s);
  const std::chrono::steady_clock::time_point start{};
  EXPECT_EQ(limit.admit(start), 0u);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(limit.admit(start + 10ms * i));
  EXPECT_FALSE(limit.admit(start + 999ms));
  EXPECT_EQ(limit.admit(start + 1s), 6u);
  EXPECT_FALSE(limit.admit(start + 1001ms));
  EXPECT_EQ(limit.admit(start + 5s), 1u);
  EXPECT_EQ(limit.admit(start + 10s), 0u);
}

TEST(LogLimit, LosesNoCountBetweenThreads) {
  LogLimit limit(1h);
  const std::chrono::steady_clock::time_point start{};
  ASSERT_TRUE(limit.admit(start));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) limit.admit(start + 1s);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(limit.admit(start + 1h), 4000u);
}

}  // namespace
}  // namespace notifications
