// Sessions over the real engine and commit path: what a client may rely on, without a network.
#include "session/session.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/pretty_print.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <thread>

#include "commit/commit_path.h"
#include "engine/engine.h"
#include "session/session_registry.h"
#include "session/session_test_support.h"

namespace hyprstream::session {
namespace {

using ::testing::HasSubstr;

TEST_F(SessionTest, RunsStatements) {
  EXPECT_EQ(Update("CREATE TABLE t (i INTEGER, s VARCHAR)"), 0);
  EXPECT_EQ(Update("INSERT INTO t VALUES (1, 'a'), (2, NULL)"), 2);
  EXPECT_EQ(Rows("SELECT * FROM t ORDER BY i"), "1|a\n2|null\n");
  EXPECT_EQ(Update("UPDATE t SET s = 'x'"), 2);
  EXPECT_EQ(Rows("SELECT s, count(*) FROM t GROUP BY ALL"), "x|2\n");
  EXPECT_THAT(Rows("SELECT * FROM tt"), HasSubstr("Key error"));
  EXPECT_THAT(Rows("SELECT 1; SELECT 2"), HasSubstr("One statement per call"));
}

TEST_F(SessionTest, RunsDataChangesOnceWhenStarted) {
  Update("CREATE TABLE t (i INTEGER)");
  auto started = session_->Start(context_, "INSERT INTO t VALUES (1)", {}).ValueOrDie();
  EXPECT_EQ(started.rows_changed, 1);
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "1\n");
  EXPECT_EQ(session_->Fetch(context_, started.ticket).ValueOrDie()->ToRecordBatches().ValueOrDie().size(), 0U);
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "1\n");
  EXPECT_EQ(Rows("INSERT INTO t VALUES (2) RETURNING i + 1"), "3\n");
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "2\n");
  EXPECT_EQ(Rows("WITH d AS (DELETE FROM t RETURNING i) SELECT sum(i) FROM d"), "3\n");
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "0\n");
}

TEST_F(SessionTest, ScriptsAreAllOrNothing) {
  EXPECT_EQ(Update("CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1), (2); INSERT INTO t VALUES (3)"), 3);
  EXPECT_THAT(UpdateError("INSERT INTO t VALUES (4); CREATE TABLE u (i INTEGER); INSERT INTO nowhere VALUES (1)"),
              HasSubstr("Statement 3 of 3"));
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "3\n");
  EXPECT_THAT(Rows("SELECT * FROM u"), HasSubstr("ERROR"));
}

TEST_F(SessionTest, TransactionsCommitAndRollBack) {
  Update("CREATE TABLE t (i INTEGER)");
  Update("BEGIN");
  Update("INSERT INTO t VALUES (1)");
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "1\n");
  EXPECT_EQ(Rows("SELECT count(*) FROM t", NewSession("other").get()), "0\n");
  Update("ROLLBACK");
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "0\n");
  const auto transaction = session_->BeginTransaction(context_).ValueOrDie();
  EXPECT_EQ(Update("INSERT INTO t VALUES (1)", transaction), 1);
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "0\n");
  EXPECT_EQ(Rows("SELECT count(*) FROM t", nullptr, transaction), "1\n");
  EXPECT_TRUE(session_->EndTransaction(context_, transaction, true).ok());
  EXPECT_TRUE(session_->EndTransaction(context_, transaction, true).IsKeyError());
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "1\n");
  EXPECT_THAT(UpdateError("COMMIT"), HasSubstr("No transaction is open"));
}

TEST_F(SessionTest, TransactionsStayWhereTheirFirstReadWas) {
  Update("CREATE TABLE t (i INTEGER); CREATE MATERIALIZED VIEW v AS SELECT count(*) AS c FROM t");
  const auto other = NewSession("other");
  const auto insert = [&] { EXPECT_TRUE(other->Update(context_, "INSERT INTO t VALUES (1)", {}).ok()); };
  const std::string both = "SELECT (SELECT count(*) FROM t), c FROM v";
  const auto transaction = session_->BeginTransaction(context_).ValueOrDie();
  insert();  // a client that works without autocommit opens its transaction long before it uses it
  EXPECT_EQ(Rows(both, nullptr, transaction), "1|1\n");
  insert();
  EXPECT_EQ(Rows(both, nullptr, transaction), "1|1\n");
  EXPECT_TRUE(session_->EndTransaction(context_, transaction, true).ok());
  Update("BEGIN");
  insert();
  EXPECT_EQ(Rows(both), "3|3\n");
  insert();
  EXPECT_EQ(Rows(both), "3|3\n");
  Update("COMMIT");
  EXPECT_EQ(Rows(both), "4|4\n");
  Update("BEGIN; COMMIT; BEGIN; ROLLBACK");
  const auto unused = session_->BeginTransaction(context_).ValueOrDie();
  EXPECT_TRUE(session_->EndTransaction(context_, unused, true).ok());
}

TEST_F(SessionTest, KeepsTwoCursorsOpen) {
  const auto a = session_->Start(context_, "SELECT * FROM range(1000000)", {}).ValueOrDie();
  const auto b = session_->Start(context_, "SELECT * FROM range(1000000)", {}).ValueOrDie();
  auto first = session_->Fetch(context_, a.ticket).ValueOrDie();
  auto second = session_->Fetch(context_, b.ticket).ValueOrDie();
  std::int64_t rows = 0;
  for (;;) {
    const auto x = first->Next().ValueOrDie();
    const auto y = second->Next().ValueOrDie();
    if (x == nullptr && y == nullptr) break;
    rows += (x ? x->num_rows() : 0) + (y ? y->num_rows() : 0);
  }
  EXPECT_EQ(rows, 2000000);
}

