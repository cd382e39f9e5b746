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

// What nothing can stop within one value, and what overflows the stack.
TEST_F(ValueBoundsTest, StopsWorkOnJsonThatIsOutOfProportion) {
  const std::string deep = "repeat('[', 100000) || repeat(']', 100000)";
  const std::string chain = "repeat('{\"a\":', 300) || '1' || repeat('}', 300)";
  const std::string keys =
      "(SELECT '{' || string_agg('\"' || i || '\":1', ',') || '}' AS a, '{' || string_agg('\"x' || i || '\":1', ',') "
      "|| "
      "'}' AS b FROM range(100000) r(i))";
  for (const auto& [sql, words] : std::vector<std::pair<std::string, std::string>>{
           {"SELECT json_contains(" + deep + ", '[1]')", "maximum recursion depth"},
           {"SELECT json_contains('[1]', " + deep + ")", "maximum recursion depth"},
           {"SELECT json_contains(repeat('[', i * 100000) || repeat(']', i * 100000), '[1]') FROM t",
            "maximum recursion depth"},
           {"SELECT json_contains((" + deep + ")::JSON, '[1]'::JSON)", "maximum recursion depth"},
           {"SELECT json_contains(range(100000)::JSON, range(100000, 200000)::JSON)", "at once; at most"},
           {"SELECT json_merge_patch(a, b) FROM " + keys, "at once; at most"},
           {"SELECT json_deep_merge(a, b) FROM " + keys, "at once; at most"},
           {"SELECT json_merge_patch_diff(a, b) FROM " + keys, "at once; at most"},
           {"SELECT len(json_extract(" + chain + ", '$..*..*..*..*..*..*'))", "at once; at most"},
           {"SELECT len(" + chain + " -> '$..*..*..*..*..*..*')", "at once; at most"},
           {"SELECT len((" + chain + ")::JSON ->> '$..a..a..a..a..a..a') FROM t", "at once; at most"},
           {"SELECT len(json_extract_string(" + chain + ", '$.a\"..*..*..*..*..*..*'))", "at once; at most"},
           {"SELECT json_exists(" + chain + ", '$.**.**.**.**.**.**')", "at once; at most"},
           {"SELECT json_type(" + deep + ", '$' || repeat('[*]', 100000))", "path with wildcards"},
           {"SELECT json_keys(" + deep + ", '$' || repeat('[*]', 100000)) FROM t", "path with wildcards"},
           {"SELECT len(json_extract(a, list_transform(range(100000), lambda k: '$.' || k))) FROM " + keys,
            "at once; at most"},
       }) {
    EXPECT_THAT(ErrorOf(sql), HasSubstr(words)) << sql;
    EXPECT_EQ(ErrorOf("SELECT 1"), "") << sql;
  }
}

TEST_F(ValueBoundsTest, StopsWorkOnTextsThatIsOutOfProportion) {
  for (const char* sql : {
           "SELECT regexp_matches(repeat('ab', 15000000), '(' || repeat('[ab]?', 5000) || ')*c')",
           "SELECT repeat('ab', 15000000) SIMILAR TO '(([ab]?){100})*c'",
           "SELECT repeat(s, 10000000) ~ ('(([ab]?){1000})*c' || s) FROM t",
           "SELECT regexp_extract(repeat('ab', 15000000), '(([ab]?){1000})*c')",
           "SELECT regexp_extract(repeat('ab', 15000000), '(([ab]?){1000})*c', ['x', 'y'])",
           "SELECT regexp_extract_all(repeat('ab', 5000000), '(([ab]?){1000})*c')",
           "SELECT regexp_replace(repeat('ab', 5000000), '(([ab]?){1000})*c', 'x')",
           "SELECT string_split_regex(repeat('ab', 5000000), '(([ab]?){1000})*c')",
           "SELECT repeat('a', 2000000) || s LIKE '%' || repeat('a_', 500000) || 'b' FROM t",
           "SELECT repeat('a', 2000000) NOT LIKE '%' || repeat('a_', 500000) || 'b'",
           "SELECT repeat('a', 2000000) || s ILIKE '%' || repeat('a_', 500000) || 'b' FROM t",
           "SELECT repeat('a', 2000000) LIKE '%' || repeat('a_', 500000) || 'b' ESCAPE 'x'",
           "SELECT repeat('a', 2000000) || s GLOB '*' || repeat('a?', 500000) || 'b' FROM t",
           "SELECT parse_path(repeat('a/', 1000000))",
           "SELECT list_filter([repeat('ab', 15000000)], lambda x: regexp_matches(x, '(([ab]?){1000})*c'))",
       }) {
    EXPECT_THAT(ErrorOf(sql), HasSubstr("at once; at most")) << sql;
    EXPECT_EQ(ErrorOf("SELECT 1"), "") << sql;
  }
}

