// Tables that change under their options and views: made anew, named like a temporary one.
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "session/session_test_support.h"

namespace hyprstream::session {
namespace {

using ::testing::HasSubstr;

class SessionTablesTest : public SessionTest {
 protected:
  void ExpectOracle(const std::string& view, const std::string& select) {
    Update("SET use_views = false");
    EXPECT_EQ(Rows("SELECT * FROM " + view + " ORDER BY ALL"), Rows(select + " ORDER BY ALL")) << select;
  }
};

// Rows of the new table must not go the way of the old one's.
TEST_F(SessionTablesTest, TableMadeAnewHasOptionsOfItsOwn) {
  for (const char* anew : {"CREATE OR REPLACE TABLE t (i INTEGER)", "DROP TABLE t; CREATE TABLE t (i INTEGER)",
                           "DROP TABLE t; CREATE TABLE t AS SELECT 1 AS i WHERE false"}) {
    Update("CREATE OR REPLACE TABLE t (i INTEGER) WITH (keep_rows = false)");
    Update(anew);
    Update("INSERT INTO t VALUES (7)");
    EXPECT_EQ(Rows("SELECT * FROM t"), "7\n") << anew;
  }
}

TEST_F(SessionTablesTest, TableThatAnIngestReplacedKeepsItsRows) {
  Update("CREATE TABLE t (i INTEGER) WITH (keep_rows = false)");
  const auto schema = arrow::schema({arrow::field("i", arrow::int32())});
  const auto seven = arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), R"([{"i": 7}])").ValueOrDie();
  const auto rows =
      arrow::RecordBatchReader::Make({arrow::RecordBatch::FromStructArray(seven).ValueOrDie()}, schema).ValueOrDie();
  IngestOptions options;
  options.table.name = "t";
  options.if_exists = IngestIfExists::kReplace;
  EXPECT_EQ(session_->Ingest(context_, options, *rows).ValueOrDie(), 1);
  EXPECT_EQ(Rows("SELECT * FROM t"), "7\n");
}

class TakenRowsTest : public SessionTablesTest {
 protected:
  void SetUp() override {
    SessionTablesTest::SetUp();
    Update("CREATE TABLE t (k INTEGER NOT NULL, x DOUBLE) WITH (keep_rows = false)");
    Update("CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n, sum(x) AS s FROM t GROUP BY ALL");
  }

  static std::shared_ptr<arrow::RecordBatch> Batch(const std::string& rows) {
    const auto type = arrow::struct_({arrow::field("k", arrow::int32()), arrow::field("x", arrow::float64())});
    return arrow::RecordBatch::FromStructArray(arrow::json::ArrayFromJSONString(type, rows).ValueOrDie()).ValueOrDie();
  }
  arrow::Status Put(const std::string& rows) {
    const auto batch = Batch(rows);
    ARROW_ASSIGN_OR_RAISE(const auto stream, session_->OpenPut(context_, {.table = {.name = "T"}}, batch->schema()));
    const auto outcome = stream->Write({batch});
    return outcome.error == nullptr ? arrow::Status::OK() : *outcome.error;
  }
  arrow::Status Ingest(const std::string& rows) {
    const auto batch = Batch(rows);
    IngestOptions options;
    options.table.name = "t";
    const auto reader = arrow::RecordBatchReader::Make({batch, batch->Slice(0, 0)}, batch->schema()).ValueOrDie();
    return session_->Ingest(context_, options, *reader).status();
  }
};

// They are nowhere but in the transaction's hands until its commit.
TEST_F(TakenRowsTest, ReachTheViewsOnce) {
  ASSERT_TRUE(Put(R"([{"k": 1, "x": 1.5}, {"k": 2, "x": null}])").ok());
  ASSERT_TRUE(Ingest(R"([{"k": 1, "x": 2}])").ok());
  Update("INSERT INTO t VALUES (2, 4)");
  EXPECT_EQ(Rows("SELECT * FROM v ORDER BY k"), "1|2|3.5\n2|2|4\n");
  EXPECT_EQ(commits_->Tables().front().rows_accepted, 4);
}

