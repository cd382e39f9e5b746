#include <arrow/result.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <duckdb/parser/sql_statement.hpp>
#include <string>
#include <thread>

#include "engine/parser_internal.h"

namespace hyprstream::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::shared_ptr<const Statement> Parse(std::string_view sql) {
  auto statements = ParseStatements(sql, {});
  EXPECT_TRUE(statements.ok()) << statements.status().ToString();
  if (!statements.ok()) return nullptr;
  EXPECT_EQ(statements->size(), 1u);
  return statements->front();
}

StatementKind KindOf(std::string_view sql) {
  auto statement = Parse(sql);
  return statement ? statement->kind() : StatementKind::kForbidden;
}

std::string ErrorOf(std::string_view sql) {
  auto statements = ParseStatements(sql, {});
  EXPECT_FALSE(statements.ok()) << sql;
  return statements.ok() ? "" : statements.status().message();
}

std::string Repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Parser, TellsKindsApart) {
  EXPECT_EQ(KindOf("SELECT 1"), StatementKind::kQuery);
  EXPECT_EQ(KindOf("VALUES (1)"), StatementKind::kQuery);
  EXPECT_EQ(KindOf("FROM t"), StatementKind::kQuery);
  EXPECT_EQ(KindOf("SHOW TABLES"), StatementKind::kQuery);
  EXPECT_EQ(KindOf("DESCRIBE t"), StatementKind::kQuery);
  EXPECT_EQ(KindOf("SUMMARIZE t"), StatementKind::kQuery);
  EXPECT_EQ(KindOf("EXPLAIN SELECT 1"), StatementKind::kExplain);
  EXPECT_EQ(KindOf("EXPLAIN INSERT INTO t VALUES (1)"), StatementKind::kExplain);
  EXPECT_EQ(KindOf("EXPLAIN ANALYZE SELECT 1"), StatementKind::kExplain);
  EXPECT_EQ(KindOf("INSERT INTO t VALUES (1)"), StatementKind::kInsert);
  EXPECT_EQ(KindOf("UPDATE t SET i = 1"), StatementKind::kUpdate);
  EXPECT_EQ(KindOf("DELETE FROM t"), StatementKind::kDelete);
  EXPECT_EQ(KindOf("TRUNCATE t"), StatementKind::kDelete);
  EXPECT_EQ(KindOf("MERGE INTO t USING s ON t.i = s.i WHEN MATCHED THEN DELETE"), StatementKind::kMerge);
  EXPECT_EQ(KindOf("CREATE TABLE t(i INT)"), StatementKind::kCreate);
  EXPECT_EQ(KindOf("CREATE VIEW v AS SELECT 1"), StatementKind::kCreate);
  EXPECT_EQ(KindOf("CREATE INDEX i ON t(x)"), StatementKind::kCreate);
  EXPECT_EQ(KindOf("CREATE MACRO f(x) AS x + 1"), StatementKind::kCreate);
  EXPECT_EQ(KindOf("DROP TABLE t"), StatementKind::kDrop);
  EXPECT_EQ(KindOf("ALTER TABLE t ADD COLUMN x INT"), StatementKind::kAlter);
  EXPECT_EQ(KindOf("COMMENT ON TABLE t IS 'x'"), StatementKind::kComment);
  EXPECT_EQ(KindOf("BEGIN"), StatementKind::kBegin);
  EXPECT_EQ(KindOf("COMMIT"), StatementKind::kCommit);
  EXPECT_EQ(KindOf("ABORT"), StatementKind::kRollback);
  EXPECT_EQ(KindOf("SET TimeZone = 'UTC'"), StatementKind::kSet);
  EXPECT_EQ(KindOf("RESET TimeZone"), StatementKind::kSet);
  EXPECT_EQ(KindOf("SET schema = 's'"), StatementKind::kSet);
  EXPECT_EQ(KindOf("USE s"), StatementKind::kUse);
  EXPECT_EQ(KindOf("PREPARE p AS SELECT ?"), StatementKind::kPrepare);
  EXPECT_EQ(KindOf("EXECUTE p(1)"), StatementKind::kExecute);
  EXPECT_EQ(KindOf("DEALLOCATE p"), StatementKind::kDeallocate);
}

