#include <arrow/result.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <duckdb.hpp>

#include "core/aggregate_functions.h"
#include "engine/declared_schema_internal.h"
#include "engine/order_keys_internal.h"
#include "engine/view_analysis_internal.h"

namespace hyprstream::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ViewAnalysisTest : public ::testing::Test {
 protected:
  ViewAnalysisTest() : database_(nullptr), connection_(database_) {
    connection_.BeginTransaction();
    RegisterOrderKeys(connection_);
    connection_.Commit();
    Run("SET TimeZone = 'UTC'");
    Run("CREATE TABLE sales (ts TIMESTAMP, region VARCHAR, amount DOUBLE, n INTEGER, price DECIMAL(10, 2), "
        "s STRUCT(a INT, b VARCHAR), \"we ird\" INT, name VARCHAR COLLATE NOCASE, i INTERVAL)");
    Run("CREATE SCHEMA other");
    Run("CREATE TABLE other.t (ts TIMESTAMP, sales INT)");
    Run("CREATE VIEW v AS SELECT * FROM sales");
    Run("CREATE TEMP TABLE tmp (i INT)");
    Run("CREATE MACRO half(x) AS x / 2");
    Run("CREATE MACRO total(x) AS sum(x)");
    Run("CREATE MACRO dice(x) AS x + random()");
    Run("CREATE MACRO recent(days) AS now()::TIMESTAMP - to_days(days)");
  }

  void Run(const std::string& sql) {
    auto result = connection_.Query(sql);
    ASSERT_FALSE(result->HasError()) << result->GetError();
  }

  arrow::Result<AggregateQuery> Analyze(const std::string& select) {
    return AnalyzeViewSelect(
        connection_,
        {.view = {.schema = "main", .name = "w"}, .select = select, .time_zone = "UTC", .database = "memory"});
  }

  AggregateQuery Query(const std::string& select) {
    auto query = Analyze(select);
    EXPECT_TRUE(query.ok()) << select << ": " << query.status().ToString();
    return query.ok() ? *query : AggregateQuery{};
  }

  std::string ErrorOf(const std::string& select) {
    auto query = Analyze(select);
    EXPECT_FALSE(query.ok()) << select;
    return query.ok() ? "" : query.status().ToString();
  }

  // The definition, and its oracle put together from the parts: both must give the same rows.
  void ExpectEquivalent(const std::string& select) {
    const auto query = Query(select);
    std::string sql = "SELECT ";
    for (const auto& output : query.output) {
      if (output.is_key) {
        sql += query.key_sql[static_cast<std::size_t>(output.index)];
      } else {
        const auto& aggregate = query.aggregates[static_cast<std::size_t>(output.index)];
        constexpr const char* kNames[] = {"count", "count", "sum", "avg", "min", "max"};
        const auto argument =
            aggregate.arguments.empty()
                ? "*"
                : query.argument_sql[static_cast<std::size_t>(aggregate.arguments[0] - query.key_count())];
        sql += std::string(kNames[static_cast<int>(aggregate.kind)]) + "(" + argument + ")";
        if (aggregate.filter >= 0) {
          const auto filter = static_cast<std::size_t>(aggregate.filter - query.key_count());
          sql += " FILTER (WHERE " + query.argument_sql[filter] + ")";
        }
      }
      sql += " AS " + QuoteIdentifier(output.name) + ", ";
    }
    sql += " FROM " + query.from_sql + (query.where_sql.empty() ? "" : " WHERE " + query.where_sql) + " GROUP BY ALL";
    auto ours = connection_.Query("SELECT * FROM (" + sql + ") ORDER BY ALL");
    auto theirs = connection_.Query("SELECT * FROM (" + select + ") ORDER BY ALL");
    ASSERT_FALSE(ours->HasError()) << sql << ours->GetError();
    ASSERT_FALSE(theirs->HasError()) << theirs->GetError();
    EXPECT_EQ(ours->ToString(), theirs->ToString()) << sql;
  }

  duckdb::DuckDB database_;
  duckdb::Connection connection_;
};

