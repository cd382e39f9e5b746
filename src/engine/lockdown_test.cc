#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <duckdb.hpp>
#include <duckdb/main/config.hpp>
#include <filesystem>
#include <memory>

#include "engine/function_lists_internal.h"
#include "engine/lockdown_internal.h"

namespace hyprstream::engine {
namespace {

using ::testing::HasSubstr;

class LockdownTest : public ::testing::Test {
 protected:
  LockdownTest() : folder_(std::filesystem::temp_directory_path() / ("lockdown_test_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_ / "spill");
    EngineOptions options;
    options.path = (folder_ / "x.db").string();
    options.memory_bytes_max = 100'000'000;
    options.threads = 1;
    options.temp_directory = (folder_ / "spill").string();
    options.temp_bytes_max = 1'000'000'000;
    duckdb::DBConfig config;
    Configure(options, config);
    database_ = std::make_unique<duckdb::DuckDB>(options.path.c_str(), &config);
    connection_ = std::make_unique<duckdb::Connection>(*database_);
    status_ = LockDown(options, *connection_);
  }
  ~LockdownTest() override {
    connection_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string ErrorOf(const std::string& sql) { return connection_->Query(sql)->GetError(); }

  std::string ValueOf(const std::string& sql) {
    auto result = connection_->Query(sql);
    return result->HasError() ? result->GetError() : result->Fetch()->GetValue(0, 0).ToString();
  }

  std::filesystem::path folder_;
  std::unique_ptr<duckdb::DuckDB> database_;
  std::unique_ptr<duckdb::Connection> connection_;
  arrow::Status status_;
};

TEST_F(LockdownTest, Bounds) {
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(ValueOf("SELECT current_setting('memory_limit')"), HasSubstr("95.3"));
  EXPECT_EQ(ValueOf("SELECT current_setting('threads')"), "1");
  EXPECT_EQ(ValueOf("SELECT current_setting('temp_directory')"), (folder_ / "spill").string());
  EXPECT_EQ(ValueOf("SELECT current_setting('TimeZone')"), "UTC");
}

TEST_F(LockdownTest, LocksAllButTheClientsSettings) {
  for (const char* name : {"memory_limit", "threads", "temp_directory", "enable_external_access", "lock_configuration",
                           "allowed_configs", "autoload_known_extensions", "max_expression_depth", "home_directory"}) {
    EXPECT_NE(ErrorOf(std::string("RESET ") + name), "") << name;
    EXPECT_NE(ErrorOf(std::string("RESET GLOBAL ") + name), "") << name;
  }
  EXPECT_NE(ErrorOf("SET memory_limit = '8GB'"), "");
  EXPECT_NE(ErrorOf("SET enable_external_access = true"), "");
  EXPECT_NE(ErrorOf("SET lock_configuration = false"), "");
  EXPECT_NE(ErrorOf("SET allowed_configs = ['memory_limit']"), "");
  EXPECT_EQ(ErrorOf("SET TimeZone = 'Europe/Berlin'"), "");
  EXPECT_EQ(ErrorOf("RESET TimeZone"), "");
  EXPECT_EQ(ErrorOf("SET schema = 'main'"), "");
  EXPECT_EQ(ErrorOf("SET search_path = 'main'"), "");
  EXPECT_EQ(ErrorOf("SET Calendar = 'gregorian'"), "");
  EXPECT_EQ(ErrorOf("SET default_order = 'DESC'"), "");
  EXPECT_EQ(ErrorOf("SET default_null_order = 'NULLS FIRST'"), "");
  EXPECT_NE(ErrorOf("SET integer_division = true"), "");  // it would hold for some of the SQL that a query becomes
}

TEST_F(LockdownTest, ClosesTheOutside) {
  EXPECT_NE(ErrorOf("SELECT * FROM read_text('/etc/hostname')"), "");
  EXPECT_NE(ErrorOf("COPY (SELECT 1) TO '/nowhere/x.csv'"), "");
  EXPECT_NE(ErrorOf("ATTACH '/nowhere/y.db'"), "");
  EXPECT_NE(ErrorOf("LOAD httpfs"), "");
  EXPECT_NE(ErrorOf("INSTALL httpfs"), "");
}

TEST_F(LockdownTest, StillSpills) {
  EXPECT_EQ(ErrorOf("CREATE TEMP TABLE big AS SELECT range AS i, hash(range) AS h, repeat('x', 20) || range AS s "
                    "FROM range(4000000)"),
            "");
  EXPECT_EQ(ErrorOf("SELECT count(*) FROM (SELECT * FROM big ORDER BY h)"), "");
}

}  // namespace
}  // namespace hyprstream::engine