TEST(Parser, ForbidsWhatLeavesTheDatabase) {
  for (const char* sql : {"COPY t TO 'x'",
                          "COPY t FROM 'x'",
                          "EXPORT DATABASE 'x'",
                          "IMPORT DATABASE 'x'",
                          "ATTACH 'x' AS y",
                          "ATTACH 'x'",
                          "ATTACH 'x' (TYPE adbc)",
                          "ATTACH ':memory:' AS y (READ_ONLY)",
                          "ATTACH 'x' AS y (TYPE sqlite)",
                          "ATTACH OR REPLACE 'x' AS y (TYPE adbc)",
                          "LOAD httpfs",
                          "INSTALL httpfs",
                          "PRAGMA database_list",
                          "CALL range(3)",
                          "CHECKPOINT",
                          "VACUUM",
                          "ANALYZE",
                          "PIVOT t ON x USING sum(y)",
                          "ALTER TABLE t ADD COLUMN c TIMESTAMP DEFAULT now()",
                          "CREATE SECRET (TYPE s3)",
                          "DROP SECRET x",
                          "UPDATE EXTENSIONS",
                          "CONNECT 'x'",
                          "CREATE TRIGGER tr AFTER INSERT ON l REFERENCING NEW TABLE AS nt FOR EACH STATEMENT INSERT "
                          "INTO m SELECT * FROM nt",
                          "EXPLAIN COPY t TO 'x'",
                          "PREPARE p AS COPY t TO 'x'",
                          "COPY FROM DATABASE a TO b"}) {
    EXPECT_EQ(KindOf(sql), StatementKind::kForbidden) << sql;
  }
}

TEST(Parser, CountsStatementsAndKeepsEachText) {
  auto statements = ParseStatements("SELECT 42; -- COPY", {}).ValueOrDie();
  ASSERT_EQ(statements.size(), 1u);
  EXPECT_EQ(statements[0]->text(), "SELECT 42");
  statements = ParseStatements(
                   ";; SELECT 'a;b' ;\n INSERT INTO t VALUES (?) ; ; CREATE MATERIALIZED VIEW v AS SELECT 1; "
                   "DROP MATERIALIZED VIEW v;",
                   {})
                   .ValueOrDie();
  ASSERT_EQ(statements.size(), 4u);
  EXPECT_EQ(statements[0]->text(), "SELECT 'a;b'");
  EXPECT_EQ(statements[1]->text(), "INSERT INTO t VALUES (?)");
  EXPECT_EQ(statements[1]->parameter_count(), 1);
  EXPECT_EQ(statements[2]->text(), "CREATE MATERIALIZED VIEW v AS SELECT 1");
  EXPECT_EQ(statements[3]->kind(), StatementKind::kDropMaterializedView);
  EXPECT_EQ(Parse("SELECT\xC2\xA0"
                  "42\xE3\x80\x80;\xE2\x80\x8B")
                ->text(),
            "SELECT 42");
}

TEST(Parser, KnowsWhatElseIsDoneWithViews) {
  const auto alter = Parse("alter materialized view if exists s.v set (Retention = '1 day', late = drop)");
  ASSERT_EQ(alter->kind(), StatementKind::kAlterMaterializedView);
  EXPECT_EQ(alter->alter_view()->set, (Options{{"late", "drop"}, {"retention", "1 day"}}));
  EXPECT_TRUE(alter->alter_view()->if_exists && alter->alter_view()->schema_given);
  EXPECT_EQ(Parse("ALTER MATERIALIZED VIEW v RESET (late, \"retention\")")->alter_view()->reset,
            (std::vector<std::string>{"late", "retention"}));
  for (const auto* sql : {"REFRESH MATERIALIZED VIEW v WINDOW '2026-01-01' '2026-01-02'",
                          "REFRESH MATERIALIZED VIEW v WINDOW FROM TIMESTAMP '2026-01-01' TO DATE '2026-01-02'"}) {
    const auto refresh = Parse(sql);
    ASSERT_EQ(refresh->kind(), StatementKind::kRefreshMaterializedView) << sql;
    EXPECT_EQ(refresh->refresh_view()->windows->from, "2026-01-01");
    EXPECT_EQ(refresh->refresh_view()->windows->to, "2026-01-02");
  }
  EXPECT_FALSE(Parse("REFRESH MATERIALIZED VIEW v")->refresh_view()->windows.has_value());
  const auto insert = Parse("INSERT INTO states('s.v') SELECT * FROM r");
  ASSERT_EQ(insert->kind(), StatementKind::kInsertStates);
  EXPECT_EQ(insert->insert_states()->view.ToString(), "s.v");
  EXPECT_EQ(insert->insert_states()->rows->text(), "SELECT * FROM r");
  EXPECT_EQ(KindOf("INSERT INTO states(v) SELECT 1"), StatementKind::kInsert);  // a table of that name
}