TEST_F(SessionTest, SettingsAndTemporaryTablesStickToTheSession) {
  Update("CREATE SCHEMA s; CREATE TABLE s.t (i INTEGER); INSERT INTO s.t VALUES (7)");
  Update("CREATE TEMPORARY TABLE tmp AS SELECT 5 AS v");
  EXPECT_EQ(Rows("SELECT v FROM tmp"), "5\n");
  EXPECT_THAT(Rows("SELECT v FROM tmp", NewSession("other").get()), HasSubstr("ERROR"));
  Update("USE s");
  EXPECT_EQ(Rows("SELECT i FROM t"), "7\n");
  Update("SET TimeZone = 'Europe/Berlin'");
  EXPECT_EQ(session_->Options(context_).ValueOrDie().at("time_zone"), "Europe/Berlin");
  EXPECT_THAT(UpdateError("SET memory_limit = '1TB'"), HasSubstr("Invalid"));
}

TEST_F(SessionTest, PreparedStatementsTakeRowsOfParameters) {
  Update("CREATE TABLE t (i INTEGER, s VARCHAR)");
  const auto insert = session_->Prepare(context_, "INSERT INTO t VALUES (?, ?)", {}).ValueOrDie();
  EXPECT_FALSE(insert.is_query);
  EXPECT_EQ(insert.parameter_schema->num_fields(), 2);
  const auto schema = arrow::schema({arrow::field("1", arrow::int64()), arrow::field("2", arrow::utf8())});
  const auto rows =
      arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), R"([[1, "a"], [2, null], [3, "c"]])")
          .ValueOrDie();
  const auto batch = arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
  EXPECT_EQ(session_->UpdatePrepared(context_, insert.handle, {batch}).ValueOrDie(), 3);
  const auto query = session_->Prepare(context_, "SELECT s FROM t WHERE i = ?", {}).ValueOrDie();
  EXPECT_TRUE(query.is_query);
  const auto keys = arrow::RecordBatch::Make(arrow::schema({arrow::field("1", arrow::int64())}), 3, {batch->column(0)});
  ASSERT_TRUE(session_->Bind(query.handle, {keys}).ok());
  const auto started = session_->StartPrepared(context_, query.handle).ValueOrDie();
  const auto table = arrow::Table::FromRecordBatches(
                         session_->Fetch(context_, started.ticket).ValueOrDie()->ToRecordBatches().ValueOrDie())
                         .ValueOrDie();
  EXPECT_EQ(table->num_rows(), 3);
  EXPECT_TRUE(session_->ClosePrepared(query.handle).ok());
  EXPECT_TRUE(session_->StartPrepared(context_, query.handle).status().IsKeyError());
}

TEST_F(SessionTest, ViewsFollowEveryKindOfChange) {
  MakeSales();
  Update(
      "INSERT INTO sales SELECT TIMESTAMP '2024-01-01' + INTERVAL (i) SECOND, 'r' || (i % 3), i / 8, i FROM "
      "range(1000) t(i)");
  ExpectOracle();
  EXPECT_EQ(Rows("SELECT count(*), sum(orders) FROM sales_5m"), "12|1000\n");
  Update("INSERT INTO sales VALUES (NULL, NULL, NULL, NULL), ('2023-01-01', NULL, 1, 2)");
  ExpectOracle();
  Update("UPDATE sales SET amount = amount + 1, n = -n WHERE region = 'r1'");
  ExpectOracle();
  Update("DELETE FROM sales WHERE n % 5 = 0");
  ExpectOracle();
  Update(
      "MERGE INTO sales USING (SELECT 7 AS k UNION ALL SELECT 5000) s ON sales.n = s.k WHEN MATCHED THEN UPDATE SET "
      "amount = 1000 WHEN NOT MATCHED THEN INSERT VALUES (TIMESTAMP '2025-01-01', 'new', 1, s.k)");
  ExpectOracle();
  Update(
      "WITH d AS (DELETE FROM sales WHERE n < -900 RETURNING *) INSERT INTO sales SELECT ts + INTERVAL 1 DAY, region, "
      "amount, n FROM d");
  ExpectOracle();
  Update("BEGIN");
  Update("INSERT INTO sales VALUES ('2024-05-01', 'x', 1, 1)");
  Update("DELETE FROM sales WHERE region = 'r2'");
  Update("UPDATE sales SET n = 3 WHERE region = 'x'");
  const auto before = Rows("SELECT count(*) FROM sales_5m");
  Update("ROLLBACK");
  ExpectOracle();
  EXPECT_EQ(Rows("SELECT count(*) FROM sales_5m"), before);
  Update("BEGIN; INSERT INTO sales VALUES ('2024-05-01', 'x', 1, 1); DELETE FROM sales WHERE region = 'r2'; COMMIT");
  ExpectOracle();
  Update("TRUNCATE sales");
  ExpectOracle();
  EXPECT_EQ(Rows("SELECT count(*) FROM sales_5m"), "0\n");
}

TEST_F(SessionTest, ViewsAreCreatedReplacedAndDropped) {
  MakeSales();
  Update("INSERT INTO sales VALUES ('2024-01-01', 'a', 1.5, 1), ('2024-01-01', 'a', 2.5, 2)");
  Update("CREATE MATERIALIZED VIEW IF NOT EXISTS sales_5m AS SELECT 1");
  EXPECT_THAT(UpdateError("CREATE MATERIALIZED VIEW sales_5m AS SELECT region, count(*) AS c FROM sales GROUP BY ALL"),
              HasSubstr("already exists"));
  Update("CREATE OR REPLACE MATERIALIZED VIEW sales_5m AS SELECT region, count(*) AS c FROM sales GROUP BY ALL");
  EXPECT_EQ(Rows("SELECT * FROM sales_5m"), "a|2\n");
  EXPECT_EQ(Rows("SELECT s.region, c, x.n FROM sales_5m s JOIN sales x USING (region) WHERE c > 1 ORDER BY n"),
            "a|2|1\na|2|2\n");
  EXPECT_THAT(UpdateError("DROP TABLE sales"), HasSubstr("sales_5m"));
  EXPECT_THAT(UpdateError("DROP VIEW sales_5m"), HasSubstr("DROP MATERIALIZED VIEW"));
  EXPECT_THAT(UpdateError("ALTER TABLE sales DROP COLUMN region"), HasSubstr("sales_5m"));
  Update("DROP MATERIALIZED VIEW sales_5m");
  EXPECT_THAT(Rows("SELECT * FROM sales_5m"), HasSubstr("ERROR"));
  EXPECT_THAT(UpdateError("DROP MATERIALIZED VIEW sales_5m"), HasSubstr("Unknown materialized view"));
  Update(
      "BEGIN; CREATE MATERIALIZED VIEW v AS SELECT count(*) AS c, sum(n) AS s FROM sales; INSERT INTO sales VALUES "
      "(NULL, 'z', 1, 5); COMMIT");
  EXPECT_EQ(Rows("SELECT * FROM v"), "3|8\n");
  Update("BEGIN; DROP MATERIALIZED VIEW v; ROLLBACK");
  EXPECT_EQ(Rows("SELECT * FROM v"), "3|8\n");
}