TEST_F(TakenRowsTest, StayWithWhatTheTransactionDoesBesides) {
  Update("BEGIN");
  ASSERT_TRUE(Ingest(R"([{"k": 1, "x": 1}])").ok());
  EXPECT_EQ(Rows("SELECT count(*) FROM v"), "0\n");
  ASSERT_TRUE(Ingest(R"([{"k": 1, "x": 2}])").ok());
  Update("INSERT INTO t VALUES (1, 4)");
  ASSERT_TRUE(Ingest(R"([{"k": 1, "x": 8}])").ok());
  Update("CREATE TABLE other (i INTEGER)");
  Update("COMMIT");
  EXPECT_EQ(Rows("SELECT * FROM v"), "1|4|15\n");
  Update("BEGIN");
  ASSERT_TRUE(Ingest(R"([{"k": 1, "x": 16}])").ok());
  Update("ROLLBACK");
  EXPECT_EQ(Rows("SELECT * FROM v"), "1|4|15\n");
}

// What was appended is remembered for the views; it is not what the transaction inserted once that was changed.
TEST_F(TakenRowsTest, AreNotWhatWasAppendedAndThenChanged) {
  Update("CREATE OR REPLACE TABLE u (k INTEGER, x DOUBLE)");
  const std::string select = "SELECT k, count(*) AS n, sum(x) AS s FROM u GROUP BY ALL";
  Update("CREATE MATERIALIZED VIEW w AS " + select);
  const auto batch = Batch(R"([{"k": 1, "x": 1}, {"k": 2, "x": 2}])");
  IngestOptions options;
  options.table.name = "u";
  for (const char* change :
       {"UPDATE u SET x = 100 WHERE k = 2", "DELETE FROM u WHERE k = 1; INSERT INTO u VALUES (3, 3)"}) {
    Update("BEGIN");
    const auto reader = arrow::RecordBatchReader::Make({batch}, batch->schema()).ValueOrDie();
    ASSERT_TRUE(session_->Ingest(context_, options, *reader).ok());
    Update(change);
    Update("COMMIT");
    ExpectOracle("w", select);
  }
}

TEST_F(TakenRowsTest, KeepTheTablesConstraints) {
  EXPECT_THAT(Put(R"([{"k": 1, "x": 1}, {"k": null, "x": 1}])").ToString(), HasSubstr("NOT NULL"));
  EXPECT_EQ(Rows("SELECT count(*) FROM v"), "0\n");
  Update("CREATE TABLE c (k INTEGER CHECK (k > 0), x DOUBLE) WITH (keep_rows = false)");
  Update("CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM c");
  const auto batch = Batch(R"([{"k": 0, "x": 1}])");
  const auto stream = session_->OpenPut(context_, {.table = {.name = "c"}}, batch->schema()).ValueOrDie();
  EXPECT_THAT(stream->Write({batch}).error->ToString(), HasSubstr("CHECK"));
  EXPECT_EQ(Rows("SELECT * FROM n"), "0\n");
}

TEST_F(TakenRowsTest, GoIntoNoOtherTableOfTheName) {
  const auto batch = Batch(R"([{"k": 1, "x": 1}])");
  const auto stream = session_->OpenPut(context_, {.table = {.name = "t"}}, batch->schema()).ValueOrDie();
  Update("DROP MATERIALIZED VIEW v; DROP TABLE t; CREATE TABLE t (k INTEGER, x DOUBLE)");
  EXPECT_EQ(stream->Write({batch}).error, nullptr);
  EXPECT_EQ(Rows("SELECT * FROM t"), "1|1\n");  // this one keeps its rows
  const auto second = NewSession("second");
  Update("CREATE OR REPLACE TABLE t (k INTEGER, x DOUBLE) WITH (keep_rows = false)");
  Update("BEGIN");
  ASSERT_TRUE(Ingest(R"([{"k": 1, "x": 1}])").ok());
  const std::string anew = "CREATE OR REPLACE TABLE t (k INTEGER, x DOUBLE) WITH (keep_rows = false)";
  ASSERT_TRUE(second->Update(context_, anew, {}).ok());
  EXPECT_THAT(UpdateError("COMMIT"), HasSubstr("another transaction"));
  EXPECT_EQ(commits_->Tables().front().rows_accepted, 0);
}

TEST_F(SessionTablesTest, TableMadeAnewHasLostNoRows) {
  Update("CREATE TABLE t (i INTEGER) WITH (keep_rows = false)");
  Update("INSERT INTO t VALUES (1)");
  EXPECT_THAT(UpdateError("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t"), HasSubstr("no longer has"));
  Update("CREATE OR REPLACE TABLE t (i INTEGER) WITH (keep_rows = false)");
  Update("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t");
  Update("INSERT INTO t VALUES (1), (2)");
  EXPECT_EQ(Rows("SELECT * FROM v"), "2\n");
}