TEST_F(ValueBoundsTest, LeavesOrdinaryWorkAlone) {
  for (const char* sql : {
           "SELECT json_contains('{\"a\": [1, 2]}', '{\"a\": [2]}'), json_contains(repeat('[', 900) || repeat(']', "
           "900), "
           "'[]')",
           "SELECT json_merge_patch('{\"a\": 1}'::JSON, '{\"b\": 2}'::JSON, '{\"c\": 3}'::JSON)",
           "SELECT '{\"a\": [{\"b\": 1}]}' -> '$..b', '{\"a\": [[1]]}' ->> '$.a[*][*]', json_extract('{\"a\": 1}', "
           "'$..*..*')",
           "SELECT json_extract('{\"a\": 1}', ['$.a', '$.b']), json_keys('{\"a\": 1}'), json_type('[1]', '$[0]')",
           "SELECT count(*) FROM t WHERE s LIKE 'x%' AND s NOT LIKE '%y_' AND s ILIKE 'X' AND s GLOB '*' AND s LIKE "
           "'a' "
           "ESCAPE '!' OR strptime('2020', ['%Y', '%x'])::VARCHAR = s",
           "SELECT parse_path('a/b/c'), parse_dirname(s), parse_filename('/a/b.c', true, 'both_slash') FROM t",
           "SELECT count(*) FROM range(5000) r(i) WHERE regexp_matches(i::VARCHAR || repeat('a', 1000), '(a|b)+$')",
           "SELECT count(regexp_replace(repeat('some words and ', 100) || i, '\\s+', ' ', 'g')) FROM range(2048) r(i)",
       }) {
    EXPECT_EQ(ErrorOf(sql), "") << sql;
  }
}

// Rows that cost much together are worked on in parts, which must give what they give at once.
TEST_F(ValueBoundsTest, WorksOnManyCostlyRowsInParts) {
  connection_->Query(
      "CREATE TABLE lines AS SELECT CASE WHEN i % 7 <> 0 THEN repeat('word ' || i || ' ', 500) END AS l, i FROM "
      "range(700) r(i)");
  const char* wide =
      "'(word) ([0-9]+)|"
      "[xyz]{400}'";
  for (const std::string& sql : std::vector<std::string>{
           std::string("SELECT count(*) = 600 FROM lines WHERE regexp_matches(l, ") + wide + ")",
           std::string("SELECT bool_and(regexp_extract(l, ") + wide +
               ", 2) IS NOT DISTINCT FROM CASE WHEN l IS NOT NULL THEN i::VARCHAR END) FROM lines",
           std::string("SELECT bool_and(regexp_extract(l, ") + wide +
               ", ['w', 'n']).n IS NOT DISTINCT FROM CASE WHEN l IS NOT NULL THEN i::VARCHAR END) FROM lines",
           std::string("SELECT count(*) = 600 AND bool_and(len(x) = 500 AND x[500] = 'word ' || i) FROM (SELECT "
                       "regexp_extract_all(l, ") +
               wide + ") AS x, i FROM lines) WHERE x IS NOT NULL",
           std::string("SELECT count(*) = 600 AND bool_and(length(x) = 1000) FROM (SELECT regexp_replace(l, ") + wide +
               ", '-', 'g') AS x FROM lines) WHERE x IS NOT NULL",
           std::string("SELECT count(*) = 600 AND bool_and(len(x) = 501) FROM (SELECT string_split_regex(l, ") + wide +
               ") AS x FROM lines) WHERE x IS NOT NULL",
       }) {
    const auto result = connection_->Query(sql);
    ASSERT_EQ(result->GetError(), "") << sql;
    EXPECT_EQ(result->Fetch()->GetValue(0, 0).ToString(), "true") << sql;
  }
}

TEST_F(ValueBoundsTest, HoldsListAggregatesToTheBoundsOfAggregates) {
  for (const char* name : {"list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate"}) {
    const auto call = [&](const std::string& arguments) {
      return "SELECT " + std::string(name) + arguments + " FROM t";
    };
    EXPECT_THAT(ErrorOf(call("([i, i + 1], 'approx_top_k', 900000)")), HasSubstr("must be a constant, at most 100"));
    EXPECT_THAT(ErrorOf(call("([i], 'Approx_Top_K', 101)")), HasSubstr("must be a constant, at most 100"));
    EXPECT_THAT(ErrorOf(call("([i], 'histogram', range(2000))")), HasSubstr("must be a constant, at most 1000"));
    EXPECT_THAT(ErrorOf(call("([i], 'reservoir_quantile', 0.5, 100000)")), HasSubstr("must be a constant, at most"));
    EXPECT_NE(ErrorOf(call("([i], s)")), "");
    EXPECT_EQ(ErrorOf(call("([i, i], 'approx_top_k', 5)")), "") << name;
    EXPECT_EQ(ErrorOf(call("([i, i], 'sum')")), "") << name;
    EXPECT_EQ(ErrorOf(call("([s, s], 'string_agg', ', ')")), "") << name;
  }
  // Evaluated where it is bound, before anyone sees the plan.
  EXPECT_THAT(ErrorOf("SELECT json_extract(s, list_aggr(['$.a'], 'approx_top_k', 900000)[1]) FROM t"),
              HasSubstr("must be a constant, at most 100"));
}

TEST_F(ValueBoundsTest, RefusesWhatCrashesWhileItIsBound) {
  for (const char* name : {"json_transform", "json_transform_strict", "from_json", "from_json_strict"}) {
    const std::string call = std::string("SELECT ") + name + "('1', repeat('{\"a\":', 200000) || '\"INT\"')";
    EXPECT_THAT(ErrorOf(call), HasSubstr("cast the JSON")) << name;
  }
}

}  // namespace
}  // namespace hyprstream::engine