TEST(Parser, CopiesAreIndependent) {
  const auto statement = Parse("SELECT $a + $b, $a");
  EXPECT_EQ(statement->parameter_count(), 2);
  auto first = CopySql(*statement);
  auto second = CopySql(*statement);
  EXPECT_NE(first.get(), second.get());
  EXPECT_EQ(first->query, statement->text());
}

TEST(Parser, NamesItsTarget) {
  EXPECT_EQ(Parse("USE s")->target(), "s");
  EXPECT_EQ(Parse("SET TimeZone = 'UTC'")->target(), "TimeZone");
  EXPECT_EQ(Parse("PREPARE p AS SELECT 1")->target(), "p");
  EXPECT_EQ(Parse("EXECUTE p")->target(), "p");
  EXPECT_EQ(Parse("DEALLOCATE p")->target(), "p");
  EXPECT_EQ(Parse("DROP TABLE a.b")->target(), "b");
}

TEST(Parser, SaysWhereTheSyntaxErrorIs) {
  EXPECT_THAT(ErrorOf("SELECT 1;\n  SELEC 2"), AllOf(HasSubstr("SELEC"), HasSubstr("line 2, column 3")));
  EXPECT_THAT(ErrorOf("SELECT 'ä', FROM FROM"), HasSubstr("line 1, column 18"));
  EXPECT_THAT(ErrorOf("SELECT 1 SELECT 2"), HasSubstr("line 1, column 10"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("no statement"));
  EXPECT_THAT(ErrorOf(" ; -- nothing\n"), HasSubstr("no statement"));
  EXPECT_THAT(ErrorOf("SELECT '\xFF'"), HasSubstr("UTF-8"));
  EXPECT_LT(ErrorOf("SELECT 1 '" + std::string(100'000, 'x') + "'").size(), 1000u);
}

TEST(Parser, NeverShowsWhatMayHoldAPassword) {
  EXPECT_THAT(ErrorOf("ATTACH AS 'postgres://u:pass@h/d' 'postgres://u:pass@h/d'"),
              AllOf(Not(HasSubstr("pass@")), HasSubstr("not shown")));
  EXPECT_THAT(ErrorOf("CREATE SECRET s (TYPE s3, SECRET) 'hunter2' 3"), Not(HasSubstr("hunter2")));
  for (const char* sql : {
           "ATTACH 'pg://u:hunter2@h/d' AS (TYPE adbc)",
           "ATTACH 'pg://u:hunter2@h/d' AS w (TYPE adbc, PASSWORD 'hunter2' 'hunter2')",
           "ATTACH 'pg://u:hunter2@h/d' AS w (TYPE adbc, PASSWORD hunter2.hunter2)",
           "ATTACH 'pg://u:hunter2@h/d' AS w (TYPE adbc, \"hunter2\" 'x', \"hunter2\" 'y'",
           "ATTACH 'pg://u:hunter2@h/d' AS w (TYPE adbc) hunter2",
           "ATTACH pg://u:hunter2@h/d AS w (TYPE adbc)",
           "ATTACH 'pg://u:hunter2@h/d AS w (TYPE adbc)",
           "EXPLAIN ATTACH 'pg://u:hunter2@h/d' AS w (TYPE adbc)",
           "PREPARE p AS ATTACH 'pg://u:hunter2@h/d' AS w (TYPE adbc)",
           "SELECT 1 ATTACH 'pg://u:hunter2@h/d' AS w (TYPE adbc)",
       }) {
    EXPECT_THAT(ErrorOf(sql), AllOf(Not(HasSubstr("hunter2")), HasSubstr("not shown"))) << sql;
  }
  EXPECT_THAT(ErrorOf("ATACH 'pg://u:hunter2@h/d' AS w (TYPE adbc)"), Not(HasSubstr("hunter2")));
  EXPECT_THAT(Parse("ATTACH 'pg://u:hunter2@h/d' AS w (TYPE adbc, \"password\" 'hunter2')")->text(),
              AllOf(Not(HasSubstr("hunter2")), HasSubstr("\"w\"")));
  EXPECT_THAT(Parse("ATTACH 'pg://u:hunter2@h/d' AS w")->text(), Not(HasSubstr("hunter2")));
  EXPECT_EQ(Parse("ATTACH \"pg://u:hunter2@h/d\" w (TYPE adbc)")->kind(), StatementKind::kForbidden);
}

TEST(Parser, UnderstandsAttachAndDetach) {
  const auto statement = Parse(
      "attach database if not exists 'it''s' as \"Ware\" (type ADBC, Driver 'postgresql', pool_max = 4, "
      "\"adbc.Opt\" $$v$$, isolate)");
  ASSERT_EQ(statement->kind(), StatementKind::kAttachBackend);
  const auto& attach = *statement->attach_backend();
  EXPECT_EQ(attach.uri, "it's");
  EXPECT_EQ(attach.name, "ware");
  EXPECT_TRUE(attach.if_not_exists);
  ASSERT_EQ(attach.options.size(), 4U);
  EXPECT_EQ(attach.options[0].name, "driver");
  EXPECT_EQ(attach.options[1].value, "4");
  EXPECT_EQ(attach.options[2].name, "adbc.Opt");
  EXPECT_TRUE(attach.options[2].quoted);
  EXPECT_EQ(attach.options[2].value, "v");
  EXPECT_EQ(attach.options[3].value, "true");
  const auto detach = Parse("DETACH DATABASE IF EXISTS Ware");
  ASSERT_EQ(detach->kind(), StatementKind::kDetachBackend);
  EXPECT_EQ(detach->detach_backend()->name, "ware");
  EXPECT_TRUE(detach->detach_backend()->if_exists);
  EXPECT_THAT(ErrorOf("DETACH a b"), HasSubstr("DETACH [IF EXISTS] name"));
  const auto refresh = Parse("refresh backend \"Ware\"");
  ASSERT_EQ(refresh->kind(), StatementKind::kRefreshBackend);
  EXPECT_EQ(refresh->refresh_backend()->name, "ware");
  EXPECT_EQ(refresh->text(), "REFRESH BACKEND \"ware\"");
  EXPECT_THAT(ErrorOf("REFRESH BACKEND"), HasSubstr("the form is: REFRESH BACKEND name"));
  EXPECT_THAT(ErrorOf("REFRESH BACKEND a.b"), HasSubstr("the form is: REFRESH BACKEND name"));
}

TEST(Parser, RefusesExplainAnalyzeOfWrites) {
  EXPECT_THAT(ErrorOf("EXPLAIN ANALYZE INSERT INTO t VALUES (1)"), HasSubstr("queries only"));
  EXPECT_THAT(ErrorOf("EXPLAIN ANALYZE EXECUTE p"), HasSubstr("queries only"));
}

TEST(Parser, UnderstandsCreateMaterializedView) {
  const auto statement = Parse(
      "create or replace materialized view \"we \"\"ird\".\"t.x\" with (Retention = '2 days', lateness = INTERVAL "
      "'10 minutes', n = -3, keep = true, mode = auto) as\n  SELECT 'a;b' AS x, -- why\n count(*) /* all */ FROM s  ;");
  ASSERT_EQ(statement->kind(), StatementKind::kCreateMaterializedView);
  const auto& view = *statement->create_view();
  EXPECT_EQ(view.view.schema, "we \"ird");
  EXPECT_EQ(view.view.name, "t.x");
  EXPECT_TRUE(view.schema_given);
  EXPECT_TRUE(view.or_replace);
  EXPECT_FALSE(view.if_not_exists);
  EXPECT_EQ(view.select, "SELECT 'a;b' AS x, -- why\n count(*) /* all */ FROM s");
  EXPECT_EQ(
      view.options,
      (Options{{"retention", "2 days"}, {"lateness", "10 minutes"}, {"n", "-3"}, {"keep", "true"}, {"mode", "auto"}}));
  EXPECT_TRUE(Parse("CREATE MATERIALIZED VIEW IF NOT EXISTS v AS (SELECT 1)")->create_view()->if_not_exists);
  EXPECT_FALSE(Parse("CREATE MATERIALIZED VIEW v AS WITH a AS (SELECT 1) FROM a")->create_view()->schema_given);
  EXPECT_EQ(Parse("CREATE\xC2\xA0MATERIALIZED VIEW v AS SELECT 1")->create_view()->view.name, "v");
}

TEST(Parser, UnderstandsDropMaterializedView) {
  const auto drop = *Parse("DROP MATERIALIZED VIEW IF EXISTS s.v CASCADE")->drop_view();
  EXPECT_EQ(drop.view.ToString(), "s.v");
  EXPECT_TRUE(drop.if_exists);
  EXPECT_TRUE(drop.cascade);
  EXPECT_FALSE(Parse("DROP MATERIALIZED VIEW v RESTRICT")->drop_view()->cascade);
}

TEST(Parser, SaysWhatIsWrongWithAMaterializedView) {
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW"), AllOf(HasSubstr("the view's name"), HasSubstr("the form is")));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW select AS SELECT 1"), HasSubstr("there is select"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW a.b.c AS SELECT 1"), HasSubstr("without a database"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v SELECT 1"), HasSubstr("AS and a SELECT"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v AS"), HasSubstr("a SELECT"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v AS DROP TABLE t"), HasSubstr("one SELECT"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v AS SELECT ?"), HasSubstr("no parameters"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v AS SELEC 1"), HasSubstr("SELEC"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v WITH (a) AS SELECT 1"), HasSubstr("= after option a"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v WITH (a = ) AS SELECT 1"), HasSubstr("a value for option a"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v WITH (a = 1 + 1) AS SELECT 1"), HasSubstr("Option a needs"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v WITH (a = 1, A = 2) AS SELECT 1"), HasSubstr("given twice"));
  EXPECT_THAT(ErrorOf("CREATE MATERIALIZED VIEW v WITH (a = (1 AS SELECT 1"), HasSubstr("Option a needs"));
  EXPECT_THAT(ErrorOf("CREATE OR REPLACE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT 1"), HasSubstr("exclude"));
  EXPECT_THAT(ErrorOf("DROP MATERIALIZED VIEW v w"), HasSubstr("CASCADE, RESTRICT or the end"));
}

TEST(Parser, TakesTableOptionsOffTheTree) {
  auto statement = Parse(
      "CREATE TABLE IF NOT EXISTS s.t (ts TIMESTAMP) WITH (Time = 'ts', keep_rows = false, n = 3, "
      "retention = INTERVAL '1 day')");
  ASSERT_NE(statement->table_options(), nullptr);
  const auto& options = *statement->table_options();
  EXPECT_EQ(options.table.ToString(), "s.t");
  EXPECT_TRUE(options.schema_given);
  EXPECT_TRUE(options.if_not_exists);
  EXPECT_EQ(options.options, (Options{{"time", "ts"}, {"keep_rows", "false"}, {"n", "3"}, {"retention", "1 day"}}));
  EXPECT_THAT(CopySql(*statement)->ToString(), Not(HasSubstr("WITH")));
  statement = Parse("CREATE OR REPLACE TABLE t WITH (time = 'ts') AS SELECT now() AS ts");
  EXPECT_TRUE(statement->table_options()->or_replace);
  EXPECT_THAT(CopySql(*statement)->ToString(), Not(HasSubstr("WITH")));
  EXPECT_EQ(Parse("CREATE TABLE t (i INT)")->table_options(), nullptr);
  EXPECT_THAT(ErrorOf("CREATE TABLE t (i INT) WITH (time)"), HasSubstr("Option time needs"));
  EXPECT_THAT(ErrorOf("CREATE TEMP TABLE t (i INT) WITH (time = 'i')"), HasSubstr("temporary"));
}

TEST(Parser, BoundsSize) {
  auto parsed = ParseStatements("SELECT '" + std::string(100, 'x') + "'", {.sql_bytes_max = 100});
  EXPECT_THAT(parsed.status().message(), HasSubstr("at most 100"));
}

// On a thread with a small stack: deep text must end in an error, not in an overflow.
TEST(Parser, BoundsNesting) {
  const auto deep = [](const std::string& open, const std::string& inner, const std::string& close) {
    return Repeat(open, 10'000) + inner + Repeat(close, 10'000);
  };
  const std::vector<std::string> texts = {
      "SELECT " + deep("(", "1", ")"),
      "SELECT " + Repeat("(", 10'000),
      "SELECT " + deep("CASE WHEN true THEN ", "1", " END"),
      "SELECT " + deep("NOT ", "true", ""),
      "SELECT " + deep("- ", "1", ""),
      deep("SELECT * FROM (", "SELECT 1", ")"),
      deep("SELECT (", "SELECT 1", ")"),
      "SELECT " + deep("[", "", "]"),
      "SELECT " + deep("{'a': ", "1", "}"),
      "SELECT " + deep("abs(", "1", ")"),
      "FROM " + deep("(", "t", ")"),
      deep("WITH a AS (", "SELECT 1", ") SELECT 1"),
      "SELECT 1" + Repeat(" + 1", 10'000),
      "SELECT 1" + Repeat("::INT", 10'000),
      "SELECT a" + Repeat(".b", 10'000),
      "SELECT 1" + Repeat(" UNION ALL SELECT 1", 10'000),
  };
  std::thread small([&] {
    for (const auto& text : texts) {
      const auto parsed = ParseStatements(text, {});
      EXPECT_TRUE(parsed.status().IsInvalid()) << text.substr(0, 40) << parsed.status().ToString();
    }
  });
  small.join();
}

}  // namespace
}  // namespace hyprstream::engine
