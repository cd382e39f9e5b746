// Queries that the states of views answer: combine(), views on views, and aggregations over the table itself.
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "session/session_test_support.h"

namespace hyprstream::session {
namespace {

using ::testing::HasSubstr;

class SessionViewsTest : public SessionTest {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    Update(
        "CREATE TABLE t (ts TIMESTAMP, k INTEGER, s VARCHAR, x DOUBLE, d DECIMAL(9, 2), o STRUCT(a TIME, b INTEGER)) "
        "WITH (time = 'ts')");
    Insert(0, 4000);
    Update(
        "CREATE MATERIALIZED VIEW v AS SELECT time_bucket(INTERVAL '5 minutes', ts) AS w, k, s, count(*) AS n, "
        "sum(d) AS total, avg(x) AS mean, max(s) AS top, min(o) AS early, stddev(k) AS dev, arg_max(s, x) AS best, "
        "count(x) FILTER (WHERE k > 2) AS big FROM t GROUP BY ALL");
  }

  void Insert(int from, int to) {
    Update(
        "INSERT INTO t SELECT TIMESTAMP '2025-01-01' + to_seconds(i * 7), i % 5, CASE WHEN i % 3 > 0 THEN 'a long text "
        "of group ' || i % 11 END, i / 8, i % 991, {'a': TIME '00:00:00' + to_seconds(i % 3600), 'b': i} FROM range(" +
        std::to_string(from) + ", " + std::to_string(to) + ") r(i)");
  }

  // Of the table's rows alone.
  std::string Plain(const std::string& sql) {
    const auto session = NewSession("plain");
    EXPECT_TRUE(session->Update(context_, "SET use_views = false", {}).ok());
    return Rows(sql, session.get());
  }
  std::string Route(const std::string& sql) { return session_->Start(context_, sql, {}).ValueOrDie().reason; }
};

TEST_F(SessionViewsTest, AnswerQueriesOverTheirTable) {
  for (const std::string keys : {"", "k, ", "s, ", "date_trunc('hour', ts), k, ", "ts::DATE, ", "k % 2, upper(s), "}) {
    for (const std::string where : {"", " WHERE ts >= '2025-01-01 01:00:00' AND k <> 1", " WHERE s IS NULL"}) {
      const auto sql = "SELECT " + keys +
                       "count(*), sum(d), avg(x), max(s), min(o), round(stddev(k), 9), arg_max(s, x), count(x) FILTER "
                       "(WHERE k > 2), sum(d) FILTER (WHERE k = 3) FROM t" +
                       where + (keys.empty() ? "" : " GROUP BY ALL") + " ORDER BY ALL";
      EXPECT_THAT(Route(sql), HasSubstr("rolled up from materialized view v")) << sql;
      EXPECT_EQ(Rows(sql), Plain(sql)) << sql;
    }
  }
}

TEST_F(SessionViewsTest, MergeTheirStates) {
  EXPECT_EQ(
      Rows("SELECT k, combine(n), combine(total), combine(mean), combine(top), combine(early), round(combine(dev), "
           "9), combine(best), combine(big) FROM v GROUP BY ALL ORDER BY ALL"),
      Plain("SELECT k, count(*), sum(d), avg(x), max(s), min(o), round(stddev(k), 9), arg_max(s, x), count(x) "
            "FILTER (WHERE k > 2) FROM t GROUP BY ALL ORDER BY ALL"));
  EXPECT_THAT(Rows("SELECT combine(k) FROM v"), HasSubstr("does not reach a view's states"));
  EXPECT_THAT(Rows("SELECT combine(mean) OVER () FROM v"), HasSubstr("cannot have an OVER clause"));
}

TEST_F(SessionViewsTest, FeedViewsOnThem) {
  Update(
      "CREATE MATERIALIZED VIEW coarse AS SELECT time_bucket(INTERVAL '1 hour', w) AS h, combine(mean) AS mean, "
      "combine(top) AS top, combine(best) AS best FROM v WHERE k < 4 GROUP BY ALL");
  Insert(4000, 5000);
  EXPECT_EQ(
      Rows("SELECT * FROM coarse ORDER BY ALL"),
      Plain("SELECT time_bucket(INTERVAL '1 hour', ts), avg(x), max(s), arg_max(s, x) FROM t WHERE k < 4 GROUP BY "
            "ALL ORDER BY ALL"));
}

TEST_F(SessionViewsTest, AnswerPreparedQueriesOverTheirTable) {
  const auto prepared =
      session_->Prepare(context_, "SELECT count(*) FROM t WHERE k = ? OR upper(s) = ?", {}).ValueOrDie();
  const auto run = [&](const std::string& row) {
    const auto schema = arrow::schema({arrow::field("1", arrow::int32()), arrow::field("2", arrow::utf8())});
    const auto values = arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), row).ValueOrDie();
    EXPECT_TRUE(session_->Bind(prepared.handle, {arrow::RecordBatch::FromStructArray(values).ValueOrDie()}).ok());
    const auto started = session_->StartPrepared(context_, prepared.handle).ValueOrDie();
    EXPECT_THAT(started.reason, HasSubstr("rolled up"));
    const auto batches = session_->Fetch(context_, started.ticket).ValueOrDie()->ToRecordBatches().ValueOrDie();
    return batches.at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString() + "\n";
  };
  EXPECT_EQ(run(R"([{"1": 3, "2": "A LONG TEXT OF GROUP 5"}])"),
            Plain("SELECT count(*) FROM t WHERE k = 3 OR upper(s) = 'A LONG TEXT OF GROUP 5'"));
  EXPECT_EQ(run(R"([{"1": 4, "2": null}])"), Plain("SELECT count(*) FROM t WHERE k = 4"));
}

// A plan that is kept must not go on reading a view that has left out rows since.
TEST_F(SessionViewsTest, ArePlannedAgainWhenTheyNoLongerAnswer) {
  Update("DROP MATERIALIZED VIEW v");
  Update(
      "CREATE MATERIALIZED VIEW strict WITH (late = 'drop') AS SELECT time_bucket(INTERVAL '5 minutes', ts) AS w, "
      "count(*) AS n FROM t GROUP BY ALL");
  const std::string sql = "SELECT count(*) FROM t";
  EXPECT_THAT(Route(sql), HasSubstr("rolled up"));
  EXPECT_EQ(Rows(sql), "4000\n");
  const auto prepared = session_->Prepare(context_, sql, {}).ValueOrDie();
  const auto run = [&] {
    const auto started = session_->StartPrepared(context_, prepared.handle).ValueOrDie();
    const auto batches = session_->Fetch(context_, started.ticket).ValueOrDie()->ToRecordBatches().ValueOrDie();
    return batches.at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString();
  };
  EXPECT_EQ(run(), "4000");
  Update("INSERT INTO t (ts, k) VALUES ('2025-01-01', 1)");  // late: the table has it, the view does not
  EXPECT_EQ(run(), "4001");
  EXPECT_EQ(Rows(sql), "4001\n");
  EXPECT_EQ(Rows("SELECT sum(n)::BIGINT FROM strict"), "4000\n");
}

}  // namespace
}  // namespace hyprstream::session