TEST_F(SessionTablesTest, TableMadeAnewAfterItsViewInOneTransaction) {
  Update("CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1), (2)");
  Update(
      "CREATE MATERIALIZED VIEW v AS SELECT i, count(*) AS n FROM t GROUP BY ALL;"
      "DROP TABLE t; CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (7)");
  ExpectOracle("v", "SELECT i, count(*) AS n FROM t GROUP BY ALL");
  Update("INSERT INTO t VALUES (7), (8)");
  ExpectOracle("v", "SELECT i, count(*) AS n FROM t GROUP BY ALL");
}

// `main.t` would be the temporary one.
TEST_F(SessionTablesTest, TemporaryTableOfTheSameNameIsNotMistakenForTheLastingOne) {
  Update("CREATE TABLE t (i INTEGER, k INTEGER); INSERT INTO t VALUES (1, 1), (2, 1)");
  Update("CREATE MATERIALIZED VIEW v AS SELECT k, sum(i) AS s FROM t GROUP BY ALL");
  Update("CREATE TEMP TABLE t (i INTEGER, k INTEGER); INSERT INTO temp.t VALUES (100, 1)");
  Update("UPDATE memory.main.t SET i = i + 1");
  ExpectOracle("v", "SELECT k, sum(i) AS s FROM memory.main.t GROUP BY ALL");
  Update("CREATE MATERIALIZED VIEW w AS SELECT k, sum(i) AS s FROM memory.main.t GROUP BY ALL");
  ExpectOracle("w", "SELECT k, sum(i) AS s FROM memory.main.t GROUP BY ALL");
  Update("CREATE TABLE c (i INTEGER) WITH (keep_rows = false)");
  Update("CREATE TEMP TABLE c (i INTEGER); INSERT INTO temp.c VALUES (5)");
  Update("INSERT INTO memory.main.c VALUES (1)");
  EXPECT_EQ(Rows("SELECT * FROM temp.c"), "5\n");
}

// Captured rows lack what is computed when it is read.
TEST_F(SessionTablesTest, ViewOverAGeneratedColumnIsRefused) {
  Update("CREATE TABLE t (i INTEGER, j INTEGER GENERATED ALWAYS AS (i * 2))");
  EXPECT_THAT(UpdateError("CREATE MATERIALIZED VIEW v AS SELECT j, count(*) AS n FROM t GROUP BY ALL"),
              HasSubstr("cannot use the generated column j: write its expression out"));
  Update("CREATE MATERIALIZED VIEW v AS SELECT i * 2 AS j, count(*) AS n FROM t GROUP BY ALL");
  Update("INSERT INTO t VALUES (1)");
  ExpectOracle("v", "SELECT i * 2 AS j, count(*) AS n FROM t GROUP BY ALL");
}

TEST_F(SessionTablesTest, ARenamedTableKeepsItsOptions) {
  Update("CREATE TABLE e (ts TIMESTAMP, k INTEGER) WITH (time = 'ts', keep_rows = false)");
  Update("INSERT INTO e VALUES ('2024-01-01', 1)");
  Update("ALTER TABLE e RENAME TO f");
  Update("INSERT INTO f VALUES ('2024-01-01', 1)");
  EXPECT_THAT(Rows("SELECT * FROM f"), HasSubstr("keeps no rows"));
  EXPECT_THAT(UpdateError("CREATE MATERIALIZED VIEW f_all AS SELECT k, count(*) AS c FROM f GROUP BY ALL"),
              HasSubstr("backfill"));
  Update("ALTER TABLE f RENAME COLUMN ts TO moment");
  const auto tables = commits_->Tables();
  ASSERT_EQ(tables.size(), 1U);
  EXPECT_EQ(tables[0].table.name, "f");
  EXPECT_EQ(tables[0].options.time_column, "moment");
  EXPECT_FALSE(tables[0].options.keep_rows);
  EXPECT_EQ(tables[0].rows_accepted, 2);
  Update("CREATE TABLE e (k INTEGER)");
  Update("INSERT INTO e VALUES (1)");
  EXPECT_EQ(Rows("SELECT * FROM e"), "1\n");
}

