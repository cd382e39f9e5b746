#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <duckdb.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/planner/planner_extension.hpp>
#include <string>
#include <vector>

#include "engine/value_bounds_internal.h"

namespace hyprstream::engine {
namespace {

using ::testing::HasSubstr;

void AfterBind(duckdb::PlannerExtensionInput& input, duckdb::BoundStatement& statement) {
  if (statement.plan) BoundValues(input.context, *statement.plan);
}

class ValueBoundsTest : public ::testing::Test {
 protected:
  ValueBoundsTest() {
    duckdb::DBConfig config;
    duckdb::PlannerExtension bounds;
    bounds.post_bind_function = AfterBind;
    duckdb::PlannerExtension::Register(config, bounds);
    database_ = std::make_unique<duckdb::DuckDB>(nullptr, &config);
    connection_ = std::make_unique<duckdb::Connection>(*database_);
    connection_->BeginTransaction();
    ReplaceUnsafeFunctions(*connection_);
    connection_->Commit();
    connection_->Query("SET memory_limit = '1GB'");  // some bounds are a part of it
    connection_->Query("CREATE TABLE t AS SELECT range AS i, 'x' AS s, 1000000000 AS n FROM range(10)");
    connection_->Query("CREATE MACRO rep(x, n) AS repeat(x, n)");
  }

  std::string ErrorOf(const std::string& sql) { return connection_->Query(sql)->GetError(); }

