#include "sql.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "status_expectations.h"

namespace adbc_redis::sql {
namespace {

template <class Command>
Command Parsed(std::string_view text) {
  const arrow::Result<Statement> statement = Parse(text);
  EXPECT_THAT(statement, IsOk()) << text;
  if (!statement.ok()) return {};
  EXPECT_TRUE(std::holds_alternative<Command>(statement->command)) << text;
  return std::get<Command>(statement->command);
}

TEST(Sql, CreatesTables) {
  const auto create = Parsed<CreateTable>(
      "create table if not exists Sensors (ID bigint, \"Time\" timestamp(9) with time zone not null, v decimal(10,2) "
      "null,"
      " primary key (id)) with (time = 'Time', retention = '7 days');");
  EXPECT_EQ(create.table, "sensors");
  EXPECT_TRUE(create.if_not_exists);
  ASSERT_EQ(create.columns.size(), 3);
  EXPECT_EQ(create.columns[0].name, "id");
  EXPECT_EQ(create.columns[1].name, "Time");
  EXPECT_TRUE(create.columns[1].type->Equals(arrow::timestamp(arrow::TimeUnit::NANO, "UTC")));
  EXPECT_FALSE(create.columns[1].nullable);
  EXPECT_TRUE(create.columns[2].type->Equals(arrow::decimal128(10, 2)));
  EXPECT_EQ(create.key, "id");
  EXPECT_EQ(create.time, "Time");
  EXPECT_EQ(create.retention_ms, 7 * 86'400'000);
}

TEST(Sql, RefusesTwoKeys) {
  EXPECT_THAT(Parse("CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)"),
              FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "one PRIMARY KEY"));
  EXPECT_THAT(Parse("CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))"),
              FailsWith(ADBC_STATUS_NOT_IMPLEMENTED, "one column"));
}

TEST(Sql, RefusesTableOptionsThatItDoesNotHave) {
  EXPECT_THAT(Parse("CREATE TABLE t (a INT) WITH (keys = 'user:*')"),
              FailsWith(ADBC_STATUS_NOT_IMPLEMENTED, "Unknown table option: keys"));
  EXPECT_THAT(Parse("CREATE TABLE t (a INT) WITH (time = 'a', retention = 'long')"),
              FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "Not a duration"));
}

TEST(Sql, Selects) {
  const auto select = Parsed<Select>(
      "SELECT a, \"b c\" FROM main.t WHERE k IN (1, -2.5, 'it''s', x'00ff', NULL, true) AND (ts >= TIMESTAMP "
      "'2026-01-01')"
      " and ts between ? and ? ORDER BY ts DESC NULLS LAST LIMIT ?");
  EXPECT_EQ(select.columns, (std::vector<std::string>{"a", "b c"}));
  ASSERT_EQ(select.where.size(), 3);
  EXPECT_EQ(select.where[0].kind, Condition::Kind::kIn);
  const std::vector<Value> values = {{.kind = Value::Kind::kNumber, .text = "1"},
                                     {.kind = Value::Kind::kNumber, .text = "-2.5"},
                                     {.kind = Value::Kind::kString, .text = "it's"},
                                     {.kind = Value::Kind::kBytes, .text = std::string("\0\xff", 2)},
                                     {},
                                     {.kind = Value::Kind::kBoolean, .text = "true"}};
  EXPECT_EQ(select.where[0].values, values);
  EXPECT_EQ(select.where[1].kind, Condition::Kind::kGreaterOrEqual);
  EXPECT_EQ(select.where[2].values[1].parameter, 1);
  EXPECT_EQ(select.order_by, "ts");
  EXPECT_TRUE(select.descending);
  EXPECT_EQ(select.limit->parameter, 2);
}

TEST(Sql, CountsParameters) {
  EXPECT_EQ(Parse("SELECT * FROM t WHERE k = $2 AND ts = $1")->parameters, 2);
  EXPECT_EQ(Parse("INSERT INTO t VALUES (?, ?), (?, 1)")->parameters, 3);
  EXPECT_THAT(Parse("SELECT * FROM t WHERE k = $2 AND ts = ?"), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "not both"));
  EXPECT_THAT(Parse("SELECT * FROM t WHERE k = $0"), FailsWith(ADBC_STATUS_NOT_IMPLEMENTED, "$1"));
}