TEST_F(SessionTest, NoViewIsMadeInTheServersOwnSchemas) {
  Update("CREATE TABLE t (i INTEGER)");
  for (const std::string view : {"__hyprstream.v", "hyprstream.v", "__HYPRSTREAM.v", "\"Hyprstream\".tables"}) {
    EXPECT_THAT(UpdateError("CREATE MATERIALIZED VIEW " + view + " AS SELECT count(*) AS c FROM t"),
                HasSubstr("own tables is not allowed"));
  }
}

TEST_F(SessionTest, ATransactionReadsTheViewsItCreated) {
  Update("CREATE TABLE other (n INTEGER); CREATE MATERIALIZED VIEW o AS SELECT count(*) AS c FROM other");
  Update("BEGIN");
  Update("CREATE TABLE t (k INTEGER, v INTEGER)");
  Update("INSERT INTO t VALUES (1, 10), (2, 20)");
  Update("CREATE MATERIALIZED VIEW v AS SELECT k, sum(v) AS s FROM t GROUP BY ALL");
  EXPECT_EQ(Rows("SELECT * FROM v ORDER BY k"), "1|10\n2|20\n");
  Update("INSERT INTO t VALUES (1, 5)");
  EXPECT_EQ(Rows("SELECT * FROM v ORDER BY k"), "1|10\n2|20\n");  // as its table was when it was created
  const auto other = NewSession("other");
  EXPECT_THAT(Rows("SELECT * FROM v", other.get()), HasSubstr("ERROR"));
  Update("DROP MATERIALIZED VIEW o");
  EXPECT_EQ(Rows("SELECT * FROM o", other.get()), "0\n");
  Update("COMMIT");
  EXPECT_EQ(Rows("SELECT * FROM v ORDER BY k", other.get()), "1|15\n2|20\n");
  EXPECT_THAT(Rows("SELECT * FROM o", other.get()), HasSubstr("ERROR"));
  Update("BEGIN; CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT count(*) AS c FROM t");
  EXPECT_EQ(Rows("SELECT * FROM v"), "3\n");
  EXPECT_EQ(Rows("SELECT * FROM v ORDER BY k", other.get()), "1|15\n2|20\n");
  Update("DELETE FROM t WHERE k = 2");
  Update("DROP MATERIALIZED VIEW v");
  EXPECT_THAT(Rows("SELECT * FROM v"), HasSubstr("ERROR"));
  Update("ROLLBACK");
  EXPECT_EQ(Rows("SELECT * FROM v ORDER BY k"), "1|15\n2|20\n");
}

TEST_F(SessionTest, AViewMadeBesideItsTableGetsEveryRowOfTheTransaction) {
  Update("BEGIN; CREATE TABLE e (k INTEGER) WITH (keep_rows = false); INSERT INTO e VALUES (1), (1)");
  Update("CREATE MATERIALIZED VIEW ev AS SELECT k, count(*) AS c FROM e GROUP BY ALL; INSERT INTO e VALUES (2)");
  EXPECT_EQ(Rows("SELECT * FROM ev ORDER BY k"), "1|2\n");
  Update("COMMIT");
  EXPECT_EQ(Rows("SELECT * FROM ev ORDER BY k"), "1|2\n2|1\n");
  Update("BEGIN; CREATE TABLE t (k INTEGER); INSERT INTO t VALUES (1); ALTER TABLE t ADD COLUMN n INTEGER DEFAULT 7");
  Update("CREATE MATERIALIZED VIEW tv AS SELECT k, sum(n) AS s FROM t GROUP BY ALL; INSERT INTO t VALUES (1, 1)");
  Update("UPDATE t SET n = n + 1; COMMIT");
  EXPECT_EQ(Rows("SELECT * FROM tv"), "1|10\n");
}

// Rows that others commit between a view's creation and its COMMIT, and changes of their own.
TEST_F(SessionTest, AViewBeingCreatedFollowsOtherCommits) {
  Update("CREATE TABLE t (k INTEGER); INSERT INTO t VALUES (1)");
  const auto run = [&](const std::string& script, const std::string& rows) {
    const auto transaction = session_->BeginTransaction(context_).ValueOrDie();
    Update("INSERT INTO t VALUES (10)");  // after the transaction's snapshot
    Update("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, count(*) AS c FROM t GROUP BY ALL", transaction);
    Update("INSERT INTO t VALUES (20)");
    if (!script.empty()) Update(script);
    Update("INSERT INTO t VALUES (30)", transaction);
    EXPECT_TRUE(session_->EndTransaction(context_, transaction, true).ok());
    EXPECT_EQ(Rows("SELECT * FROM v ORDER BY k"), rows);
    EXPECT_EQ(Rows("SELECT * FROM v ORDER BY k"), Rows("SELECT k, count(*) FROM t GROUP BY ALL ORDER BY k"));
  };
  run("", "1|1\n10|1\n20|1\n30|1\n");
  run("DELETE FROM t WHERE k < 20", "20|2\n30|2\n");
  run("UPDATE t SET k = k + 1", "11|1\n21|3\n30|1\n31|2\n");
}