TEST_F(SessionTablesTest, TablesThatSwapNamesSwapOptions) {
  Update("CREATE TABLE kept (k INTEGER)");
  Update("CREATE TABLE gone (k INTEGER) WITH (keep_rows = false)");
  Update("INSERT INTO kept VALUES (1)");
  Update("ALTER TABLE kept RENAME TO other; ALTER TABLE gone RENAME TO kept; ALTER TABLE other RENAME TO gone");
  Update("INSERT INTO kept VALUES (2); INSERT INTO gone VALUES (3)");
  EXPECT_EQ(Rows("SELECT * FROM gone ORDER BY k"), "1\n3\n");
  EXPECT_THAT(Rows("SELECT * FROM kept"), HasSubstr("keeps no rows"));
  Update(
      "DROP TABLE kept; CREATE TABLE kept (k INTEGER); ALTER TABLE kept RENAME TO fresh; INSERT INTO fresh VALUES (4)");
  EXPECT_EQ(Rows("SELECT * FROM fresh"), "4\n");
}

TEST_F(SessionTablesTest, AViewMadeAfterARenameCountsTheRowsBefore) {
  Update("CREATE TABLE a (k INTEGER)");
  Update("INSERT INTO a VALUES (1), (1)");
  Update(
      "ALTER TABLE a RENAME TO b; CREATE MATERIALIZED VIEW b_all AS SELECT k, count(*) AS c FROM b GROUP BY ALL; "
      "INSERT INTO b VALUES (1)");
  EXPECT_EQ(Rows("SELECT * FROM b_all"), "1|3\n");
}

TEST_F(SessionTablesTest, ARenamingThatFailsCarriesNothing) {
  Update("CREATE TABLE a (k INTEGER) WITH (keep_rows = false)");
  Update("CREATE TABLE b (k INTEGER)");
  Update("BEGIN");
  EXPECT_THAT(UpdateError("ALTER TABLE a RENAME TO b"), HasSubstr("b"));
  Update("ROLLBACK");
  Update("CREATE TEMPORARY TABLE a (k INTEGER)");
  Update("ALTER TABLE a RENAME TO c");
  Update("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)");
  EXPECT_THAT(Rows("SELECT * FROM a"), HasSubstr("keeps no rows"));
  EXPECT_EQ(Rows("SELECT * FROM b"), "1\n");
}

TEST_F(SessionTablesTest, ARefusedChangeLeavesTheSessionItsTimeZone) {
  Update("SET TimeZone = 'America/St_Johns'");
  Update("CREATE TABLE z (ts TIMESTAMPTZ, s VARCHAR)");
  Update(
      "CREATE MATERIALIZED VIEW z_1d AS SELECT date_trunc('day', ts) AS day, sum(s::INTEGER) AS n FROM z GROUP BY ALL");
  Update("INSERT INTO z VALUES ('2024-01-02 02:00:00+00', '1')");
  Update("SET TimeZone = 'UTC'");
  EXPECT_THAT(UpdateError("UPDATE z SET s = 'x'"), HasSubstr("Could not convert"));
  EXPECT_EQ(Rows("SELECT current_setting('TimeZone')"), "UTC\n");
  Update("UPDATE z SET s = '2'");
  EXPECT_EQ(Rows("SELECT n FROM z_1d"), "2\n");
}

TEST_F(SessionTablesTest, RowsAfterASaveAreNotForgottenByACrash) {
  const std::string folder = ::testing::TempDir() + "hyprstream_session_gone_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  Open(folder + "/data.duckdb");
  Update("CREATE TABLE e (k INTEGER) WITH (keep_rows = false)");
  EXPECT_TRUE(commits_->SaveStates(commit::Saving::kMeanwhile).ok());
  Update("INSERT INTO e VALUES (1)");
  session_.reset();
  Open(folder + "/data.duckdb");  // nothing was saved at the end
  EXPECT_THAT(UpdateError("CREATE MATERIALIZED VIEW e_all AS SELECT count(*) AS c FROM e"), HasSubstr("backfill"));
  std::filesystem::remove_all(folder);
}

TEST_F(SessionTablesTest, PathOfATableIsTheLastingOne) {
  Update("CREATE TABLE t (lasting INTEGER)");
  Update("CREATE TEMPORARY TABLE t (temporary VARCHAR)");
  for (const TableRef& table : {TableRef{.schema = "", .name = "t"}, TableRef{.schema = "main", .name = "t"}}) {
    const auto schema = session_->TableSchema(context_, table);
    ASSERT_TRUE(schema.ok()) << schema.status();
    EXPECT_EQ((*schema)->field(0)->name(), "lasting");
    EXPECT_EQ(Rows("SELECT count(lasting) FROM " + session_->LastingName(context_, table).ValueOrDie()), "0\n");
  }
}

}  // namespace
}  // namespace hyprstream::session
