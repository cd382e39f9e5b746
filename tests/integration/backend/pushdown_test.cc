// Queries that a database answers as a whole: what values do there that are refused where they are read.
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "backend/driver.h"
#include "postgres_backend.h"
#include "remote_queries.h"

namespace hyprstream::testing {
namespace {

using ::testing::HasSubstr;
using Kind = RemoteRelation::Kind;
class PostgresPushdown : public PostgresBackend {};

TEST_F(PostgresPushdown, NanIsNoDecimalInAQueryEither) {
  Sql("DROP TABLE IF EXISTS sums; CREATE TABLE sums (n numeric(9,2)); INSERT INTO sums VALUES (1.25), (NULL), (2.5)");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("public", "sums"));
  EXPECT_EQ(FirstRow(*backend, Aggregate(table, "sum", arrow::decimal128(38, 2))), "3.75");
  Sql("INSERT INTO sums VALUES ('NaN')");
  EXPECT_THAT(FirstRow(*backend, Aggregate(table, "max", arrow::decimal128(9, 2))), HasSubstr("NaN has no digits"));
}

TEST_F(PostgresPushdown, TextsOfSeveralCollationsAreCompared) {
  Sql("DROP TABLE IF EXISTS texts; CREATE TABLE texts (a text COLLATE \"de-x-icu\", b text COLLATE \"sv-x-icu\"); "
      "INSERT INTO texts VALUES ('ä', 'ä'), ('Z', 'Z'), ('a', 'b')");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("public", "texts"));
  RemoteRelation equal{.kind = Kind::kFilter};
  equal.inputs.push_back(Whole(table));
  equal.conditions.push_back({.kind = RemoteExpression::Kind::kCall,
                              .type = arrow::boolean(),
                              .function = "=",
                              .arguments = {Column(0, *table), Column(1, *table)}});
  RemoteRelation least{.kind = Kind::kAggregate};
  least.inputs.push_back(equal);
  least.aggregates.push_back({.function = "min", .arguments = {Column(0, *table)}, .type = arrow::utf8()});
  EXPECT_EQ(FirstRow(*backend, least), "Z");  // byte by byte, and not as in German
}

TEST_F(PostgresPushdown, ATableThatChangedIsLookedUpAnew) {
  Sql("DROP TABLE IF EXISTS changing; CREATE TABLE changing (i int8)");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(auto table, backend->Table("public", "changing"));
  Sql("ALTER TABLE changing RENAME COLUMN i TO j");
  EXPECT_THAT(FirstRow(*backend, Aggregate(table, "sum", arrow::decimal128(38, 0))), HasSubstr("has changed"));
  ASSERT_OK_AND_ASSIGN(table, backend->Table("public", "changing"));
  EXPECT_EQ(FirstRow(*backend, Aggregate(table, "sum", arrow::decimal128(38, 0))), "null");
}

class SqlitePushdown : public ::testing::Test {
 protected:
  SqlitePushdown() {
    const char* drivers = std::getenv("HYPRSTREAM_ADBC_DRIVERS");
    folder_ = drivers == nullptr ? "" : drivers;
    path_ =
        (std::filesystem::temp_directory_path() / ("hyprstream-pushdown-" + std::to_string(getpid()) + ".db")).string();
    registry_ = backend::BackendRegistry::Make({.driver_folder = folder_});
    spec_.name = "local";
    spec_.driver = "sqlite";
    spec_.driver_options["uri"] = "file:" + path_;
  }
  ~SqlitePushdown() override { std::filesystem::remove(path_); }

  // Apart from any backend.
  void Sql(const std::vector<std::string>& statements) const {
    auto database = backend::DriverDatabase::Open(spec_, backend::DriverLibrary("sqlite", folder_).ValueOrDie());
    ASSERT_OK(database);
    auto connection = backend::DriverConnection::Connect(*database);
    ASSERT_OK(connection);
    for (const auto& sql : statements) ASSERT_OK((*connection)->Run(sql));
  }

  std::string folder_;
  std::string path_;
  backend::BackendSpec spec_;
  std::unique_ptr<backend::BackendRegistry> registry_;
};

TEST_F(SqlitePushdown, SumsDoNotStopAt64Bits) {
  Sql({"CREATE TABLE t (x BIGINT)", "INSERT INTO t VALUES (9223372036854775807), (9223372036854775807), (-1), (NULL)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("main", "t"));
  EXPECT_EQ(FirstRow(*backend, Aggregate(table, "sum", arrow::decimal128(38, 0))), "18446744073709551613");
  Sql({"DELETE FROM t", "INSERT INTO t VALUES (-9223372036854775808), (-9223372036854775808)"});
  EXPECT_EQ(FirstRow(*backend, Aggregate(table, "sum", arrow::decimal128(38, 0))), "-18446744073709551616");
  Sql({"DELETE FROM t"});
  EXPECT_EQ(FirstRow(*backend, Aggregate(table, "sum", arrow::decimal128(38, 0))), "null");
}

TEST_F(SqlitePushdown, AValueOfAnotherClassIsAnErrorThatNamesItsColumn) {
  Sql({"CREATE TABLE t (x BIGINT)", "INSERT INTO t VALUES (1), ('two')", "CREATE TABLE d (day DATE)",
       "INSERT INTO d VALUES ('2024-02-30')", "CREATE TABLE b (yes BOOLEAN)", "INSERT INTO b VALUES (2)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto numbers, backend->Table("main", "t"));
  EXPECT_THAT(FirstRow(*backend, Aggregate(numbers, "sum", arrow::decimal128(38, 0))),
              HasSubstr("column x has a value of another class than its declared type bigint: text"));
  ASSERT_OK_AND_ASSIGN(const auto days, backend->Table("main", "d"));
  EXPECT_THAT(FirstRow(*backend, Aggregate(days, "min", arrow::date32())), HasSubstr("column day"));
  ASSERT_OK_AND_ASSIGN(const auto booleans, backend->Table("main", "b"));
  EXPECT_THAT(FirstRow(*backend, Aggregate(booleans, "count", arrow::int64())), HasSubstr("column yes"));
}

TEST_F(SqlitePushdown, TextsOfAnotherEncodingAreOnlyHandedOn) {
  Sql({"PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t (s TEXT)", "INSERT INTO t VALUES ('a')"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("main", "t"));
  EXPECT_THAT(FirstRow(*backend, Aggregate(table, "min", arrow::utf8())), HasSubstr("only handed on"));
}

}  // namespace
}  // namespace hyprstream::testing
