#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "engine/connection.h"
#include "engine/engine.h"

namespace hyprstream::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

arrow::Status Failure(EngineOptions options, const std::string& sql) {
  options.memory_bytes_max = 64LL << 20;
  auto engine = Engine::Make(std::move(options)).ValueOrDie();
  auto connection = engine->Connect().ValueOrDie();
  EXPECT_TRUE(connection->Begin().ok());
  const auto executed = connection->Run(sql).status();
  EXPECT_TRUE(connection->Rollback().ok());
  return executed;
}

// DuckDB advises SET memory_limit and the like, which no client may set.
TEST(Errors, OutOfMemorySaysWhatAClientAndItsOperatorCanDo) {
  const auto full = Failure({}, "SELECT list(range::VARCHAR || repeat('x', 100)) FROM range(2000000)");
  EXPECT_TRUE(full.IsOutOfMemory()) << full.ToString();
  EXPECT_THAT(full.message(), AllOf(HasSubstr("more memory than is free"), HasSubstr("ask the operator"),
                                    HasSubstr("raise memory_max or set temp_directory")));
  EXPECT_THAT(full.message(), AllOf(Not(HasSubstr("SET ")), Not(HasSubstr("duckdb.org")), Not(HasSubstr("\n"))));
}

TEST(Errors, AFullSpillFolderNamesItsBound) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "hyprstream_error_test";
  std::filesystem::create_directory(folder);
  const auto full = Failure({.temp_directory = folder.string(), .temp_bytes_max = 8LL << 20},
                            "SELECT range, md5(range::VARCHAR) AS k FROM range(3000000) ORDER BY k");
  EXPECT_TRUE(full.IsOutOfMemory()) << full.ToString();
  EXPECT_THAT(full.message(), AllOf(HasSubstr("temp_max"), Not(HasSubstr("SET ")), Not(HasSubstr(folder.string()))));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace hyprstream::engine
