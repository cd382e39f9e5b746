// tumble, hop and session against what their definitions say, over random rows; and where they may stand.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/parser_internal.h"

namespace hyprstream::engine {
namespace {

using ::testing::HasSubstr;

class WindowTables : public ::testing::Test {
 protected:
  WindowTables() { Run("CREATE TABLE t (id BIGINT, ts TIMESTAMP, tz TIMESTAMPTZ, k INTEGER)"); }

  void Run(const std::string& sql) {
    ASSERT_TRUE(connection_->Begin().ok());
    const auto run = connection_->Run(sql);
    ASSERT_TRUE(run.ok()) << sql << "\n" << run.status();
    ASSERT_TRUE(connection_->Commit().ok());
  }

  // The one number that the query gives.
  std::int64_t Number(const std::string& sql) {
    auto rows = connection_->Evaluate(sql, arrow::schema({}), {});
    EXPECT_TRUE(rows.ok()) << sql << "\n" << rows.status();
    if (!rows.ok() || rows->empty()) return -1;
    return static_cast<const arrow::Int64Array&>(*rows->front()->column(0)).Value(0);
  }

  // The rows of one query that the other lacks, in either direction.
  std::int64_t Differences(const std::string& a, const std::string& b) {
    return Number("WITH a AS (" + a + "), b AS (" + b +
                  ") SELECT count(*) FROM ((FROM a EXCEPT ALL FROM b) UNION ALL (FROM b EXCEPT ALL FROM a))");
  }