// The table of a view being created is dropped, and the other way round: one of them is refused.
TEST_F(SessionTest, AViewAndItsTablesEndCannotCommitTogether) {
  Update("CREATE TABLE t (k INTEGER)");
  auto transaction = session_->BeginTransaction(context_).ValueOrDie();
  Update("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS c FROM t", transaction);
  Update("DROP TABLE t");
  const auto refused = session_->EndTransaction(context_, transaction, true);
  EXPECT_THAT(refused.ToString(), HasSubstr("was changed while materialized view v was created"));
  EXPECT_THAT(Rows("SELECT * FROM v"), HasSubstr("ERROR"));
  Update("CREATE TABLE t (k INTEGER)");
  transaction = session_->BeginTransaction(context_).ValueOrDie();
  Update("DROP TABLE t", transaction);
  Update("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS c FROM t");
  EXPECT_THAT(session_->EndTransaction(context_, transaction, true).ToString(), HasSubstr("materialized view v"));
  EXPECT_EQ(Rows("SELECT * FROM v"), "0\n");
}

// A transaction's own DDL is checked, not what others made after its snapshot.
TEST_F(SessionTest, DdlBesideANewViewIsNotRefused) {
  const auto transaction = session_->BeginTransaction(context_).ValueOrDie();
  Update("CREATE TABLE mine (i INTEGER)", transaction);
  Update("CREATE TABLE t (k INTEGER); CREATE MATERIALIZED VIEW v AS SELECT count(*) AS c FROM t");
  EXPECT_TRUE(session_->EndTransaction(context_, transaction, true).ok());
}

TEST_F(SessionTest, ATableUnderAViewIsNotReplaced) {
  MakeSales();
  Update("INSERT INTO sales VALUES ('2024-01-01', 'a', 1.5, 1)");
  EXPECT_THAT(UpdateError("CREATE OR REPLACE TABLE sales AS SELECT * FROM sales LIMIT 0"), HasSubstr("sales_5m"));
  EXPECT_THAT(UpdateError("ALTER TABLE sales RENAME TO s2"), HasSubstr("sales_5m"));
  EXPECT_THAT(UpdateError("CREATE OR REPLACE VIEW sales_5m AS SELECT 1 AS one"), HasSubstr("DROP MATERIALIZED VIEW"));
  Update("CREATE TABLE IF NOT EXISTS sales (i INTEGER)");
  Update("CREATE INDEX sales_n ON sales (n)");
  Update("ALTER TABLE sales ADD COLUMN note VARCHAR");
  Update("INSERT INTO sales VALUES ('2024-01-01', 'a', 1.5, 1, 'x')");
  ExpectOracle();
  Update("BEGIN; DELETE FROM sales WHERE note = 'x'; ROLLBACK");
  for (const std::string change : {"DELETE FROM sales WHERE note = 'x'", "UPDATE sales SET n = 50",
                                   "INSERT INTO sales (region, n) VALUES ('b', 2)"}) {
    const auto changed = session_->Update(
        context_,
        "BEGIN; " + change + "; ALTER TABLE sales ADD COLUMN c" + std::to_string(change.size()) + " INTEGER; COMMIT",
        {});
    if (!changed.ok()) Update("ROLLBACK");
    ExpectOracle();
  }
}

TEST_F(SessionTest, ViewsInOtherSchemasSurviveARestart) {
  const std::string folder = ::testing::TempDir() + "hyprstream_session_schema_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  Open(folder + "/data.duckdb");
  Update("CREATE SCHEMA s; USE s");
  Update("CREATE TABLE t (k INTEGER) WITH (keep_rows = false)");
  Update("CREATE TABLE r (k INTEGER)");
  Update("CREATE MATERIALIZED VIEW tv AS SELECT k, count(*) AS c FROM t GROUP BY ALL");
  Update("CREATE MATERIALIZED VIEW rv AS SELECT k, count(*) AS c FROM r GROUP BY ALL");
  Update("INSERT INTO t VALUES (1); INSERT INTO r VALUES (2)");
  EXPECT_EQ(Rows("SELECT * FROM s.tv"), "1|1\n");
  session_.reset();
  EXPECT_TRUE(commits_->SaveStates(commit::Saving::kAtEnd).ok());
  Open(folder + "/data.duckdb");
  EXPECT_EQ(Rows("SELECT * FROM s.tv"), "1|1\n");
  EXPECT_EQ(Rows("SELECT * FROM s.rv"), "2|1\n");
  EXPECT_THAT(UpdateError("CREATE MATERIALIZED VIEW s.late AS SELECT sum(k) AS c FROM s.t"), HasSubstr("backfill"));
  Update("CREATE MATERIALIZED VIEW s.late AS SELECT count(*) AS c FROM s.t");
  EXPECT_EQ(Rows("SELECT * FROM s.late"), "1\n");
  Update("CREATE TEMPORARY TABLE r (other VARCHAR)");  // hides s.r from this session, but not from the view
  Update("CREATE TABLE s.more (i INTEGER)");
  Update("ALTER TABLE s.r ADD COLUMN n INTEGER");
  EXPECT_EQ(Rows("SELECT * FROM s.rv"), "2|1\n");
  std::filesystem::remove_all(folder);
}