TEST_F(ViewAnalysisTest, TakesTheUsualViewApart) {
  const auto query = Query(
      "SELECT time_bucket(INTERVAL '5 minutes', ts) AS window_start, region, count(*) AS orders, sum(n) AS items, "
      "avg(amount) AS mean, min(price), max(price) AS top FROM sales WHERE amount > 0 GROUP BY ALL");
  EXPECT_EQ(query.base.ToString(), "sales");
  EXPECT_EQ(query.alias, "sales");
  EXPECT_EQ(query.from_sql, "\"memory\".\"main\".\"sales\" AS \"sales\"");
  EXPECT_THAT(query.key_sql, ElementsAre(HasSubstr("sales.ts"), "sales.region"));
  EXPECT_THAT(query.argument_sql, ElementsAre("sales.n", "sales.amount", "sales.price"));
  EXPECT_THAT(query.where_sql, HasSubstr("sales.amount > 0"));
  EXPECT_EQ(query.window_key, 0);
  ASSERT_EQ(query.aggregates.size(), 5u);
  EXPECT_EQ(query.aggregates[0].kind, AggregateKind::kCountStar);
  EXPECT_TRUE(query.aggregates[0].arguments.empty());
  EXPECT_EQ(query.aggregates[3].arguments, query.aggregates[4].arguments);
  EXPECT_TRUE(query.aggregates[1].result_type->Equals(arrow::decimal128(38, 0)));
  EXPECT_TRUE(query.aggregates[2].result_type->Equals(arrow::float64()));
  EXPECT_TRUE(query.aggregates[3].result_type->Equals(arrow::decimal128(10, 2)));
  ASSERT_EQ(query.output.size(), 7u);
  EXPECT_EQ(query.output[5].name, "min(price)");
  EXPECT_EQ(query.output[6].index, 4);
  ASSERT_EQ(query.evaluated_schema->num_fields(), 5);
  EXPECT_TRUE(query.evaluated_schema->field(0)->type()->Equals(arrow::timestamp(arrow::TimeUnit::MICRO)));
  EXPECT_TRUE(query.evaluated_schema->field(2)->type()->Equals(arrow::int32()));
  EXPECT_EQ(query.output_schema->num_fields(), 7);
  EXPECT_EQ(query.output_schema->field(2)->name(), "orders");
}

TEST_F(ViewAnalysisTest, UnderstandsEveryWayToWriteGroups) {
  for (const char* select : {
           "SELECT region, count(*) FROM sales GROUP BY region",
           "SELECT region AS r, count(*) FROM sales GROUP BY r",
           "SELECT region AS r, count(*) FROM sales GROUP BY 1",
           "SELECT count(*), region FROM sales GROUP BY 2",
           "SELECT s.region, count(*) FROM sales s GROUP BY region",
           "SELECT region, count(*) FROM sales AS \"s p\" GROUP BY \"s p\".region",
           "SELECT sales.region, count(*) FROM main.sales GROUP BY main.sales.region",
           "SELECT REGION, count(*) FROM Sales GROUP BY Region",
           "SELECT upper(region) AS u, n % 3, sum(amount) FROM sales GROUP BY upper(region), 2",
           "SELECT region, region AS again, count(*) FROM sales GROUP BY region",
           "SELECT s.a, count(*) FROM sales GROUP BY s.a",
           "SELECT sales.s.a, max(sales.s.b) FROM sales GROUP BY ALL",
           "SELECT \"we ird\", count(*) FROM sales GROUP BY ALL",
           "SELECT n + 1 AS m, m * 2 AS k, sum(m) FROM sales WHERE m > 3 GROUP BY ALL",
           "SELECT date_trunc('hour', ts) AS h, count(amount) FROM sales GROUP BY h",
           "SELECT half(n) AS h, count(*) FROM sales GROUP BY ALL",
           "SELECT sales, count(*) FROM other.t GROUP BY ALL",
           "SELECT 'all' AS label, count(*) FROM sales GROUP BY ALL",
           "SELECT total(half(n)), count(*), region FROM sales GROUP BY ALL",
           "FROM sales SELECT region, count() AS c GROUP BY ALL",
       }) {
    ExpectEquivalent(select);
  }
}

TEST_F(ViewAnalysisTest, CarriesNestedKeysAsBytesAndDeclaresTheirType) {
  const auto query =
      Query("SELECT list_transform([n], lambda x: x + price) AS l, min(s) AS s, count(i) AS c FROM sales GROUP BY ALL");
  EXPECT_EQ(query.evaluated_schema->field(0)->type()->id(), arrow::Type::BINARY);
  EXPECT_THAT(query.output_types, ElementsAre("DECIMAL(13,2)[]", "STRUCT(a INTEGER, b VARCHAR)", "BIGINT"));
  EXPECT_THAT(query.base_columns, ElementsAre("n", "price", "s", "i"));
  EXPECT_EQ(AsDeclared(*query.output_schema)->types()[0].ToString(), "DECIMAL(13,2)[]");
}

