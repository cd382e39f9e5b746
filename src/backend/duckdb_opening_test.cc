#include "backend/duckdb_opening.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace hyprstream::backend {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

BackendSpec SpecOf(std::map<std::string, std::string> options) {
  BackendSpec spec;
  spec.name = "old";
  spec.driver = "duckdb";
  spec.driver_options = std::move(options);
  return spec;
}

TEST(DuckdbOpening, TheFileIsAPathOrAnUriOfOne) {
  EXPECT_EQ(DuckdbFile(SpecOf({{"uri", "/a/b.duckdb"}})).ValueOrDie(), "/a/b.duckdb");
  EXPECT_EQ(DuckdbFile(SpecOf({{"uri", "file:/a/./b%20c.duckdb"}})).ValueOrDie(), "/a/b c.duckdb");
  EXPECT_EQ(DuckdbFile(SpecOf({{"uri", "file:///a/b.duckdb"}})).ValueOrDie(), "/a/b.duckdb");
  EXPECT_EQ(DuckdbFile(SpecOf({{"path", "/a/b%20.duckdb"}})).ValueOrDie(), "/a/b%20.duckdb");
  EXPECT_EQ(DuckdbFile(SpecOf({{"uri", "b.duckdb"}})).ValueOrDie(),
            (std::filesystem::current_path() / "b.duckdb").string());
}

TEST(DuckdbOpening, ADatabaseThatIsNoFileIsRefused) {
  for (const char* uri : {"", ":memory:", "s3://bucket/a.duckdb", "https://host/a.duckdb"}) {
    const auto file = DuckdbFile(SpecOf({{"uri", uri}}));
    EXPECT_THAT(file.status().message(), HasSubstr("Backend old needs the path")) << uri;
  }
  EXPECT_THAT(DuckdbFile(SpecOf({{"uri", "/a"}, {"path", "/b"}})).status().message(), HasSubstr("twice"));
}

TEST(DuckdbOpening, AnInstanceIsBoundedAndReachesNothingElse) {
  const auto options = DuckdbOptions(SpecOf({{"uri", "/nowhere/a.duckdb"}})).ValueOrDie();
  EXPECT_THAT(options, AllOf(Contains(Pair("path", "/nowhere/a.duckdb")), Contains(Pair("memory_limit", "512MB")),
                             Contains(Key("threads")), Contains(Pair("temp_directory", "")),
                             Contains(Pair("enable_external_access", "false")), Not(Contains(Key("uri")))));
  EXPECT_THAT(DuckdbOptions(SpecOf({{"uri", "/a"}, {"memory_limit", "2GB"}, {"threads", "8"}})).ValueOrDie(),
              AllOf(Contains(Pair("memory_limit", "2GB")), Contains(Pair("threads", "8"))));
}

TEST(DuckdbOpening, WhatWouldOpenItIsRefusedByName) {
  for (const char* name : {"enable_external_access", "lock_configuration", "allowed_paths", "allowed_directories",
                           "allow_unsigned_extensions", "autoload_known_extensions", "default_collation"}) {
    const auto options = DuckdbOptions(SpecOf({{"uri", "/a"}, {name, "true"}}));
    EXPECT_THAT(options.status().message(), HasSubstr(std::string("option ") + name + " is not to be set")) << name;
  }
}

TEST(DuckdbOpening, AFileThatIsNotToBeWrittenIsOpenedToBeRead) {
  const auto path = std::filesystem::temp_directory_path() / ("hyprstream-opening-" + std::to_string(getpid()));
  std::ofstream(path) << "x";
  EXPECT_THAT(DuckdbOptions(SpecOf({{"uri", path}})).ValueOrDie(), Not(Contains(Key("access_mode"))));
  EXPECT_THAT(DuckdbOptions(SpecOf({{"uri", path}, {"access_mode", "READ_ONLY"}})).ValueOrDie(),
              Contains(Pair("access_mode", "READ_ONLY")));
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  if (access(path.c_str(), W_OK) != 0) {  // root may write whatever a file says
    EXPECT_THAT(DuckdbOptions(SpecOf({{"uri", path}})).ValueOrDie(), Contains(Pair("access_mode", "READ_ONLY")));
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace hyprstream::backend