  std::unique_ptr<duckdb::DuckDB> database_;
  std::unique_ptr<duckdb::Connection> connection_;
};

TEST_F(ValueBoundsTest, StopsBombsBeforeTheyGrow) {
  for (const char* sql : {
           "SELECT length(repeat('x', 1000000000))",
           "SELECT length(lpad('x', 1000000000, 'y'))",
           "SELECT length(repeat(s, 1000000000)) FROM t",
           "SELECT length(repeat(s, n)) FROM t",
           "SELECT length(rep(s, n)) FROM t",
           "SELECT len(repeat([1], n)) FROM t",
           "SELECT length(lpad(s, 2000000000, 'ab')) FROM t",
           "SELECT length(rpad(s, 2000000000, 'ab')) FROM t",
           "SELECT len(range(1000000000))",
           "SELECT len(range(n)) FROM t",
           "SELECT len(generate_series(1, 10000000000))",
           "SELECT len(range(TIMESTAMP '2000-01-01', TIMESTAMP '2100-01-01', INTERVAL '1 millisecond'))",
           "SELECT len(list_resize([1], 1000000000))",
           "SELECT len(list_resize([i], n, 3)) FROM t",
           "SELECT length(printf('%1000000000d', 1))",
           "SELECT length(printf('%*d', 1000000000, 1))",
           "SELECT length(format('{:1000000000}', i)) FROM t",
           "SELECT length(format('{:{}}', 1, 1000000000))",
           "SELECT bitstring('1', 1000000000)",
           "SELECT length(bar(1, 0, 1, 1000000000))",
           "SELECT length(replace(repeat('x', 1000000), 'x', repeat('y', 1000000)))",
           "SELECT length(regexp_replace(repeat('x', 100000), 'x', repeat('y', 100000), 'g'))",
           "SELECT length(array_to_string(range(100000), repeat('y', 100000)))",
           "SELECT list_transform([1, 2], lambda x: length(repeat('x', x * 1000000000)))",
           "SELECT list_transform([1, 2], lambda x: list_transform([3], lambda y: length(repeat('x', x * "
           "1000000000))))",
           "SELECT length(x) FROM (SELECT repeat(s, n) AS x FROM t)",
           "SELECT 1 FROM t WHERE length(repeat(s, n)) > 3",
           "SELECT max(length(repeat(s, n))) FROM t",
           "SELECT (SELECT length(repeat(s, n)) FROM t LIMIT 1)",
           "SELECT levenshtein(repeat('a', 100000), repeat('b', 100000))",
           "SELECT damerau_levenshtein(repeat('a', 100000), repeat('b', 100000))",
           "WITH RECURSIVE r AS (SELECT 'xxxxxxxxxx' AS s, 0 AS n UNION ALL SELECT s || s, n + 1 FROM r WHERE n < 40) "
           "SELECT max(length(s)) FROM r",
           "PREPARE p AS SELECT length(repeat(?, ?)); EXECUTE p('x', 1000000000)",
       }) {
    EXPECT_THAT(ErrorOf(sql), HasSubstr("at once; at most")) << sql;
  }
}

// What is one value in many rows is made anew for each.
TEST_F(ValueBoundsTest, CountsSharedValuesForEachRow) {
  const std::string lists = " FROM (SELECT range(n // 1000) AS l FROM t LIMIT 1), range(2048) r(k)";  // 1,000,000 each
  const std::string texts = " FROM (SELECT repeat(s, 1000000) AS x FROM t LIMIT 1), range(2048) r(k)";
  for (const std::string& sql : std::vector<std::string>{
           "SELECT list_transform(l, lambda y: y + k)" + lists,
           "SELECT list_transform(range(1000), lambda y: l)" + lists,
           "SELECT list_filter(l, lambda y: y <> k)" + lists,
           "SELECT list_sort(CASE WHEN k % 2 = 0 THEN l ELSE [k] END)" + lists,
           "SELECT list_append(l, k)" + lists,
           "SELECT [l, [k]]" + lists,
           "SELECT list_zip(l, [k])" + lists,
           "SELECT to_json([l, [k]])" + lists,
           "SELECT translate(x, k::VARCHAR, 'y')" + texts,
           "SELECT to_json(x || k)" + texts,
           "SELECT list_resize([k::VARCHAR], 1000, repeat('y', 1000000)) FROM range(3) r(k)",
           "SELECT damerau_levenshtein(repeat('a', 10000), repeat('b', 10000))",
           "SELECT now() AT TIME ZONE repeat('x', 10001)",
       }) {
    EXPECT_THAT(ErrorOf(sql), HasSubstr("at once; at most")) << sql;
    EXPECT_EQ(ErrorOf("SELECT 1"), "") << sql;
  }
}

// An error of a function that is not marked as fallible ends the whole database.
TEST_F(ValueBoundsTest, TheDatabaseOutlivesWhatWasStopped) {
  for (const char* sql : {
           "SELECT repeat('x', 1000000000)",
           "SELECT lpad('x', 1000000000, 'y')",
           "SELECT range(10000000000)",
           "SELECT list_resize([1], 1000000000)",
           "SELECT printf('%1000000000d', 1)",
           "SELECT format('{:1000000000}', 1)",
           "SELECT bitstring('1', 1000000000)",
           "SELECT bar(1, 0, 1, 1000000000)",
           "SELECT levenshtein(repeat('a', 100000), repeat('b', 100000))",
           "SELECT repeat(s, n) FROM t",
           "SELECT range(n) FROM t",
           "SELECT list_transform([1, 2], lambda x: repeat('x', x * 1000000000))",
       }) {
    EXPECT_THAT(ErrorOf(sql), HasSubstr("at once; at most")) << sql;
    EXPECT_EQ(ErrorOf("SELECT 1"), "") << sql;
  }
}

TEST_F(ValueBoundsTest, LeavesOrdinaryValuesAlone) {
  for (const char* sql : {
           "SELECT repeat('ab', 1000), lpad('7', 8, '0'), rpad('x', 5, ' '), range(1000000), generate_series(1, 10, 2)",
           "SELECT repeat(s, 10000) FROM t, range(3000)",
           "SELECT repeat(NULL, 3), lpad(NULL, 3, 'x'), range(NULL)",
           "SELECT range(DATE '2024-01-01', DATE '2025-01-01', INTERVAL '1 day')",
           "SELECT range(10, 0, -1)",
           "SELECT printf('%05d %s', 42, 'x'), format('{:>10} {}', 1, 'y')",
           "SELECT replace('a-b', '-', '+')",
           "SELECT s || i || s, concat(s, i, NULL), concat_ws(',', s, i) FROM t",
           "SELECT list_resize([1], 10, 0)",
           "SELECT [1] || [2], list_concat([1], [2]), string_split('a,b', ','), array_to_string([1, 2], ', ')",
           "SELECT list_transform([1, 2], lambda x: repeat('x', x))",
           "SELECT levenshtein('kitten', 'sitting')",
           "SELECT regexp_replace('aXbX', 'X', 'y', 'g'), bar(5, 0, 10, 20), bitstring('101', 8)",
           "SELECT unnest(range(1000000))",
           "SELECT list_aggregate([1, 2], 'sum')",
           "SELECT count(*) FROM range(4096) r(k) WHERE list_contains(range(100000), k)",
           "SELECT sum(list_sum(list_transform(l, lambda x: x * k))) FROM (SELECT range(1536) AS l, k FROM range(4096) "
           "r(k))",
           "SELECT sum(list_sum(list_transform(range(1, 1537), lambda x: l[x] * l[x]))) FROM (SELECT range(1536) AS l, "
           "k "
           "FROM range(4096) r(k))",
           "SELECT upper(s), to_json(t), [s, s], hex(s), list_zip([i], [s]), now() AT TIME ZONE 'UTC' FROM t",
       }) {
    EXPECT_EQ(ErrorOf(sql), "") << sql;
  }
}

TEST_F(ValueBoundsTest, RefusesWhatCrashesWhileItIsBound) {
  for (const char* name : {"json_transform", "json_transform_strict", "from_json", "from_json_strict"}) {
    const std::string call = std::string("SELECT ") + name + "('1', repeat('{\"a\":', 200000) || '\"INT\"')";
    EXPECT_THAT(ErrorOf(call), HasSubstr("cast the JSON")) << name;
  }
}

}  // namespace
}  // namespace hyprstream::engine