TEST_F(ViewAnalysisTest, KeepsWhatRowsSay) {
  Run("INSERT INTO sales SELECT TIMESTAMP '2024-01-01' + INTERVAL (k) MINUTE, 'r' || (k % 3), k / 7, k, k / 3, "
      "{'a': k % 2, 'b': 'x'}, k, 'N', NULL FROM range(100) t(k)");
  for (const char* select : {
           "SELECT time_bucket(INTERVAL '5 minutes', ts) AS w, count(*), sum(n), avg(amount) FROM sales GROUP BY ALL",
           "SELECT region, count(*) FILTER (WHERE n > 50) AS c, sum(n) FILTER (WHERE amount > 3 OR n < 5) AS x, "
           "min(price) FILTER (n % 2 = 0) FROM sales GROUP BY ALL",
           "SELECT n % 3 AS m, m + 1 AS k, sum(m * price) AS t FROM sales WHERE k > 1 AND (n > 3 OR n < 2) GROUP BY "
           "ALL",
           "SELECT CASE WHEN n > 50 THEN 'hi' ELSE 'lo' END AS half, max(region), mean(n) FROM sales GROUP BY half",
           "SELECT count(*), sum(amount) FROM sales",
       }) {
    ExpectEquivalent(select);
  }
}

TEST_F(ViewAnalysisTest, FindsTheWindow) {
  EXPECT_EQ(Query("SELECT region, time_bucket(INTERVAL 1 HOUR, ts) AS w, count(*) FROM sales GROUP BY ALL").window_key,
            1);
  EXPECT_EQ(Query("SELECT date_trunc('day', ts) AS w, count(*) FROM sales GROUP BY ALL").window_key, 0);
  EXPECT_EQ(Query("SELECT time_bucket(to_minutes(n), ts) AS w, count(*) FROM sales GROUP BY ALL").window_key, -1);
  EXPECT_EQ(Query("SELECT region, count(*) FROM sales GROUP BY ALL").window_key, -1);
}

TEST_F(ViewAnalysisTest, SaysHowLongWindowsAreAndOverWhichColumn) {
  const auto width = [&](const std::string& window) {
    const auto query = Query("SELECT " + window + " AS w, count(*) FROM sales AS s GROUP BY ALL");
    return query.window_time + ": " + query.window_width_sql + (query.window_shifted ? ", shifted" : "");
  };
  EXPECT_EQ(width("time_bucket(INTERVAL '90 seconds', TS)"), "TS: CAST((CAST('90 seconds' AS INTERVAL)) AS INTERVAL)");
  EXPECT_EQ(width("time_bucket(INTERVAL '1 day', ts, INTERVAL '6 hours')"),
            "ts: CAST((CAST('1 day' AS INTERVAL)) AS INTERVAL), shifted");
  EXPECT_EQ(width("date_trunc('MONTH', s.ts)"), "ts: INTERVAL '1 month'");
  EXPECT_EQ(width("date_trunc('isoyear', ts)"), "ts: ");
  EXPECT_EQ(width("date_trunc('day', ts + INTERVAL 1 HOUR)"), ": INTERVAL '1 day'");
  EXPECT_EQ(width("lower(region)"), ": ");
}