// Each round a view is created while others insert, update and delete: it must miss none of their rows.
TEST_F(SessionTest, ViewsCreatedBesideWritersMissNothing) {
  Update("CREATE TABLE t (k INTEGER, v INTEGER)");
  std::atomic<bool> done = false;
  std::vector<std::thread> writers;
  for (int w = 0; w < 3; ++w) {
    writers.emplace_back([&, w] {
      const auto session = NewSession("w" + std::to_string(w));
      for (int i = 0; !done; ++i) {
        const auto id = std::to_string(w * 1'000'000 + i);
        ARROW_UNUSED(session->Update(context_, "INSERT INTO t VALUES (" + id + " % 5, " + id + ")", {}));
        if (i % 7 == 3) ARROW_UNUSED(session->Update(context_, "DELETE FROM t WHERE v % 3 = 0", {}));
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    Update("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, count(*) AS c, sum(v) AS s FROM t GROUP BY ALL");
    EXPECT_EQ(Rows("(FROM v EXCEPT SELECT k, count(*), sum(v) FROM t GROUP BY ALL) UNION ALL "
                   "(SELECT k, count(*), sum(v) FROM t GROUP BY ALL EXCEPT FROM v)"),
              "");
  }
  done = true;
  for (auto& writer : writers) writer.join();
}

TEST_F(SessionTest, SaysWhatAnswered) {
  MakeSales();
  EXPECT_EQ(session_->Start(context_, "SELECT * FROM sales", {}).ValueOrDie().route, "local");
  EXPECT_EQ(session_->Start(context_, "SELECT * FROM sales_5m", {}).ValueOrDie().route, "aggregate");
  EXPECT_THAT(Rows("EXPLAIN SELECT * FROM sales_5m"),
              HasSubstr("route|aggregate (states of materialized view sales_5m)"));
  const auto prepared = session_->Prepare(context_, "SELECT * FROM sales_5m", {}).ValueOrDie();
  EXPECT_EQ(session_->StartPrepared(context_, prepared.handle).ValueOrDie().route, "aggregate");
}

// Stock clients prepare everything.
TEST_F(SessionTest, SaysWhatAnsweredAlsoWhenPrepared) {
  MakeSales();
  const auto prepared = session_->Prepare(context_, "EXPLAIN SELECT * FROM sales_5m", {}).ValueOrDie();
  const auto started = session_->StartPrepared(context_, prepared.handle).ValueOrDie();
  EXPECT_TRUE(started.schema->Equals(*prepared.dataset_schema));
  const auto table = session_->Fetch(context_, started.ticket).ValueOrDie()->ToTable().ValueOrDie();
  EXPECT_EQ(table->column(0)->GetScalar(table->num_rows() - 1).ValueOrDie()->ToString(), "route");
}

TEST_F(SessionTest, TablesThatKeepNoRowsAnswerThroughTheirViews) {
  Update("CREATE TABLE e (ts TIMESTAMP, k INTEGER) WITH (time = 'ts', keep_rows = false)");
  Update("CREATE MATERIALIZED VIEW e_all AS SELECT k, count(*) AS c FROM e GROUP BY ALL");
  EXPECT_EQ(Update("INSERT INTO e SELECT TIMESTAMP '2024-01-01', i % 2 FROM range(10) t(i)"), 10);
  EXPECT_EQ(Rows("SELECT * FROM e_all ORDER BY k"), "0|5\n1|5\n");
  EXPECT_THAT(Rows("SELECT * FROM e"), HasSubstr("e_all"));
  EXPECT_THAT(UpdateError("DELETE FROM e"), HasSubstr("keep"));
  EXPECT_THAT(UpdateError("CREATE MATERIALIZED VIEW e2 AS SELECT sum(k) AS c FROM e"), HasSubstr("backfill"));
  Update("CREATE MATERIALIZED VIEW e2 WITH (backfill = false) AS SELECT count(*) AS c FROM e");
  Update("INSERT INTO e VALUES (NULL, 9)");
  EXPECT_EQ(Rows("SELECT c FROM e2"), "1\n");
  EXPECT_THAT(UpdateError("CREATE TABLE bad (i INTEGER PRIMARY KEY) WITH (keep_rows = false)"), HasSubstr("key"));
  EXPECT_THAT(UpdateError("CREATE TABLE bad (i INTEGER) WITH (tyme = 'i')"), HasSubstr("did you mean time"));
}

TEST_F(SessionTest, DuplicateKeyAtCommitLeavesTableAndViewUntouched) {
  Update("CREATE TABLE p (i INTEGER PRIMARY KEY, v INTEGER)");
  Update("CREATE MATERIALIZED VIEW pv AS SELECT count(*) AS c, sum(v) AS s FROM p");
  const auto a = session_->BeginTransaction(context_).ValueOrDie();
  const auto b = session_->BeginTransaction(context_).ValueOrDie();
  Update("INSERT INTO p VALUES (1, 10)", a);
  Update("INSERT INTO p VALUES (1, 20)", b);
  EXPECT_TRUE(session_->EndTransaction(context_, a, true).ok());
  EXPECT_FALSE(session_->EndTransaction(context_, b, true).ok());
  EXPECT_EQ(Rows("SELECT * FROM pv"), "1|10\n");
  EXPECT_EQ(Rows("SELECT * FROM p"), "1|10\n");
}

TEST_F(SessionTest, CancelStopsAnEndlessQuery) {
  std::atomic<bool> gone = false;
  const RequestContext context{.request_id = "c", .identity = {}, .cancelled = [&] { return gone.load(); }};
  const auto started =
      session_
          ->Start(context, "SELECT count(*) FROM range(10000000000) a, range(1000) b WHERE a.range % 7 = b.range % 5",
                  {})
          .ValueOrDie();
  auto reader = session_->Fetch(context, started.ticket).ValueOrDie();
  gone = true;
  EXPECT_TRUE(reader->Next().status().IsCancelled());
  EXPECT_EQ(Rows("SELECT 1"), "1\n");
}

TEST_F(SessionTest, ClosingASessionStopsWhatItRuns) {
  Update("CREATE TABLE t (i BIGINT)");
  auto running = std::async(std::launch::async, [&] {
    return session_->Update(context_, std::string("INSERT INTO t ") + kEndless, {}).status();
  });
  WaitFor([&] { return StateOf("INSERT INTO t") == "running"; });
  EXPECT_TRUE(registry_->Close({.kind = SessionKey::Kind::kConnection, .value = "main"}));
  const auto status = running.get();
  EXPECT_TRUE(status.IsCancelled()) << status;
  EXPECT_THAT(status.message(), HasSubstr("session was closed"));
  EXPECT_EQ(StateOf("INSERT INTO t"), "cancelled");
  EXPECT_EQ(Rows("SELECT count(*) FROM t", NewSession("other").get()), "0\n");
}

TEST_F(SessionTest, ClosingAPreparedStatementStopsItsUpdate) {
  Update("CREATE TABLE t (i BIGINT)");
  const auto handle = session_->Prepare(context_, std::string("INSERT INTO t ") + kEndless, {}).ValueOrDie().handle;
  auto running =
      std::async(std::launch::async, [&] { return session_->UpdatePrepared(context_, handle, {}).status(); });
  WaitFor([&] { return StateOf("INSERT INTO t") == "running"; });
  EXPECT_TRUE(session_->ClosePrepared(handle).ok());
  EXPECT_TRUE(running.get().IsCancelled());
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "0\n");
}

TEST_F(SessionTest, ClosingAPreparedStatementStopsItsStartButNoTicket) {
  Update("CREATE TABLE t (i BIGINT)");
  const auto query = session_->Prepare(context_, "SELECT 7", {}).ValueOrDie().handle;
  const auto ticket = session_->StartPrepared(context_, query).ValueOrDie().ticket;
  EXPECT_TRUE(session_->ClosePrepared(query).ok());
  EXPECT_TRUE(session_->Fetch(context_, ticket).ValueOrDie()->Next().ok());
  const auto text = std::string("INSERT INTO t ") + kEndless + " RETURNING i";
  const auto handle = session_->Prepare(context_, text, {}).ValueOrDie().handle;
  auto running = std::async(std::launch::async, [&] { return session_->StartPrepared(context_, handle).status(); });
  WaitFor([&] { return StateOf("INSERT INTO t") == "running"; });
  EXPECT_TRUE(session_->ClosePrepared(handle).ok());
  EXPECT_TRUE(running.get().IsCancelled());
}

TEST_F(SessionTest, StatementsEndAtTheirTimeLimit) {
  Reopen({.statement_max = std::chrono::milliseconds(100)});
  EXPECT_THAT(Rows(kEndless), HasSubstr("statement_timeout_s"));
  EXPECT_EQ(StateOf("SELECT count(*) FROM range"), "cancelled");
  Update("CREATE TABLE t (i BIGINT)");
  EXPECT_THAT(UpdateError(std::string("INSERT INTO t ") + kEndless), HasSubstr("statement_timeout_s"));
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "0\n");
}

TEST_F(SessionTest, ATicketIsCancelledFromAnotherSessionOfItsUser) {
  const auto started = session_->Start(context_, kEndless, {}).ValueOrDie();
  auto reader = session_->Fetch(context_, started.ticket).ValueOrDie();
  auto next = std::async(std::launch::async, [&] { return reader->Next().status(); });
  const auto found = registry_->FindTicket({}, started.ticket).ValueOrDie();
  EXPECT_TRUE(registry_->FindTicket({.user = "eve", .admin = true}, started.ticket).status().IsKeyError());
  EXPECT_TRUE(found->Cancel(started.ticket).ValueOrDie());
  EXPECT_TRUE(next.get().IsCancelled());
  reader.reset();
  EXPECT_FALSE(found->Cancel(started.ticket).ValueOrDie());
}

TEST_F(SessionTest, AbandonedThingsExpire) {
  Reopen({.idle_max = std::chrono::milliseconds(200)});
  Update("CREATE TABLE t (i BIGINT)");
  const auto ticket = session_->Start(context_, "SELECT 1", {}).ValueOrDie().ticket;
  const auto prepared = session_->Prepare(context_, "SELECT 2", {}).ValueOrDie().handle;
  const auto transaction = session_->BeginTransaction(context_).ValueOrDie();
  Update("INSERT INTO t VALUES (1)", transaction);
  NewSession("leaver");
  // The main session is used all the time, what is inside it is not; the other one is not used at all.
  // Nor is the transaction touched before it has ended: to ask for its end would commit it.
  WaitFor([&] {
    const auto others_ended = NewSession("main")->ClosePrepared(prepared).IsKeyError();
    const auto sessions = registry_->Sessions();
    return others_ended && sessions.size() == 1 && !sessions[0].in_transaction;
  });
  EXPECT_TRUE(session_->EndTransaction(context_, transaction, true).IsKeyError());
  EXPECT_TRUE(session_->Fetch(context_, ticket).status().IsKeyError());
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "0\n");
}

