// Tables that change under their options and views: made anew, named like a temporary one.
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "session/session_test_support.h"

namespace hyprstream::session {
namespace {

using ::testing::HasSubstr;

class SessionTablesTest : public SessionTest {
 protected:
  void ExpectOracle(const std::string& view, const std::string& select) {
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

}  // namespace
}  // namespace hyprstream::session