TEST(Sql, Deletes) {
  EXPECT_FALSE(Parsed<Delete>("DELETE FROM t").where.has_value());
  EXPECT_EQ(Parsed<Delete>("DELETE FROM t WHERE k = 'x'").where->column, "k");
  EXPECT_THAT(Parse("DELETE FROM t WHERE k > 1"), FailsWith(ADBC_STATUS_NOT_IMPLEMENTED, "WHERE key = value"));
}

TEST(Sql, UpdatesByKey) {
  const auto update = Parsed<Update>("UPDATE t SET a = 1, \"B\" = ? WHERE k IN ('x', ?)");
  EXPECT_EQ(update.columns, (std::vector<std::string>{"a", "B"}));
  EXPECT_EQ(update.values[0].text, "1");
  EXPECT_EQ(update.values[1].parameter, 0);
  EXPECT_EQ(update.where.values[1].parameter, 1);
  EXPECT_THAT(Parse("UPDATE t SET a = 1 WHERE k > 1"), FailsWith(ADBC_STATUS_NOT_IMPLEMENTED, "WHERE key = value"));
}

TEST(Sql, NamesThePlacesOfOthers) {
  EXPECT_EQ(Parsed<CreateTable>("CREATE TABLE t (a INT) WITH (hashes = 'user:*')").hashes, "user:*");
  EXPECT_EQ(Parsed<CreateTable>("CREATE TABLE t (a INT) WITH (stream = 's', time = 'a')").stream, "s");
  EXPECT_THAT(Parse("CREATE TABLE t (a INT) WITH (stream = 's', hashes = 'a*')"),
              FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "not of both"));
}

TEST(Sql, SkipsComments) { EXPECT_EQ(Parsed<DropTable>("DROP /* a ; b */ TABLE -- c\n IF EXISTS t").table, "t"); }

TEST(Sql, TakesNothingForGranted) {
  EXPECT_THAT(Parse("SELECT 'a"), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "string at position 8 does not end"));
  EXPECT_THAT(Parse("SELECT x'0'"), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "hexadecimal"));
  EXPECT_THAT(Parse("/*"), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "comment"));
}

class NotAnswered : public ::testing::TestWithParam<const char*> {};

TEST_P(NotAnswered, IsNotImplemented) { EXPECT_THAT(Parse(GetParam()), FailsWith(ADBC_STATUS_NOT_IMPLEMENTED, "")); }

INSTANTIATE_TEST_SUITE_P(Sql, NotAnswered,
                         ::testing::Values("", "SELECT", "SELECT count(*) FROM t", "SELECT a + 1 FROM t",
                                           "SELECT DISTINCT a FROM t", "SELECT a AS b FROM t", "SELECT * FROM t, u",
                                           "SELECT * FROM t JOIN u ON true", "SELECT * FROM t WHERE a = 1 OR a = 2",
                                           "SELECT * FROM t WHERE NOT a = 1", "SELECT * FROM t WHERE a LIKE 'x'",
                                           "SELECT * FROM t WHERE a IS NULL", "SELECT * FROM t WHERE a <> 1",
                                           "SELECT * FROM t GROUP BY a", "SELECT * FROM t LIMIT 1 OFFSET 2",
                                           "SELECT * FROM t ORDER BY a, b", "SELECT * FROM t UNION SELECT * FROM u",
                                           "UPDATE t SET a = 1", "SELECT * FROM t; SELECT * FROM t",
                                           "WITH x AS (SELECT 1) SELECT * FROM x", "INSERT INTO t SELECT * FROM u",
                                           "SELECT 1", "FLUSHALL", "CREATE INDEX i ON t (a)",
                                           "CREATE TABLE t (a STRUCT(b INT))", "CREATE TABLE t (a INT[])"));

TEST(Sql, SurvivesEveryPrefixOfAStatement) {
  const std::string text =
      "CREATE TABLE IF NOT EXISTS \"t\" (a DECIMAL(4,2) NOT NULL, PRIMARY KEY (a)) WITH (time='a', retention='1 day')";
  for (size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(Parse(text.substr(0, length)).ok() && length < 60) << length;
}

TEST(Sql, ReadsDurations) {
  EXPECT_EQ(ReadDuration("90 seconds").ValueOrDie(), 90'000);
  EXPECT_EQ(ReadDuration("1 week").ValueOrDie(), 604'800'000);
  for (const char* text : {"", "0 days", "-1 day", "7", "7 moons", "99999999999 weeks"}) {
    EXPECT_THAT(ReadDuration(text), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "Not a duration")) << text;
  }
}

}  // namespace
}  // namespace adbc_redis::sql