TEST_F(SessionTest, AUsersLongestUnusedSessionMakesRoom) {
  Reopen({.sessions_max = 3});
  const Identity ada{.user = "ada", .admin = false};
  const auto open = [&](const std::string& key, const Identity& identity) {
    return registry_->Open({.kind = SessionKey::Kind::kConnection, .value = key}, identity, "test");
  };
  EXPECT_TRUE(open("a", ada).ok());
  EXPECT_TRUE(open("b", ada).ok());
  ASSERT_TRUE(open("c", ada).ok());  // in the place of a
  const auto mine = open("b", ada).ValueOrDie();
  EXPECT_TRUE(mine->BeginTransaction(context_).ok());
  const auto other = open("c", ada).ValueOrDie();
  EXPECT_TRUE(other->BeginTransaction(context_).ok());
  const auto full = open("d", ada).status();  // b and c hold work, the third is another user's
  EXPECT_TRUE(full.IsCapacityError()) << full;
  EXPECT_EQ(registry_->Sessions().size(), 3U);
}

TEST_F(SessionTest, WhatAnEarlierCallMustHaveMadeMakesNoSession) {
  const SessionKey unknown{.kind = SessionKey::Kind::kConnection, .value = "unknown"};
  EXPECT_EQ(registry_->Find(unknown, {}, "test").ValueOrDie(), nullptr);
  EXPECT_FALSE(registry_->Close(unknown));
  EXPECT_EQ(registry_->Sessions().size(), 1U);
  const SessionKey known{.kind = SessionKey::Kind::kConnection, .value = "main"};
  EXPECT_EQ(registry_->Find(known, {}, "test").ValueOrDie(), session_);
  EXPECT_TRUE(registry_->Find(known, {.user = "eve", .admin = true}, "test").status().IsInvalid());
}

