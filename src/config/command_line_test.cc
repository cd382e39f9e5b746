#include "config/command_line.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hyprstream::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

arrow::Result<Command> Parse(std::vector<const char*> arguments, std::vector<const char*> environment = {}) {
  arguments.insert(arguments.begin(), "hyprstream");
  environment.push_back(nullptr);
  return ParseCommandLine(arguments, environment.data());
}

template <class T>
T Expect(const arrow::Result<Command>& command) {
  if (!command.ok()) {
    ADD_FAILURE() << command.status().message();
    return T();
  }
  if (!std::holds_alternative<T>(*command)) {
    ADD_FAILURE() << "another command";
    return T();
  }
  return std::get<T>(*command);
}

TEST(CommandLine, ServeTakesEverySettingAsAFlag) {
  const auto serve =
      Expect<ServeCommand>(Parse({"serve", "--port", "0", "--memory-max=4GiB", "--insecure", "--config", "h.toml"},
                                 {"HYPRSTREAM_THREADS=2", "PATH=/bin"}));
  EXPECT_EQ(serve.inputs.flags.at("port"), "0");
  EXPECT_EQ(serve.inputs.flags.at("memory_max"), "4GiB");
  EXPECT_EQ(serve.inputs.flags.at("insecure"), "true");
  EXPECT_EQ(serve.inputs.flags.size(), 3u);
  EXPECT_EQ(serve.inputs.file, "h.toml");
  EXPECT_EQ(serve.inputs.environment.at("HYPRSTREAM_THREADS"), "2");
  EXPECT_EQ(serve.inputs.environment.size(), 1u);
}

TEST(CommandLine, AFlagOfTrueOrFalseMaySwitchOff) {
  for (const std::string text : {"true", "yes", "1", "false", "no", "off", "0", "maybe"}) {
    const std::string flag = "--insecure=" + text;
    EXPECT_EQ(Expect<ServeCommand>(Parse({"serve", flag.c_str()})).inputs.flags.at("insecure"), text);
  }
  const auto last = Expect<ServeCommand>(Parse({"serve", "--insecure=false", "--core-dumps", "--core-dumps=no",
                                                "--client-attach", "--client-attach", "--insecure"}));
  EXPECT_EQ(last.inputs.flags.at("insecure"), "true");
  EXPECT_EQ(last.inputs.flags.at("core_dumps"), "no");
  EXPECT_EQ(last.inputs.flags.at("client_attach"), "true");
}

TEST(CommandLine, WhatIsUnknownIsNamedWithTheNearest) {
  EXPECT_THAT(Parse({"serve", "--memry-max", "1"}).status().message(),
              HasSubstr("Unknown flag --memry-max (did you mean --memory-max?); see hyprstream serve --help"));
  EXPECT_THAT(Parse({"sevre"}).status().message(), HasSubstr("Unknown argument sevre (did you mean serve?)"));
  EXPECT_THAT(Parse({"serve", "--port"}).status().message(), HasSubstr("--port"));
  EXPECT_THAT(Parse({"sql", "--format", "xml"}).status().message(), HasSubstr("--format"));
  EXPECT_THAT(Parse({"ingest", "a.csv"}).status().message(), HasSubstr("--table"));
}

TEST(CommandLine, HelpIsEverywhere) {
  EXPECT_THAT(Expect<HelpCommand>(Parse({})).text, HasSubstr("ingest"));
  EXPECT_THAT(Expect<HelpCommand>(Parse({"--help"})).text, HasSubstr("serve"));
  for (const char* command : {"serve", "config", "version", "sql", "ingest"}) {
    EXPECT_THAT(Expect<HelpCommand>(Parse({command, "--help"})).text, HasSubstr(command));
  }
  EXPECT_THAT(Expect<HelpCommand>(Parse({"serve", "--help"})).text, HasSubstr("--memory-max"));
}

TEST(CommandLine, SqlTakesSeveralStatementsAndTheUrlOfTheEnvironment) {
  const auto sql = Expect<SqlCommand>(
      Parse({"sql", "-c", "SELECT 1", "-c", "SELECT 2", "--format", "csv"}, {"HYPRSTREAM_URL=grpc://h:1"}));
  EXPECT_THAT(sql.statements, ElementsAre("SELECT 1", "SELECT 2"));
  EXPECT_EQ(sql.format, OutputFormat::kCsv);
  EXPECT_EQ(sql.client.url, "grpc://h:1");
  EXPECT_EQ(Expect<SqlCommand>(Parse({"sql", "--url", "grpc://x:2"}, {"HYPRSTREAM_URL=grpc://h:1"})).client.url,
            "grpc://x:2");
}

TEST(CommandLine, IngestTakesFilesAndPace) {
  const auto ingest = Expect<IngestCommand>(
      Parse({"ingest", "--table", "t", "a.csv", "-", "--replay", "60", "--time", "ts", "--on-error", "skip"}));
  EXPECT_THAT(ingest.files, ElementsAre("a.csv", "-"));
  EXPECT_EQ(ingest.replay, 60);
  EXPECT_EQ(ingest.on_error, OnError::kSkip);
  EXPECT_FALSE(Parse({"ingest", "--table", "t", "a", "--replay", "60"}).ok());
  EXPECT_FALSE(Parse({"ingest", "--table", "t", "a", "--replay", "60", "--time", "x", "--rate", "1"}).ok());
  EXPECT_FALSE(Parse({"ingest", "--table", "t", "a", "--rate", "-1"}).ok());
}

TEST(CommandLine, TheVersionHasTwoSpellings) {
  Expect<VersionCommand>(Parse({"version"}));
  Expect<VersionCommand>(Parse({"--version"}));
}

}  // namespace
}  // namespace hyprstream::config