  // Rows over some days around the first day of `year`, some without a time, many at one time.
  void Fill(int year) {
    Run("TRUNCATE t");
    Run("INSERT INTO t SELECT i, ts, ts AT TIME ZONE 'UTC', CASE WHEN i % 5 > 0 THEN hash(i + 7) % 4 END FROM (SELECT "
        "i, "
        "CASE WHEN i % 17 > 0 THEN make_timestamp(" +
        std::to_string(year) +
        ", 1, 1, 0, 0, 0) + to_seconds((hash(i) % 250000)::BIGINT - 125000) - to_microseconds((i % 3)::BIGINT) END AS "
        "ts FROM range(200) r(i))");
  }

  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 2}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
};

TEST_F(WindowTables, TumbleIsTimeBucket) {
  for (const int year : {-5000, 1970}) {
    Fill(year);
    for (const char* size : {"7 minutes", "36 hours", "9 days", "5 months"}) {
      const std::string width = "INTERVAL '" + std::string(size) + "'";
      for (const std::string time : {"ts", "tz"}) {
        EXPECT_EQ(Differences("SELECT * EXCLUDE (window_end) FROM tumble(t, " + time + ", " + width + ")",
                              "SELECT *, time_bucket(" + width + ", " + time + ") FROM t WHERE ts IS NOT NULL"),
                  0)
            << year << " " << size << " " << time;
        EXPECT_EQ(
            Number("SELECT count(*) FROM tumble(t, " + time + ", " + width + ") WHERE NOT (window_start <= " + time +
                   " AND " + time + " < window_end) OR window_end <> time_bucket(" + width + ", window_end)"),
            0)
            << year << " " << size << " " << time;
      }
    }
  }
}

TEST_F(WindowTables, HopIsEveryWindowThatHoldsTheRow) {
  for (const int year : {-5000, 1970}) {
    Fill(year);
    for (const auto& [slide, size] : {std::pair{"1 hour", "3 hours"},
                                      {"7 minutes", "1 hour"},
                                      {"1 day", "1 day 1 microsecond"},
                                      {"2 days", "3 days"}}) {
      const std::string by = "INTERVAL '" + std::string(slide) + "'";
      const std::string width = "INTERVAL '" + std::string(size) + "'";
      const auto starts = "SELECT DISTINCT time_bucket(" + by + ", moment) AS s FROM (SELECT unnest(range(min(ts) - " +
                          width + " - " + by + ", max(ts) + " + by + ", " + by + ")) AS moment FROM t)";
      EXPECT_EQ(
          Differences("SELECT id, window_start, window_end FROM hop(t, ts, " + by + ", " + width + ")",
                      "SELECT id, s, s + " + width + " FROM t JOIN (" + starts + ") ON s <= ts AND ts < s + " + width),
          0)
          << year << " " << slide << " " << size;
    }
  }
}

TEST_F(WindowTables, ASessionEndsWhereTheNextRowIsTheGapAway) {
  Fill(2024);
  // The definition: rows reach each other by steps shorter than the gap.
  const std::string reach =
      "WITH RECURSIVE reach(id, k, ts) AS (SELECT id, k, ts FROM t WHERE ts IS NOT NULL UNION SELECT r.id, r.k, n.ts "
      "FROM "
      "reach r JOIN t n ON n.k IS NOT DISTINCT FROM r.k AND n.ts < r.ts + INTERVAL '20 minutes' AND r.ts < n.ts + "
      "INTERVAL '20 "
      "minutes') SELECT id, min(ts), max(ts) + INTERVAL '20 minutes' FROM reach GROUP BY id";
  EXPECT_EQ(Differences("SELECT id, window_start, window_end FROM session(t, ts, INTERVAL '20 minutes', k)", reach), 0);
  EXPECT_GT(Number("SELECT count(*) FROM (SELECT window_start FROM session(t, ts, INTERVAL '20 minutes', k) GROUP BY "
                   "k, window_start HAVING count(*) > 2)"),
            0);
}

TEST_F(WindowTables, ParametersHaveTheTypeOfAnInterval) {
  Fill(2024);
  const auto statements = engine_->Parse("SELECT window_start FROM hop(t, ts, ?, $2) WHERE k = ?").ValueOrDie();
  const auto prepared = connection_->Prepare(*statements.at(0), Trust::kClient);
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  const auto& parameters = (*prepared)->info().parameters;
  ASSERT_EQ(parameters.size(), 3u);
  EXPECT_EQ(parameters[0].type->id(), arrow::Type::INTERVAL_MONTH_DAY_NANO);
  EXPECT_EQ(parameters[1].type->id(), arrow::Type::INTERVAL_MONTH_DAY_NANO);
  EXPECT_EQ((*prepared)->info().schema->field(0)->name(), "window_start");
}

TEST_F(WindowTables, OnlyTheColumnsThatAreAskedForAreRead) {
  const auto statements =
      engine_->Parse("EXPLAIN SELECT window_start FROM tumble(t, ts, INTERVAL '1 hour')").ValueOrDie();
  const auto prepared = connection_->Prepare(*statements.at(0), Trust::kClient).ValueOrDie();
  const auto executed = connection_->Execute(*prepared, nullptr, ResultMode::kBuffered).ValueOrDie();
  const auto rows = executed.rows->ToTable().ValueOrDie();
  const auto plan = rows->column(1)->GetScalar(0).ValueOrDie()->ToString();
  EXPECT_THAT(plan, HasSubstr("ts"));
  EXPECT_THAT(plan, ::testing::Not(HasSubstr("tz")));
}

TEST_F(WindowTables, WhatTheTableIsIsReported) {
  const auto statements = engine_->Parse("SELECT * FROM session(t, ts, INTERVAL '1 hour', k)").ValueOrDie();
  const auto prepared = connection_->Prepare(*statements.at(0), Trust::kClient).ValueOrDie();
  EXPECT_THAT(prepared->info().reads, ::testing::ElementsAre(TableRef{.schema = "main", .name = "t"}));
}

TEST(WindowCalls, ErrorsSayWhere) {
  const auto parsed = ParseStatements("SELECT 1;\nSELECT * FROM hop(t, ts, INTERVAL '1 hour')", {});
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(parsed.status().message(), HasSubstr("hop takes 4 arguments, not 3"));
  EXPECT_THAT(parsed.status().message(), HasSubstr("at line 2, column 15"));
}

TEST(WindowCalls, OtherFunctionsOfTheirNamesAreNotTouched) {
  EXPECT_TRUE(ParseStatements("SELECT * FROM other.tumble(1)", {}).ok());
  EXPECT_TRUE(ParseStatements("SELECT session(1), hop FROM session", {}).ok());
}

}  // namespace
}  // namespace hyprstream::engine
