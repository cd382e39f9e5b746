// What a client's statement may make DuckDB do while it is bound and planned, where nothing interrupts it and the gate
// has not looked yet.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/engine.h"

namespace hyprstream::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BindingTest : public ::testing::Test {
 protected:
  // All values of a client's statement, one after the other, or what it was refused with. In a transaction of its own.
  std::string Answer(const std::string& sql) {
    EXPECT_TRUE(connection_->Begin().ok());
    const auto answer = Run(sql);
    EXPECT_TRUE((answer.ok() ? connection_->Commit() : connection_->Rollback()).ok());
    return answer.ok() ? *answer : answer.status().message();
  }

  // Does the plan compute a CTE once for all that name it?
  bool Materializes(const std::string& sql) { return Answer("EXPLAIN " + sql).find("CTE Scan") != std::string::npos; }

  arrow::Result<std::string> Run(const std::string& sql) {
    ARROW_ASSIGN_OR_RAISE(const auto statements, engine_->Parse(sql));
    ARROW_ASSIGN_OR_RAISE(const auto prepared, connection_->Prepare(*statements.at(0), Trust::kClient));
    ARROW_ASSIGN_OR_RAISE(const auto execution, connection_->Execute(*prepared, nullptr, ResultMode::kBuffered));
    std::string answer;
    if (execution.rows == nullptr) return answer;
    ARROW_ASSIGN_OR_RAISE(const auto table, execution.rows->ToTable());
    for (const auto& column : table->columns()) {
      for (std::int64_t row = 0; row < table->num_rows(); ++row) {
        ARROW_ASSIGN_OR_RAISE(const auto value, column->GetScalar(row));
        answer += (answer.empty() ? "" : " ") + value->ToString();
      }
    }
    return answer;
  }

  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 1, .sql_bytes_max = 100'000}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
};

std::string Repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// As a literal of SQL.
std::string Quoted(const std::string& text) { return "$quoted$" + text + "$quoted$"; }

// CTEs that each name the one before them twice: 2^steps rows of 1.
std::string Doubling(const std::string& how, int steps) {
  std::string sql = "WITH a0 AS " + how + " (SELECT 1 AS i)";
  for (int step = 1; step <= steps; ++step) {
    const auto before = "a" + std::to_string(step - 1);
    sql += ", a" + std::to_string(step) + " AS " + how + " (FROM " + before + " UNION ALL FROM " + before + ")";
  }
  return sql;
}

TEST_F(BindingTest, QueriesOfTextsAnswer) {
  EXPECT_EQ(Answer("SELECT * FROM query('SELECT 1 UNION ALL SELECT 2')"), "1 2");
  EXPECT_EQ(Answer("SELECT * FROM query(" + Quoted("SELECT * FROM query('SELECT 3')") + ")"), "3");
  EXPECT_EQ(Answer("CREATE TABLE \"it's\" AS SELECT 4 AS i"), "");
  EXPECT_EQ(Answer("FROM query_table('it''s')"), "4");
  EXPECT_EQ(Answer("FROM query_table([$$it's$$, $$it's$$])"), "4 4");
  EXPECT_THAT(Answer("FROM query_table([])"), HasSubstr("Input list is empty"));
}

TEST_F(BindingTest, QueriesOfTextsCallNoFunctionOfTheServer) {
  for (const std::string text : {"SELECT * FROM hyprstream_system('queries')", "SELECT \"Hyprstream_Present\"(1)",
                                 "SELECT __internal_compress_string('x')"}) {
    EXPECT_THAT(Answer(text), HasSubstr("is not allowed here"));
    EXPECT_THAT(Answer("SELECT * FROM query(" + Quoted(text) + ")"), HasSubstr("is not allowed here")) << text;
    const auto nested = Quoted("SELECT * FROM query($inner$" + text + "$inner$)");
    EXPECT_THAT(Answer("SELECT * FROM query(" + nested + ")"), HasSubstr("is not allowed here")) << text;
  }
  EXPECT_EQ(Answer("CREATE MACRO run(text) AS TABLE FROM query(text)"), "");
  EXPECT_THAT(Answer("FROM run('SELECT * FROM hyprstream_system(''queries'')')"), HasSubstr("is not allowed here"));
}

TEST_F(BindingTest, QueriesOfTextsAreBounded) {
  EXPECT_THAT(Answer("FROM query('SELECT 1' || repeat(' UNION ALL SELECT 1', 1001))"),
              HasSubstr("combines more than 1000 queries"));
  EXPECT_THAT(Answer("FROM query('SELECT ' || repeat('(', 251) || '1' || repeat(')', 251))"),
              HasSubstr("nests deeper than 250 levels"));
  EXPECT_THAT(Answer("FROM query('SELECT 1' || repeat(' ', 200000))"), HasSubstr("at most 100000 are taken"));
  EXPECT_THAT(Answer("FROM query_table(list_transform(range(1002), lambda x: 't'))"),
              HasSubstr("combine more than 1000 queries"));
  EXPECT_THAT(Answer("FROM query_table([repeat('t', 200000)])"), HasSubstr("at most 100000 are taken"));
  EXPECT_THAT(Answer("FROM query_table(repeat('t.', 200) || 't')"), HasSubstr("a name of more than 100 parts"));
}

