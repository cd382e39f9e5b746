// A database file that is opened again, after a stop and after a crash.
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace hyprstream::engine {
namespace {

class ReopeningTest : public ::testing::Test {
 protected:
  ReopeningTest() {
    std::filesystem::create_directories(folder_);
    ::setenv("TZ", "Asia/Tokyo", 1);  // of the machine, in which nothing is to be computed
  }
  ~ReopeningTest() override { std::filesystem::remove_all(folder_); }

  void Must(const std::string& sql) {
    const auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(connection->Begin().ok());
    const auto ran = connection->Run(sql).status();
    ASSERT_TRUE(ran.ok()) << sql << "\n" << ran;
    ASSERT_TRUE(connection->Commit().ok());
  }
  std::string Ask(const std::string& sql) {
    const auto connection = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(connection->Begin().ok());
    const auto ran = connection->Run(sql);
    if (!ran.ok()) return ran.status().ToString();
    return ran->rows->ToRecordBatches().ValueOrDie().at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString();
  }
  // As a client in that time zone.
  arrow::Status Alter(const std::string& zone, const std::string& sql) {
    const auto connection = engine_->Connect().ValueOrDie();
    ARROW_RETURN_NOT_OK(connection->Begin());
    ARROW_RETURN_NOT_OK(connection->Run("SET TimeZone = '" + zone + "'").status());
    ARROW_ASSIGN_OR_RAISE(const auto statements, engine_->Parse(sql));
    ARROW_ASSIGN_OR_RAISE(const auto prepared, connection->Prepare(*statements.at(0), Trust::kClient));
    ARROW_RETURN_NOT_OK(connection->Execute(*prepared, nullptr, ResultMode::kBuffered).status());
    return connection->Commit();
  }
  arrow::Status Open(const std::string& file) {
    engine_.reset();
    ARROW_ASSIGN_OR_RAISE(engine_, Engine::Make({.path = (folder_ / file).string(), .threads = 1}));
    return arrow::Status::OK();
  }
  // The file and its log as they are on disk now, as another process would find them.
  arrow::Status OpenAsAfterACrash() {
    const auto crashed = std::to_string(++crashes_);
    std::filesystem::create_directories(folder_ / crashed);
    for (const auto* file : {"data.duckdb", "data.duckdb.wal"}) {
      std::filesystem::copy_file(folder_ / file, folder_ / crashed / file);
    }
    return Open(crashed + "/data.duckdb");
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / ("hyprstream_reopening_" + std::to_string(::getpid()));
  int crashes_ = 0;
  std::unique_ptr<Engine> engine_;
};

// The log holds what was done to tables as expressions, which are evaluated again.
TEST_F(ReopeningTest, WhatAnAlterComputedWithExtensionsAndFunctionsOfOurs) {
  ASSERT_TRUE(Open("data.duckdb").ok());
  Must("CREATE TABLE d (z TIMESTAMPTZ)");
  Must("INSERT INTO d VALUES ('2026-01-01 10:00:00+00')");
  Must("ALTER TABLE d ALTER COLUMN z TYPE DATE");
  Must("CREATE TABLE h (z TIMESTAMPTZ)");
  Must("INSERT INTO h VALUES ('2026-01-01 10:00:00+00')");
  Must("ALTER TABLE h ALTER COLUMN z TYPE VARCHAR USING strftime(z AT TIME ZONE 'Europe/Berlin', '%H')");
  Must("CREATE TABLE j (s VARCHAR)");
  Must("INSERT INTO j VALUES ('{}')");
  Must("ALTER TABLE j ALTER COLUMN s TYPE JSON");
  Must("CREATE TABLE g (j JSON, k VARCHAR GENERATED ALWAYS AS (j->>'a'))");
  Must("INSERT INTO g VALUES ('{\"a\": 5}')");
  Must("ALTER TABLE g ADD COLUMN q VARCHAR");
  Must("CREATE TABLE n (l DOUBLE[])");
  Must("INSERT INTO n VALUES ([3, 4])");
  Must("ALTER TABLE n ALTER COLUMN l TYPE DOUBLE[] USING vec_normalize(l)");
  const auto opened = OpenAsAfterACrash();
  ASSERT_TRUE(opened.ok()) << opened;
  EXPECT_EQ(Ask("SELECT z::VARCHAR FROM d"), "2026-01-01");
  EXPECT_EQ(Ask("SELECT z FROM h"), "11");
  EXPECT_EQ(Ask("SELECT typeof(s) FROM j"), "JSON");
  EXPECT_EQ(Ask("SELECT k FROM g"), "5");
  EXPECT_EQ(Ask("SELECT l::VARCHAR FROM n"), "[0.6, 0.8]");
}

// It is computed again by no session, whose time zone and clock are others.
TEST_F(ReopeningTest, WhatAnAlterComputesIsTheSameAfterACrash) {
  ASSERT_TRUE(Open("data.duckdb").ok());
  struct Change {
    std::string change;
    bool refused;
  };
  const std::vector<Change> changes = {
      {"ALTER COLUMN z TYPE DATE", true},
      {"ALTER COLUMN z TYPE VARCHAR", true},
      {"ALTER COLUMN v TYPE BIGINT", true},  // beside a column that a time zone has a say in
      {"ALTER COLUMN v TYPE VARCHAR USING to_timestamp(v)::DATE::VARCHAR", true},
      {"ALTER COLUMN z TYPE TIMESTAMPTZ USING now()", true},
      {"ADD COLUMN a TIMESTAMPTZ DEFAULT '2026-01-01 02:00:00'", true},
      {"ADD COLUMN a DATE DEFAULT '2026-01-01'", false},
      {"ADD COLUMN a TIMESTAMPTZ", false},
      {"ADD COLUMN IF NOT EXISTS a DOUBLE DEFAULT random()", true},
      {"ADD COLUMN IF NOT EXISTS a DATE DEFAULT current_date", true},
      {"ADD COLUMN IF NOT EXISTS a INTEGER DEFAULT 5", false},
      {"ADD COLUMN s.f TIMESTAMP DEFAULT now()", true},
      {"ALTER COLUMN t TYPE mood", true},
      {"ALTER COLUMN t TYPE VARCHAR USING t::mood::VARCHAR", true},
      {"ALTER COLUMN t TYPE mood[] USING [t]", true},
      {"ALTER COLUMN t TYPE JSON USING ('\"' || t || '\"')::JSON", true},  // beside the TIMESTAMPTZ
  };
  Must("CREATE TYPE mood AS ENUM ('bad', 'good')");
  std::vector<std::string> before;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto name = "t" + std::to_string(i);
    Must("CREATE TABLE " + name + " (z TIMESTAMPTZ, v INTEGER, s STRUCT(g INTEGER), t VARCHAR)");
    Must("INSERT INTO " + name + " VALUES ('2026-01-01 22:00:00+00', 7, {'g': 1}, 'good')");
    const auto altered = Alter("America/New_York", "ALTER TABLE " + name + " " + changes[i].change);
    EXPECT_EQ(altered.IsInvalid(), changes[i].refused) << changes[i].change << "\n" << altered;
    before.push_back(Ask("SELECT r::VARCHAR FROM " + name + " r"));
  }
  Must("CREATE TABLE zoneless (v INTEGER)");
  Must("INSERT INTO zoneless VALUES (7)");
  EXPECT_TRUE(Alter("America/New_York", "ALTER TABLE zoneless ALTER COLUMN v TYPE VARCHAR").ok());
  Must("CREATE TABLE typed (v VARCHAR)");
  Must("INSERT INTO typed VALUES ('good')");
  for (const std::string change : {"mood[] USING [v::mood]", "VARCHAR USING v::mood::VARCHAR"}) {
    const auto altered = Alter("UTC", "ALTER TABLE typed ALTER COLUMN v TYPE " + change);
    EXPECT_NE(altered.message().find("Type mood, made by CREATE TYPE, cannot be cast to"), std::string::npos)
        << altered;
  }
  EXPECT_TRUE(Alter("UTC", "ALTER TABLE typed ALTER COLUMN v TYPE mood").ok());
  EXPECT_TRUE(Alter("UTC", "CREATE TABLE checked (v VARCHAR, CHECK (v::mood = 'good'))").IsInvalid());
  EXPECT_TRUE(Alter("UTC", "ALTER TABLE t0 ALTER COLUMN z TYPE DATE").ok());
  EXPECT_TRUE(Alter("UTC", "ALTER TABLE t1 ALTER COLUMN z TYPE DOUBLE USING random()").IsInvalid());
  before[0] = "{'z': 2026-01-01, 'v': 7, 's': {'g': 1}, 't': good}";
  ASSERT_TRUE(OpenAsAfterACrash().ok());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(Ask("SELECT r::VARCHAR FROM t" + std::to_string(i) + " r"), before[i]) << changes[i].change;
  }
  EXPECT_EQ(Ask("SELECT v FROM zoneless"), "7");
  EXPECT_EQ(Ask("SELECT v::VARCHAR FROM typed WHERE v = 'good'::mood"), "good");
}

TEST_F(ReopeningTest, ThereIsOneDatabaseAndItIsCalledAsItsFile) {
  ASSERT_TRUE(Open("data.duckdb").ok());
  EXPECT_EQ(Ask("SELECT string_agg(database_name, ' ' ORDER BY ALL) FROM duckdb_databases() WHERE NOT internal"),
            "data");
  Must("CREATE TABLE t (a INTEGER)");
  Must("INSERT INTO data.main.t VALUES (7)");
  ASSERT_TRUE(OpenAsAfterACrash().ok());
  EXPECT_EQ(Ask("SELECT a::VARCHAR FROM data.main.t"), "7");
  ASSERT_TRUE(Open("data.duckdb").ok());
  EXPECT_EQ(Ask("SELECT a::VARCHAR FROM t"), "7");
  EXPECT_EQ(Ask("SELECT current_database()"), "data");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "data.duckdb.wal")) << "an orderly stop leaves no log";
  const auto as_in_memory = Open("memory.duckdb");
  EXPECT_NE(as_in_memory.message().find("give it another name"), std::string::npos) << as_in_memory;
}

}  // namespace
}  // namespace hyprstream::engine
