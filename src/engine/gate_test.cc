#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <duckdb.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/planner/planner_extension.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "engine/function_lists_internal.h"
#include "engine/gate_internal.h"
#include "engine/refused_functions_internal.h"
#include "engine/value_bounds_internal.h"

namespace hyprstream::engine {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What the hook below found; a context's state reaches it in the engine proper.
struct Seen : duckdb::ClientContextState {
  bool armed = false;
  Policy policy;
  PlanFacts facts;
};

void AfterBind(duckdb::PlannerExtensionInput& input, duckdb::BoundStatement& statement) {
  const auto seen = input.context.registered_state->Get<Seen>("seen");
  if (!seen || !seen->armed || !statement.plan) return;
  seen->facts = Inspect(input.context, *statement.plan);
  KeepToSession(*statement.plan);
  const auto status = CheckPlan(input.context, *statement.plan, seen->policy);
  if (!status.ok()) throw duckdb::BinderException(status.message());
}

class GateTest : public ::testing::Test {
 protected:
  GateTest() {
    duckdb::DBConfig config;
    duckdb::PlannerExtension gate;
    gate.post_bind_function = AfterBind;
    duckdb::PlannerExtension::Register(config, gate);
    database_ = std::make_unique<duckdb::DuckDB>(nullptr, &config);
    connection_ = std::make_unique<duckdb::Connection>(*database_);
    connection_->BeginTransaction();
    ReplaceUnsafeFunctions(*connection_);
    RefuseFunctions(*connection_);
    connection_->Commit();
    seen_ = duckdb::make_shared_ptr<Seen>();
    seen_->policy.database = "memory";
    connection_->context->registered_state->Insert("seen", seen_);
    folder_ = std::filesystem::temp_directory_path() / ("gate_test_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    std::ofstream(File("a.csv")) << "a,b\n1,2\n";
    std::ofstream(File("a.json")) << "{\"a\": 1}\n";
    Must("CREATE TABLE t (i INT PRIMARY KEY, s VARCHAR DEFAULT 'x')");
    Must("CREATE SCHEMA " + std::string(kInternalSchema));
    Must("CREATE TABLE " + std::string(kInternalSchema) + ".secret (i INT)");
    Must("CREATE SCHEMA hyprstream");
    Must("CREATE VIEW hyprstream.tables AS SELECT 1 AS x");
    Must("CREATE TEMP TABLE tmp (i INT)");
    Must("CREATE TABLE dropped (i INT)");
    Must("CREATE MACRO reader() AS TABLE SELECT * FROM read_text('" + File("a.csv") + "')");
    Must("CREATE MACRO setting() AS current_setting('temp_directory')");
    Must("CREATE VIEW reading AS SELECT * FROM read_text('" + File("a.csv") + "')");
    Must("CREATE TABLE leaky (i INT, s VARCHAR DEFAULT current_setting('temp_directory'))");
    Must("PREPARE before AS SELECT * FROM read_text('" + File("a.csv") + "')");
    Must("ATTACH ':memory:' AS other");
    Must("CREATE TABLE other.t (i INT)");
    seen_->armed = true;
  }
  ~GateTest() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name) const { return (folder_ / name).string(); }

  void Must(const std::string& sql) {
    auto result = connection_->Query(sql);
    ASSERT_FALSE(result->HasError()) << sql << ": " << result->GetError();
  }

  void Allowed(const std::string& sql) {
    seen_->facts = {};
    auto result = connection_->Query(sql);
    EXPECT_FALSE(result->HasError()) << sql << ": " << result->GetError();
  }

  void Refused(const std::string& sql, const std::string& words = "not allowed") {
    auto result = connection_->Query(sql);
    ASSERT_TRUE(result->HasError()) << sql << "\n" << result->ToString();
    EXPECT_THAT(result->GetError(), HasSubstr(words)) << sql;
  }