TEST_F(SessionTest, ASessionEndsAfterTheLastOfItsConnections) {
  Reopen({.grace_max = std::chrono::milliseconds(0)});
  Update("CREATE TABLE t (i BIGINT)");
  for (const char* peer : {"a", "b"}) registry_->Connected(peer);
  const auto both = NewSession("both", "a");
  NewSession("both", "b");
  NewSession("one", "a");
  ASSERT_TRUE(both->Update(context_, "BEGIN", {}).ok());
  ASSERT_TRUE(both->Update(context_, "INSERT INTO t VALUES (1)", {}).ok());
  registry_->Disconnected("a");
  WaitFor([&] { return registry_->Sessions().size() == 2; });  // "main" and "both"
  ASSERT_TRUE(both->Update(context_, "INSERT INTO t VALUES (2)", {}).ok());
  registry_->Disconnected("b");
  WaitFor([&] { return registry_->Sessions().size() == 1; });
  EXPECT_TRUE(both->Update(context_, "COMMIT", {}).status().IsCancelled());
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "0\n");
}

TEST_F(SessionTest, ASessionWaitsForItsClientToConnectAgain) {
  const auto connections = [&] { return registry_->Sessions()[0].connections; };  // of the first by key, "back"
  registry_->Connected("a");
  const auto session = NewSession("back", "a");
  const auto transaction = session->BeginTransaction(context_).ValueOrDie();
  registry_->Disconnected("a");
  EXPECT_EQ(connections(), 0);
  registry_->Connected("b");
  EXPECT_EQ(NewSession("back", "b"), session);
  EXPECT_EQ(connections(), 1);
  EXPECT_TRUE(session->EndTransaction(context_, transaction, true).ok());
}

TEST_F(SessionTest, ACallThatOutranItsConnectionsEndKeepsNoSession) {
  Reopen({.idle_max = std::chrono::milliseconds(3'600'000), .grace_max = std::chrono::milliseconds(0)});
  registry_->Connected("a");
  registry_->Disconnected("a");
  NewSession("late", "a");
  registry_->Connected("b");
  NewSession("swept", "b");
  registry_->Disconnected("b");
  WaitFor([&] { return registry_->Sessions().size() == 1; });
}

TEST_F(SessionTest, SessionsWithoutAConnectionMakeRoomFirst) {
  Reopen({.sessions_max = 3});
  registry_->Connected("a");
  const auto left = NewSession("left", "a");
  ASSERT_TRUE(left->Update(context_, "BEGIN", {}).ok());
  registry_->Disconnected("a");
  const auto idle = NewSession("idle");  // used later, but the one before waits for nobody
  const auto main = NewSession("main");
  NewSession("next");
  EXPECT_TRUE(left->Update(context_, "COMMIT", {}).status().IsCancelled());
  EXPECT_TRUE(idle->Update(context_, "SELECT 1", {}).ok());
  EXPECT_TRUE(main->Update(context_, "SELECT 1", {}).ok());
}

TEST_F(SessionTest, AQueryIsOneEntryFromPlanningToItsLastRow) {
  const auto started = session_->Start(context_, "SELECT * FROM range(5000) AS rows_of_five_thousand", {}).ValueOrDie();
  EXPECT_EQ(StateOf("SELECT * FROM range(5000)"), "planned");
  auto reader = session_->Fetch(context_, started.ticket).ValueOrDie();
  EXPECT_EQ(StateOf("SELECT * FROM range(5000)"), "running");
  EXPECT_TRUE(reader->ToRecordBatches().ok());
  const auto entries = registry_->Queries();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].state, "finished");
  EXPECT_EQ(entries[0].rows, 5000);
  EXPECT_GT(entries[0].ms, 0);
}

TEST_F(SessionTest, EveryReadShowsOnePrefixOfCommits) {
  Update("CREATE TABLE t (k INTEGER, v BIGINT)");
  Update("CREATE MATERIALIZED VIEW tv AS SELECT count(*) AS c, sum(v) AS s FROM t");
  std::atomic<int> writing = 4;
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      const auto session = NewSession("w" + std::to_string(w));
      for (int i = 0; i < 50; ++i) {
        const auto written = session->Update(
            context_, "INSERT INTO t SELECT " + std::to_string(w) + ", range FROM range(" + std::to_string(i) + ")",
            {});
        EXPECT_TRUE(written.ok()) << written.status();
      }
      --writing;
    });
  }
  while (writing > 0) {
    EXPECT_EQ(Rows("SELECT (SELECT count(*) FROM t) - (SELECT c FROM tv), coalesce((SELECT sum(v) FROM t), 0) - "
                   "coalesce((SELECT s FROM tv), 0)"),
              "0|0\n");
  }
  for (auto& writer : writers) writer.join();
}