// Each window is where DuckDB's own expression puts it; windows of no fixed size are left to DuckDB.
TEST_F(ViewAnalysisTest, WindowsOfOneSizeAreKnown) {
  constexpr std::int64_t kDay = 86'400'000'000;
  const std::vector<std::pair<std::string, std::int64_t>> cases = {
      {"time_bucket(INTERVAL '5 minutes', ts)", 300'000'000},
      {"time_bucket(INTERVAL '7 days', ts)", 7 * kDay},
      {"time_bucket(INTERVAL '90 seconds', ts, INTERVAL '10 seconds')", 90'000'000},
      {"time_bucket(INTERVAL '1 day', ts, TIMESTAMP '1970-01-01 06:00:00')", kDay},
      {"time_bucket(INTERVAL '5 minutes', ts + INTERVAL '1 minute')", 300'000'000},
      {"time_bucket(INTERVAL '5 minutes', ts::TIMESTAMP_S)", 300'000'000},
      {"time_bucket(INTERVAL '5 minutes', ts::TIMESTAMPTZ)", 300'000'000},
      {"date_trunc('hour', ts)", 3'600'000'000},
      {"date_trunc('week', ts)", 7 * kDay},
      {"time_bucket(INTERVAL '1 month', ts)", 0},
      {"time_bucket(INTERVAL '1 day', ts::TIMESTAMPTZ)", 0},
      {"time_bucket(INTERVAL '1 day', ts::DATE)", 0},
      {"date_trunc('quarter', ts)", 0},
      {"date_trunc('hour', ts::TIMESTAMPTZ)", 0},
  };
  for (const auto& [window, size] : cases) {
    SCOPED_TRACE(window);
    const auto query = Query("SELECT " + window + " AS w, count(*) FROM sales GROUP BY ALL");
    ASSERT_EQ(query.fixed_window.has_value(), size != 0);
    if (size == 0) continue;
    EXPECT_EQ(query.fixed_window->size, size);
    EXPECT_LT(query.fixed_window->least, -9'000'000'000'000'000'000);
    EXPECT_GT(query.fixed_window->greatest, 9'000'000'000'000'000'000);
    const auto start = std::to_string(query.fixed_window->origin) + " + floor((epoch_us(" + query.time_sql + ") - " +
                       std::to_string(query.fixed_window->origin) + ") / " + std::to_string(size) + ".0)::BIGINT * " +
                       std::to_string(size);
    const auto same = connection_.Query("SELECT bool_and(epoch_us(" + query.key_sql[0] + ") = " + start +
                                        ") FROM (SELECT TIMESTAMP '1969-12-25' + to_seconds(i * 997) AS ts FROM "
                                        "range(3000) r(i)) AS sales");
    ASSERT_FALSE(same->HasError()) << same->GetError();
    EXPECT_EQ(same->Fetch()->GetValue(0, 0).ToString(), "true");
  }
}

TEST_F(ViewAnalysisTest, PlainColumnsAreKnown) {
  const auto query = Query(
      "SELECT time_bucket(INTERVAL '5 minutes', ts) AS w, region, n + 1 AS k, sum(amount), count(*) FILTER (WHERE n > "
      "1), count(i) FROM sales GROUP BY ALL");
  EXPECT_THAT(query.plain_columns, ElementsAre("ts", "region", "", "amount", "", ""));
  EXPECT_THAT(Query("SELECT date_trunc('month', ts) AS w, \"we ird\", count(*) FROM sales GROUP BY ALL").plain_columns,
              ElementsAre("", "we ird"));
}

TEST_F(ViewAnalysisTest, RefusesWithTheNearestThing) {
  const std::pair<const char*, const char*> cases[] = {
      {"SELECT region FROM sales GROUP BY ALL", "SELECT DISTINCT"},
      {"SELECT DISTINCT region, count(*) FROM sales GROUP BY ALL", "DISTINCT"},
      {"SELECT region, count(*) FROM sales GROUP BY ALL ORDER BY 1", "ORDER BY"},
      {"SELECT region, count(*) FROM sales GROUP BY ALL LIMIT 3", "LIMIT"},
      {"SELECT region, count(*) FROM sales GROUP BY ALL HAVING count(*) > 1", "HAVING"},
      {"SELECT region, count(*) FROM sales GROUP BY ROLLUP (region)", "one view for each"},
      {"SELECT region, count(*) FROM sales JOIN other.t USING (ts) GROUP BY ALL", "a join"},
      {"SELECT region, count(*) FROM sales, other.t GROUP BY ALL", "a join"},
      {"SELECT region, count(*) FROM (SELECT * FROM sales) GROUP BY ALL", "subquery in FROM"},
      {"SELECT count(*) FROM range(3)", "one table"},
      {"SELECT count(*)", "without FROM"},
      {"SELECT count(*) FROM sales USING SAMPLE 10%", "sample"},
      {"SELECT count(*) FROM sales TABLESAMPLE 10%", "sample"},
      {"WITH a AS (FROM sales) SELECT count(*) FROM a", "WITH"},
      {"SELECT count(*) FROM sales UNION ALL SELECT count(*) FROM sales", "UNION"},
      {"SELECT region, count(*) FROM sales WHERE n IN (SELECT 1) GROUP BY ALL", "subquery"},
      {"SELECT (SELECT 1) AS x, count(*) FROM sales GROUP BY ALL", "subquery"},
      {"SELECT region, sum(count(*)) OVER () FROM sales GROUP BY ALL", "window"},
      {"SELECT region, count(*) FROM sales GROUP BY ALL QUALIFY row_number() OVER () = 1", "QUALIFY"},
      {"SELECT stddev(DISTINCT amount) FROM sales", "DISTINCT"},
      {"SELECT sum(n ORDER BY ts) FROM sales", "ORDER BY in an aggregate"},
      {"SELECT list(n) FROM sales", "docs/aggregates.md lists"},

      {"SELECT max(n, 3) FROM sales", "docs/aggregates.md lists"},
      {"SELECT avg(ts) FROM sales", "numbers"},
      {"SELECT sum(n) / count(*) AS mean FROM sales", "select its parts"},
      {"SELECT sum(n) AS a, a + 1 AS b FROM sales", "select its parts"},
      {"SELECT dice(n) AS d, count(*) FROM sales GROUP BY ALL", "random()"},
      {"SELECT random() AS d, count(*) FROM sales GROUP BY ALL", "random()"},
      {"SELECT uuid() AS d, count(*) FROM sales GROUP BY ALL", "changes from call to call"},
      {"SELECT region, count(*) FROM sales WHERE ts > now()::TIMESTAMP GROUP BY ALL", "changes from call to call"},
      {"SELECT region, count(*) FROM sales WHERE ts > current_timestamp::TIMESTAMP GROUP BY ALL", "call to call"},
      {"SELECT region, count(*) FROM sales WHERE ts > current_date GROUP BY ALL", "call to call"},
      {"SELECT region, count(*) FROM sales WHERE ts > now() - INTERVAL '1 day' GROUP BY ALL", "call to call"},
      {"SELECT date_trunc('day', now()) AS d, count(*) FROM sales GROUP BY ALL", "call to call"},
      {"SELECT region, count(*) FROM sales WHERE ts > current_date - 1 GROUP BY ALL", "call to call"},
      {"SELECT region, count(*) FROM sales WHERE age(ts) > INTERVAL '1 day' GROUP BY ALL", "call to call"},
      {"SELECT region, count(*) FROM sales WHERE ts > recent(7) GROUP BY ALL", "call to call"},
      {"SELECT region, sum(n) FILTER (ts > today()) FROM sales GROUP BY ALL", "call to call"},
      {"SELECT rowid, count(*) FROM sales GROUP BY ALL", "rowid"},
      {"SELECT unnest([1, 2]) AS u, count(*) FROM sales GROUP BY ALL", "UNNEST"},
      {"SELECT *, count(*) FROM other.t GROUP BY ALL", "name the columns"},
      {"SELECT region, count(*) AS region FROM sales GROUP BY ALL", "Two columns are named region"},
      {"SELECT count(*) FROM sales GROUP BY region", "select it too"},
      {"SELECT 'x' AS label, count(*) FROM sales", "GROUP BY ALL"},
      {"SELECT name, count(*) FROM sales GROUP BY ALL", "collation"},
      {"SELECT max(name) FROM sales", "collation"},
      {"SELECT region COLLATE NOCASE AS r, count(*) FROM sales GROUP BY ALL", "collation"},
      {"SELECT count(*) FROM v", "is a view"},
      {"SELECT count(*) FROM tmp", "temporary"},
      {"SELECT count(*) FROM duckdb_tables", "view"},
      {"DROP TABLE sales", "one SELECT"},
      {"SELECT count(?) FROM sales", "parameters"},
      {"SELECT nextval('q') AS x, count(*) FROM sales GROUP BY ALL", ""},
      {"SELECT current_setting('TimeZone') AS x, count(*) FROM sales GROUP BY ALL", ""},
      {"SELECT current_schema() AS x, count(*) FROM sales GROUP BY ALL", ""},
  };
  for (const auto& [select, words] : cases) EXPECT_THAT(ErrorOf(select), HasSubstr(words)) << select;
}

TEST_F(ViewAnalysisTest, PassesDuckDbsErrorsOn) {
  EXPECT_TRUE(Analyze("SELECT count(*) FROM salez").status().IsKeyError());
  EXPECT_THAT(ErrorOf("SELECT count(*) FROM salez"), HasSubstr("sales"));
  EXPECT_TRUE(Analyze("SELECT regio, count(*) FROM sales GROUP BY ALL").status().IsInvalid());
  EXPECT_TRUE(Analyze("SELECT region, count(*) FROM sales").status().IsInvalid());
  EXPECT_TRUE(Analyze("SELEC").status().IsInvalid());
  EXPECT_TRUE(Analyze("SELECT sum(region) FROM sales").status().IsInvalid());
}

TEST_F(ViewAnalysisTest, WorksInsideATransaction) {
  Run("BEGIN");
  Run("CREATE TABLE fresh (i INT)");
  EXPECT_EQ(Query("SELECT i, count(*) FROM fresh GROUP BY ALL").base.name, "fresh");
  EXPECT_FALSE(Analyze("SELECT nope FROM fresh").ok());
  Run("INSERT INTO fresh VALUES (1)");
  Run("COMMIT");
}

}  // namespace
}  // namespace hyprstream::engine