  std::filesystem::path folder_;
  std::unique_ptr<duckdb::DuckDB> database_;
  std::unique_ptr<duckdb::Connection> connection_;
  duckdb::shared_ptr<Seen> seen_;
};

// A new release's functions have to be read about and put into function_lists_internal.cc.
TEST_F(GateTest, KnowsEveryFunctionOfTheLibrary) {
  seen_->armed = false;
  auto functions = connection_->Query(
      "SELECT DISTINCT function_type, function_name FROM duckdb_functions() "
      "WHERE function_type IN ('table', 'scalar', 'aggregate', 'window')");
  ASSERT_FALSE(functions->HasError());
  std::vector<std::string> unknown;
  while (const auto chunk = functions->Fetch()) {
    for (duckdb::idx_t row = 0; row < chunk->size(); ++row) {
      const bool table = chunk->GetValue(0, row).ToString() == "table";
      const auto name = FoldIdentifier(chunk->GetValue(1, row).ToString());
      if ((table ? OnTableFunction(name) : OnFunction(name)) == Verdict::kUnknown) unknown.push_back(name);
    }
  }
  EXPECT_THAT(unknown, IsEmpty());
}

TEST_F(GateTest, LetsQueriesPass) {
  for (const char* sql : {
           "SELECT i + 1, upper(s), i::VARCHAR, CASE WHEN i = 1 THEN 2 END FROM t WHERE s LIKE 'a%' AND i BETWEEN 1 "
           "AND 3",
           "SELECT s, count(*), sum(i), list(i ORDER BY i) FILTER (i > 1) FROM t GROUP BY ALL HAVING count(*) > 0",
           "SELECT row_number() OVER (PARTITION BY s ORDER BY i), lag(i) OVER () FROM t QUALIFY true",
           "SELECT * FROM t JOIN range(3) r(i) USING (i) WHERE i IN (SELECT 1) AND EXISTS (SELECT 1 FROM t)",
           "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
           "SELECT unnest([1, 2]), list_transform([1], lambda x: x + 1), {'a': 1}.a, [x FOR x IN [1, 2]]",
           "SHOW TABLES",
           "SHOW ALL TABLES",
           "DESCRIBE t",
           "DESCRIBE SELECT 1",
           "SUMMARIZE t",
           "SHOW DATABASES",
           "SHOW TimeZone",
           "SELECT current_setting('TimeZone')",
           "SHOW search_path",
           "SELECT * FROM information_schema.tables",
           "SELECT * FROM information_schema.columns",
           "SELECT * FROM information_schema.schemata",
           "SELECT * FROM pg_catalog.pg_class",
           "SELECT * FROM pg_catalog.pg_database",
           "SELECT * FROM pg_catalog.pg_type",
           "SELECT * FROM duckdb_tables()",
           "SELECT database_name FROM duckdb_databases()",
           "SELECT * FROM duckdb_functions()",
           "SELECT * FROM information_schema.table_constraints",
           "SELECT * FROM information_schema.key_column_usage",
           "SELECT * FROM pragma_table_info('t')",
           "SELECT current_date, now(), version(), current_schema(), user",
           "SELECT * FROM query('SELECT 1')",
           "SELECT * FROM query_table('t')",
           "SELECT * FROM hyprstream.tables",
           "SELECT json_extract('{\"a\": 1}', '$.a'), '[1]'::JSON, json('[1]')",
           "SELECT to_json(t) FROM t",
           "SELECT strftime(now(), '%Y'), time_bucket(INTERVAL '1 day', now()), date_trunc('day', now())",
           "SELECT * FROM t PIVOT (count(*) FOR s IN ('a', 'b'))",
           "SELECT * FROM t USING SAMPLE 10%",
           "SELECT * FROM t ASOF JOIN tmp ON t.i >= tmp.i",
           "SELECT * FROM t POSITIONAL JOIN tmp",
           "SELECT 'a' COLLATE NOCASE = 'A', 'a' COLLATE de < 'b'",
           "SELECT random(), uuid(), hash(1), md5('x')",
       }) {
    Allowed(sql);
  }
}

TEST_F(GateTest, LetsChangesAndSettingsPass) {
  for (const char* sql : {
           "INSERT INTO t VALUES (1, DEFAULT) ON CONFLICT DO UPDATE SET s = excluded.s",
           "UPDATE t SET s = DEFAULT",
           "MERGE INTO t USING (SELECT 1 AS i) x ON t.i = x.i WHEN MATCHED THEN UPDATE SET s = 'y'",
           "DELETE FROM t",
           "TRUNCATE tmp",
           "INSERT INTO tmp VALUES (1) RETURNING i",
           "CREATE TEMP TABLE tmp2 AS SELECT 1 AS x",
           "CREATE OR REPLACE TABLE u (a INT DEFAULT 1 + 2, b TIMESTAMP DEFAULT current_timestamp, CHECK (a > "
           "abs(-1)), "
           "c INT AS (a + 1))",
           "ALTER TABLE u ADD COLUMN d VARCHAR DEFAULT lower('X')",
           "CREATE INDEX ix ON u (a)",
           "ALTER TABLE dropped ALTER i TYPE VARCHAR USING i::VARCHAR || 'x'",
           "CREATE VIEW w AS SELECT * FROM t",
           "CREATE SEQUENCE q",
           "SELECT nextval('q')",
           "CREATE TYPE mood AS ENUM ('a', 'b')",
           "CREATE SCHEMA s2",
           "CREATE MACRO plus(x) AS x + 1",
           "SELECT plus(1)",
           "COMMENT ON TABLE u IS 'x'",
           "DROP VIEW w",
           "DROP SCHEMA s2",
           "SET TimeZone = 'UTC'",
           "RESET TimeZone",
           "SET schema = 'main'",
           "USE main",
           "PREPARE p AS SELECT $1 + i FROM t",
           "EXECUTE p(1)",
           "DEALLOCATE p",
           "EXPLAIN SELECT * FROM t",
           "EXPLAIN ANALYZE SELECT * FROM t",
           "EXPLAIN INSERT INTO t VALUES (7, 'x')",
           "VALUES (1)",
           "FROM t",
           "SELECT NULL",
           "SELECT 1 LIMIT (SELECT 1)",
       }) {
    Allowed(sql);
  }
}

TEST_F(GateTest, RefusesFilesThroughEveryDoor) {
  const auto csv = "'" + File("a.csv") + "'";
  const auto read = "read_text(" + csv + ")";
  for (const std::string& sql : std::vector<std::string>{
           "SELECT * FROM " + read,
           "SELECT * FROM " + csv,
           "SELECT * FROM '" + File("a.json") + "'",
           "SELECT * FROM read_csv(" + csv + ")",
           "SELECT * FROM read_csv_auto(" + csv + ")",
           "SELECT * FROM read_blob(" + csv + ")",
           "SELECT * FROM read_json('" + File("a.json") + "')",
           "SELECT * FROM sniff_csv(" + csv + ")",
           "SELECT * FROM glob('/*')",
           "SELECT (SELECT content FROM " + read + ")",
           "SELECT 1 WHERE EXISTS (FROM " + read + ")",
           "WITH x AS (FROM " + read + ") SELECT * FROM x",
           "WITH x AS MATERIALIZED (FROM " + read + ") SELECT count(*) FROM x",
           "SELECT * FROM query('FROM read_text(''" + File("a.csv") + "'')')",
           "SELECT * FROM reader()",
           "SELECT * FROM reading",
           "EXECUTE before",
           "PREPARE p AS SELECT * FROM " + read,
           "EXPLAIN SELECT * FROM " + read,
           "INSERT INTO t SELECT 1, content FROM " + read,
           "CREATE TABLE x AS FROM " + read,
           "UPDATE t SET s = (SELECT content FROM " + read + ")",
           "DELETE FROM t WHERE s IN (SELECT content FROM " + read + ")",
           "MERGE INTO t USING (FROM " + read + ") x ON t.s = x.content WHEN MATCHED THEN DELETE",
           "CREATE TYPE e AS ENUM (SELECT content FROM " + read + ")",
           "DESCRIBE FROM " + read,
           "SUMMARIZE FROM " + read,
           "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
           "COPY t TO '" + File("out.csv") + "'",
           "COPY t FROM " + csv,
           "EXPORT DATABASE '" + File("out") + "'",
           "ATTACH '" + File("x.db") + "' AS x",
           "FROM t UNION ALL SELECT 1, content FROM " + read,
       }) {
    if (sql.starts_with("DESCRIBE")) continue;  // shows columns without reading
    Refused(sql);
  }
  EXPECT_FALSE(std::filesystem::exists(File("out.csv")));
  EXPECT_FALSE(std::filesystem::exists(File("x.db")));
}

TEST_F(GateTest, RefusesBoundParametersToo) {
  auto prepared = connection_->Prepare("SELECT * FROM read_text(?)");
  if (prepared->HasError()) {
    SUCCEED();
    return;
  }
  auto result = prepared->Execute(File("a.csv"));
  EXPECT_TRUE(result->HasError());
}

TEST_F(GateTest, RefusesServerStateAndPointers) {
  for (const char* sql : {
           "SELECT * FROM arrow_scan(0, 0, 0)",
           "SELECT * FROM arrow_scan_dumb(0, 0, 0)",
           "SELECT * FROM duckdb_secrets()",
           "SELECT * FROM duckdb_logs",
           "SELECT * FROM duckdb_settings()",
           "SELECT * FROM duckdb_extensions()",
           "SELECT * FROM duckdb_temporary_files()",
           "SELECT * FROM duckdb_prepared_statements()",
           "SELECT path FROM duckdb_databases()",
           "SELECT * FROM duckdb_databases",
           "SELECT * FROM which_secret('x', 's3')",
           "SELECT * FROM pragma_storage_info('t')",
           "SELECT * FROM duckdb_table_sample('t')",
           "CALL enable_logging()",
           "SELECT * FROM checkpoint()",
           "SELECT * FROM force_checkpoint()",
           "CHECKPOINT",
           "VACUUM",
           "PRAGMA database_size",
           "SELECT * FROM sql_auto_complete('SELECT ''/')",
           "SELECT current_setting('temp_directory')",
           "SELECT current_setting('temp_' || 'directory')",
           "SELECT current_setting(s) FROM t",
           "SELECT current_setting('temp_directory') || ''",
           "SELECT 1 WHERE length(upper(current_setting('temp_directory'))) > 0",
           "SELECT setting() || ''",
           "SELECT setting()",
           "SHOW temp_directory",
           "SHOW memory_limit",
           "SELECT * FROM (SHOW temp_directory)",
           "SELECT list_transform([1], lambda x: current_setting('temp_directory'))",
           "SELECT list_transform([1], lambda x: list_transform([2], lambda y: setting()))",
           "SELECT sleep_ms(1)",
           "SELECT pg_sleep(1)",
           "SELECT setseed(0.5)",
           "SELECT write_log('x')",
           "SELECT upper(json_serialize_plan('SELECT 1')::VARCHAR)",
           "SELECT json_serialize_plan('SELECT 1')",
           "SELECT finalize(combine(NULL, NULL))",
           "INSERT INTO leaky (i) VALUES (1)",
           "CREATE TABLE x (s VARCHAR DEFAULT current_setting('temp_directory'))",
           "CREATE TABLE x (s VARCHAR DEFAULT setting())",
           "CREATE TABLE x (i INT, CHECK (setting() = 'x'))",
           "CREATE TABLE x (i INT, s VARCHAR AS (setting()))",
           "ALTER TABLE t ADD COLUMN x VARCHAR DEFAULT setting()",
           "ALTER TABLE t ALTER s TYPE VARCHAR USING current_setting('temp_directory')",
           "ALTER TABLE t ALTER s SET DEFAULT setting()",
           "BEGIN",
           "LOAD httpfs",
           "DETACH other",
       }) {
    Refused(sql, "");
  }
  Refused("SELECT current_setting('temp_directory')");
  Refused("SHOW temp_directory");
  Refused("INSERT INTO leaky (i) VALUES (1)");
  Refused("ALTER TABLE t ALTER s TYPE VARCHAR USING current_setting('temp_directory')");
}

TEST_F(GateTest, RefusesSettingsButAFew) {
  Refused("SET memory_limit = '1TB'", "these can: TimeZone");
  Refused("SET threads = 64", "cannot be changed");
  Refused("RESET memory_limit", "cannot be changed");
  Refused("SET enable_external_access = true", "cannot be changed");
  Refused("SET GLOBAL TimeZone = 'UTC'", "SET GLOBAL");
  Refused("SET VARIABLE x = 1", "SET VARIABLE");
  Refused("SET schema = '__hyprstream'");
  Refused("USE __Hyprstream");
  Refused("SET search_path = 'main,\"__hyprstream\"'");
}

TEST_F(GateTest, KeepsOurOwnTablesToUs) {
  for (const char* sql : {"SELECT * FROM __hyprstream.secret",
                          "SELECT * FROM memory.__HYPRSTREAM.secret",
                          "DELETE FROM __hyprstream.secret",
                          "INSERT INTO __hyprstream.secret VALUES (1)",
                          "CREATE TABLE __hyprstream.x (i INT)",
                          "DROP TABLE __hyprstream.secret",
                          "ALTER TABLE __hyprstream.secret ADD COLUMN x INT",
                          "DROP SCHEMA __hyprstream CASCADE",
                          "DROP SCHEMA memory.__hyprstream CASCADE",
                          "CREATE OR REPLACE VIEW hyprstream.tables AS SELECT 1",
                          "DROP VIEW hyprstream.tables",
                          "CREATE VIEW hyprstream.mine AS SELECT 1",
                          "DROP SCHEMA hyprstream CASCADE",
                          "CREATE VIEW __hyprstream.v AS SELECT 1",
                          "CREATE MACRO __hyprstream.m() AS 1",
                          "CREATE SEQUENCE __hyprstream.q",
                          "CREATE TYPE __hyprstream.e AS ENUM ('a')",
                          "CREATE INDEX ix ON __hyprstream.secret (i)",
                          "COMMENT ON TABLE __hyprstream.secret IS 'x'",
                          "SELECT * FROM other.t",
                          "INSERT INTO other.t VALUES (1)",
                          "CREATE TABLE other.x (i INT)",
                          "DROP TABLE other.t",
                          "SELECT * FROM query_table('__hyprstream.secret')"}) {
    Refused(sql);
  }
  Must("SET search_path = 'main'");
  Refused("CREATE OR REPLACE SCHEMA hyprstream", "");
}

TEST_F(GateTest, AsksAboutEveryTableThatIsRead) {
  seen_->policy.read_check = [](const TableRef& table, bool edited) {
    if (table.name != "t") return arrow::Status::OK();
    return arrow::Status::Invalid("rows of t are not kept", edited ? " nor changed" : "");
  };
  Refused("SELECT count(*) FROM t", "not kept");
  Refused("SELECT 1 WHERE 1 IN (SELECT i FROM t)", "not kept");
  Refused("DELETE FROM t WHERE i = 1", "nor changed");
  Refused("WITH gone AS (DELETE FROM t RETURNING i) SELECT * FROM gone", "nor changed");
  Allowed("SELECT * FROM tmp");
}

TEST_F(GateTest, NoMacroHidesABuiltInFunction) {
  for (const auto* sql : {"CREATE MACRO lower(x) AS 'hidden'", "CREATE MACRO \"+\"(a, b) AS 'hidden'",
                          "CREATE OR REPLACE FUNCTION SUM(x) AS 1", "CREATE TEMP MACRO time_bucket(a, b) AS b"}) {
    Refused(sql, "would hide");
  }
  Allowed("CREATE MACRO my_lower(x) AS lower(x)");
}

TEST_F(GateTest, SaysWhatAPlanTouches) {
  Allowed("SELECT * FROM t JOIN dropped USING (i) WHERE i IN (SELECT i FROM t)");
  EXPECT_EQ(seen_->facts.reads.size(), 2u);
  EXPECT_THAT(seen_->facts.writes, IsEmpty());
  EXPECT_FALSE(seen_->facts.changes_rows);
  EXPECT_FALSE(seen_->facts.temporary);
  Allowed("WITH x AS (INSERT INTO t VALUES (5, 'x') RETURNING i) SELECT * FROM x");
  EXPECT_TRUE(seen_->facts.changes_rows);
  EXPECT_THAT(seen_->facts.writes, ElementsAre(TableRef{.schema = "main", .name = "t"}));
  Allowed("INSERT INTO tmp SELECT i FROM t");
  EXPECT_TRUE(seen_->facts.temporary);
  EXPECT_TRUE(seen_->facts.changes_rows);
  EXPECT_THAT(seen_->facts.writes, IsEmpty());
  Allowed("PREPARE p AS UPDATE t SET s = 'x'");
  EXPECT_THAT(seen_->facts.writes, Contains(TableRef{.schema = "main", .name = "t"}));
  Allowed("CREATE VIEW w AS SELECT * FROM t");
  EXPECT_THAT(seen_->facts.writes, ElementsAre(TableRef{.schema = "main", .name = "w"}));
  Allowed("DROP VIEW w");
  EXPECT_THAT(seen_->facts.writes, ElementsAre(TableRef{.schema = "main", .name = "w"}));
  Allowed("ALTER TABLE dropped ADD COLUMN x INT");
  EXPECT_THAT(seen_->facts.writes, ElementsAre(TableRef{.schema = "main", .name = "dropped"}));
  Allowed("CREATE SCHEMA s3");
  EXPECT_THAT(seen_->facts.writes, ElementsAre(TableRef{.schema = "s3", .name = ""}));
  Allowed("DROP SCHEMA s3");
  EXPECT_THAT(seen_->facts.writes, ElementsAre(TableRef{.schema = "s3", .name = ""}));
}

TEST_F(GateTest, RefusesExplainAnalyzeThatWrites) {
  Refused("EXPLAIN ANALYZE WITH x AS (INSERT INTO t VALUES (9, 'x') RETURNING i) SELECT * FROM x");
}

TEST_F(GateTest, RefusesCastsThatCrashOrHang) {
  Refused("SELECT (repeat('[', 100000) || repeat(']', 100000))::JSON::VARIANT");
  Refused("SELECT [s::JSON]::VARIANT[] FROM t");
  Refused("SELECT repeat('9', 5000000)::BIGNUM");
  Refused("SELECT 1::BIGNUM::VARCHAR");
  Allowed("SELECT 'x'::VARIANT, '[1]'::JSON::INT[], 1::BIGNUM");
}

TEST_F(GateTest, RefusesMovingFramesOfWhatGoesThroughThemForEachRow) {
  Refused("SELECT histogram(i) OVER (ORDER BY i) FROM t", "over a frame that moves");
  Refused("SELECT entropy(i) OVER (ROWS 3 PRECEDING) FROM t", "over a frame that moves");
  Refused("SELECT mode(i) OVER (ORDER BY i ROWS 3 PRECEDING) FROM t", "over a frame that moves");
  Refused("SELECT mode(i) OVER (ORDER BY i ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) FROM t",
          "over a frame that moves");
  Allowed("SELECT histogram(i) OVER (PARTITION BY s), histogram(i) OVER (), mode(i) OVER (ORDER BY i) FROM t");
  Allowed("SELECT sum(i) OVER (ORDER BY i ROWS 3 PRECEDING), median(i) OVER (ORDER BY i ROWS 3 PRECEDING) FROM t");
}

TEST_F(GateTest, BoundsWhatAnArgumentMakesEachGroupHold) {
  for (const char* sql : {
           "SELECT approx_top_k(i, 101) FROM t",
           "SELECT approx_top_k(i, 101) OVER () FROM t",
           "SELECT histogram(i, range(1001)) FROM t GROUP BY s",
           "SELECT histogram_exact(i, range(1001)) FROM t",
           "SELECT histogram(i, range(i)) FROM t GROUP BY i",
           "SELECT reservoir_quantile(i, 0.5, 10001) FROM t",
       }) {
    Refused(sql, "must be a constant, at most");
  }
  Allowed(
      "SELECT approx_top_k(i, 5), histogram(i), histogram(i, [1, 2]), histogram(i, range(100)), "
      "reservoir_quantile(i, 0.5), reservoir_quantile(i, 0.5, 100) FROM t");
}

TEST_F(GateTest, BoundsTheValuesOfSettings) {
  Refused("SET TimeZone = '" + std::string(10'001, 'x') + "'", "at most 10000");
}

TEST_F(GateTest, BoundsJoins) {
  std::string sql = "SELECT count(*) FROM tmp";
  for (int i = 0; i < 200; ++i) sql += ", tmp t" + std::to_string(i);
  Refused(sql, "joined in one statement");
}

}  // namespace
}  // namespace hyprstream::engine