TEST_F(BindingTest, QueriesOfTextsAreBoundedTogether) {
  const auto text = "FROM query('SELECT 1' || repeat(' UNION ALL SELECT 1', 400))";
  EXPECT_THAT(Answer(std::string(text) + " LIMIT 1"), "1");
  EXPECT_THAT(Answer(text + Repeated(std::string(" UNION ALL ") + text, 2)),
              HasSubstr("combine more than 1000 queries"));
  const auto spaces = "FROM query('SELECT 1' || repeat(' ', 40000))";
  EXPECT_EQ(Answer(std::string(spaces) + " UNION ALL " + spaces), "1 1");
  EXPECT_THAT(Answer(spaces + Repeated(std::string(" UNION ALL ") + spaces, 2)), HasSubstr("at most 100000 are taken"));
  EXPECT_EQ(Answer(spaces), "1");  // another statement's are not counted
}

TEST_F(BindingTest, RefusedTableFunctionsDoNothing) {
  EXPECT_EQ(Answer("SELECT * FROM sql_auto_complete('SELECT ' || repeat('(', 20000))"),
            "Table function sql_auto_complete is not allowed here");
  EXPECT_EQ(Answer("SELECT * FROM json_execute_serialized_sql('{\"error\": false}')"),
            "Table function json_execute_serialized_sql is not allowed here");
  EXPECT_EQ(Answer("SELECT * FROM read_csv('/etc/passwd')"), "Table function read_csv is not allowed here");
  EXPECT_EQ(Answer("SELECT * FROM duckdb_settings()"), "Table function duckdb_settings is not allowed here");
}

TEST_F(BindingTest, RefusedFunctionsAreNotCalledWhileAStatementIsBound) {
  EXPECT_EQ(Answer("SELECT * FROM range(sleep_ms(1))"), "Function sleep_ms is not allowed here");
  EXPECT_EQ(Answer("SELECT * FROM query('SELECT ''' || json_serialize_sql('SELECT 1') || '''')"),
            "Function json_serialize_sql is not allowed here");
  EXPECT_THAT(Answer("SELECT * FROM query('SELECT ''' || current_setting('temp_directory') || '''')"),
              AllOf(HasSubstr("current_setting of anything but"), HasSubstr("is not allowed here")));
  EXPECT_EQ(Answer("SELECT * FROM query('SELECT ''' || current_setting('TimeZone') || '''')"), "UTC");
  EXPECT_EQ(Answer("SELECT current_setting('TimeZone')"), "UTC");
  EXPECT_EQ(Answer("SELECT * FROM range(finalize(NULL))"), "Function finalize is not allowed here");
  EXPECT_EQ(Answer("SELECT count(*) FROM range(3) t(i) GROUP BY ROLLUP (i % 1)"), "3 3");  // the optimizer calls it
}

TEST_F(BindingTest, NamesThatWouldBeAmbiguousAreRefused) {
  for (const std::string name : {"system", "\"TEMP\"", "memory"}) {
    EXPECT_THAT(Answer("CREATE SCHEMA " + name), HasSubstr("there is a database of that name; choose another name"));
  }
  EXPECT_THAT(Answer("CREATE SCHEMA IF NOT EXISTS temp"), HasSubstr("No schema can be called temp"));
  EXPECT_THAT(Answer("CREATE SCHEMA hyprstream.inside"), HasSubstr("not allowed here"));
  EXPECT_EQ(Answer("CREATE SCHEMA fine"), "");
  for (const std::string name : {"tumble", "Hop", "session"}) {
    EXPECT_THAT(Answer("CREATE MACRO " + name + "(x) AS TABLE SELECT x"), HasSubstr("choose another name"));
  }
}

TEST_F(BindingTest, DoublingCtesAreNotWrittenOut) {
  EXPECT_EQ(Answer(Doubling("NOT MATERIALIZED", 14) + " SELECT count(*) FROM a14"), "16384");
  EXPECT_TRUE(Materializes(Doubling("NOT MATERIALIZED", 30) + " SELECT count(*) FROM a30"));
  EXPECT_TRUE(Materializes(Doubling("", 30) + " SELECT * FROM a30 LIMIT 1"));
  EXPECT_EQ(Answer("PREPARE p AS " + Doubling("NOT MATERIALIZED", 30) + " SELECT count(*) FROM a30"), "");
}

}  // namespace
}  // namespace hyprstream::engine
