#include "base/log.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace hyprstream {
namespace {

std::string WithoutTime(const std::string& line) { return line.substr(line.find(' ') + 1); }

TEST(Logger, TextIsOneLineOfFields) {
  std::string lines;
  Logger log(LogFormat::kText, LogLevel::kInfo, lines);
  log.Info("statement", {{"request", "7f3a"}, {"ms", 1.25}, {"rows", 10}, {"ok", true}, {"text", "a b\n\"c\""}});
  EXPECT_EQ(WithoutTime(lines), "info statement request=7f3a ms=1.25 rows=10 ok=true text=\"a b\\n\\\"c\\\"\"\n");
}

TEST(Logger, JsonEscapesWhatClientsSend) {
  std::string lines;
  Logger log(LogFormat::kJson, LogLevel::kInfo, lines);
  log.Warn("login", {{"user", std::string("a\"}\n\x01")}, {"left", std::int64_t{-3}}});
  EXPECT_EQ(lines.substr(lines.find(",\"level\"")),
            ",\"level\":\"warn\",\"event\":\"login\",\"user\":\"a\\\"}\\n\\u0001\",\"left\":-3}\n");
}

TEST(Logger, EveryTextStaysOneLineOfValidUtf8) {
  std::string lines;
  Logger log(LogFormat::kText, LogLevel::kInfo, lines);
  log.Info(
      "e",
      {{"a", "\u00e9\U0001F600"}, {"b", "\u0085\u2028\u2029\x7f"}, {"c", "\xff\xc3(\xed\xa0\x80\xc0\xaf\xe2\x80"}});
  EXPECT_EQ(WithoutTime(lines),
            "info e a=\"\u00e9\U0001F600\" b=\"\\u0085\\u2028\\u2029\\u007f\" "
            "c=\"\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"\n");
}

TEST(Logger, LevelsBelowTheBoundAreSilent) {
  std::string lines;
  Logger log(LogFormat::kText, LogLevel::kWarn, lines);
  log.Debug("a");
  log.Info("b");
  EXPECT_EQ(lines, "");
  log.Error("c");
  EXPECT_EQ(WithoutTime(lines), "error c\n");
}

TEST(Logger, LinesOfThreadsDoNotMix) {
  std::string lines;
  {
    Logger log(LogFormat::kText, LogLevel::kInfo, lines);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) log.Info("event", {{"field", "value"}});
      });
    }
  }
  int count = 0;
  for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1, ++count) {
    EXPECT_EQ(lines.substr(at + 25, 22), "info event field=value") << lines.substr(at, 60);
  }
  EXPECT_EQ(count, 400);
}

}  // namespace
}  // namespace hyprstream