TEST_F(SessionTest, PutStreamsCommitBatchByBatch) {
  const auto schema = arrow::schema({arrow::field("k", arrow::int32()), arrow::field("v", arrow::int64())});
  EXPECT_TRUE(session_->OpenPut(context_, {.table = {.schema = "main", .name = "t"}}, schema).status().IsKeyError());
  auto put =
      session_->OpenPut(context_, {.table = {.schema = "main", .name = "t"}, .create = true}, schema).ValueOrDie();
  const auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), "[[1, 2], [3, 4]]").ValueOrDie();
  const auto batch = arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
  const auto outcome = put->Write({batch, batch, batch});
  EXPECT_EQ(outcome.error, nullptr);
  ASSERT_EQ(outcome.accepted.size(), 3U);
  EXPECT_EQ(outcome.accepted[1].rows_accepted, 4);
  EXPECT_EQ(Rows("SELECT count(*), sum(v) FROM t"), "6|18\n");
}

TEST_F(SessionTest, AFirstBatchThatIsRefusedMakesNoTable) {
  const auto schema = arrow::schema({arrow::field("v", arrow::utf8())});
  const auto no_utf8 = std::make_shared<arrow::StringArray>(
      1, arrow::Buffer::FromString(std::string("\0\0\0\0\1\0\0\0", 8)), arrow::Buffer::FromString("\xff"));
  const PutOptions options{.table = {.schema = "main", .name = "t"},
                           .create = true,
                           .first = arrow::RecordBatch::Make(schema, 1, {no_utf8})};
  EXPECT_TRUE(session_->OpenPut(context_, options, schema).status().IsInvalid());
  EXPECT_EQ(Rows("SELECT count(*) FROM duckdb_tables() WHERE table_name = 't'"), "0\n");
}

TEST_F(SessionTest, IngestModes) {
  const auto schema = arrow::schema({arrow::field("k", arrow::int32()), arrow::field("v", arrow::int64())});
  const auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), "[[1, 2], [3, 4]]").ValueOrDie();
  const auto batch = arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
  const auto ingest = [&](IngestOptions options) {
    options.table.name = "t";
    auto reader = arrow::RecordBatchReader::Make({batch, batch}, schema).ValueOrDie();
    return session_->Ingest(context_, options, *reader);
  };
  EXPECT_TRUE(ingest({}).status().IsKeyError());
  EXPECT_EQ(ingest({.if_missing = IngestIfMissing::kCreate, .if_exists = IngestIfExists::kFail}).ValueOrDie(), 4);
  EXPECT_TRUE(
      ingest({.if_missing = IngestIfMissing::kCreate, .if_exists = IngestIfExists::kFail}).status().IsAlreadyExists());
  EXPECT_EQ(ingest({}).ValueOrDie(), 4);
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "8\n");
  EXPECT_EQ(ingest({.if_missing = IngestIfMissing::kCreate, .if_exists = IngestIfExists::kReplace}).ValueOrDie(), 4);
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "4\n");
  EXPECT_EQ(ingest({.temporary = true, .if_missing = IngestIfMissing::kCreate}).ValueOrDie(), 4);
  EXPECT_EQ(Rows("SELECT count(*) FROM temp.t"), "4\n");
  const auto transaction = session_->BeginTransaction(context_).ValueOrDie();
  EXPECT_EQ(ingest({.transaction = transaction}).ValueOrDie(), 4);
  EXPECT_TRUE(session_->EndTransaction(context_, transaction, false).ok());
  EXPECT_EQ(Rows("SELECT count(*) FROM main.t"), "4\n");
}

TEST_F(SessionTest, DefinitionsAndStatesSurviveARestart) {
  const std::string folder = ::testing::TempDir() + "hyprstream_session_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  Open(folder + "/data.duckdb");
  MakeSales();
  Update("INSERT INTO sales VALUES ('2024-01-01', 'a', 1.5, 1)");
  Update("CREATE TABLE e (k INTEGER) WITH (keep_rows = false)");
  Update("CREATE MATERIALIZED VIEW e_all AS SELECT k, count(*) AS c FROM e GROUP BY ALL");
  Update("INSERT INTO e VALUES (1), (1), (2)");
  session_.reset();
  EXPECT_TRUE(commits_->SaveStates(commit::Saving::kAtEnd).ok());
  Open(folder + "/data.duckdb");
  ExpectOracle();
  EXPECT_EQ(Rows("SELECT orders FROM sales_5m"), "1\n");
  EXPECT_EQ(Rows("SELECT * FROM e_all ORDER BY k"), "1|2\n2|1\n");
  Update("INSERT INTO e VALUES (2)");
  EXPECT_EQ(Rows("SELECT * FROM e_all ORDER BY k"), "1|2\n2|2\n");
  std::filesystem::remove_all(folder);
}

TEST_F(SessionTest, AViewInAZoneOfItsOwnSurvivesARestart) {
  const std::string folder = ::testing::TempDir() + "hyprstream_session_zone_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  Open(folder + "/data.duckdb");
  Update("SET TimeZone = 'America/St_Johns'");
  for (const char* keep : {"true", "false"}) {
    const std::string table = std::string("z_") + keep;
    Update("CREATE TABLE " + table + " (ts TIMESTAMPTZ, n INTEGER) WITH (time = 'ts', keep_rows = " + keep + ")");
    Update("CREATE MATERIALIZED VIEW " + table + "_1d AS SELECT date_trunc('day', ts) AS day, sum(n) AS n FROM " +
           table + " GROUP BY ALL");
    Update("INSERT INTO " + table + " VALUES ('2024-01-02 02:00:00+00', 1), ('2024-01-02 04:00:00+00', 2)");
  }
  session_.reset();
  EXPECT_TRUE(commits_->SaveStates(commit::Saving::kAtEnd).ok());
  Open(folder + "/data.duckdb");  // its session's zone is UTC
  for (const char* keep : {"true", "false"}) {
    const std::string table = std::string("z_") + keep;
    Update("INSERT INTO " + table + " VALUES ('2024-01-02 03:00:00+00', 4)");
    Update("CREATE TABLE beside_" + table + " (i INTEGER)");  // definitions are checked again
    EXPECT_EQ(Rows("SELECT n FROM " + table + "_1d ORDER BY day"), "5\n2\n") << keep;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace hyprstream::session
