// SQLite files as backends.
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backend/backend_registry.h"
#include "backend/driver.h"
#include "documented_types.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Op = ColumnFilter::Op;

class SqliteBackend : public ::testing::Test {
 protected:
  SqliteBackend() {
    const char* drivers = std::getenv("HYPRSTREAM_ADBC_DRIVERS");
    folder_ = drivers == nullptr ? "" : drivers;
    path_ =
        (std::filesystem::temp_directory_path() / ("hyprstream-sqlite-" + std::to_string(getpid()) + ".db")).string();
    registry_ = backend::BackendRegistry::Make({.driver_folder = folder_});
    spec_.name = "local";
    spec_.driver = "sqlite";
    spec_.driver_options["uri"] = "file:" + path_;
  }
  ~SqliteBackend() override { std::filesystem::remove(path_); }

  // Apart from any backend.
  void Sql(const std::vector<std::string>& statements) const {
    auto database = backend::DriverDatabase::Open(spec_, backend::DriverLibrary("sqlite", folder_).ValueOrDie());
    ASSERT_OK(database);
    auto connection = backend::DriverConnection::Connect(*database);
    ASSERT_OK(connection);
    for (const auto& sql : statements) ASSERT_OK((*connection)->Run(sql));
  }

  static ScanRequest WholeOf(const TableSource& source) {
    ScanRequest request;
    for (int i = 0; i < source.schema()->num_fields(); ++i) request.projection.push_back(i);
    return request;
  }
  static arrow::Result<std::shared_ptr<arrow::Table>> Read(const TableSource& source, const ScanRequest& request) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, source.Scan(request));
    return reader->ToTable();
  }
  static std::vector<std::string> Column(const arrow::Table& table, int column) {
    std::vector<std::string> texts;
    for (std::int64_t row = 0; row < table.num_rows(); ++row) {
      texts.push_back(table.column(column)->GetScalar(row).ValueOrDie()->ToString());
    }
    return texts;
  }

  std::string folder_;
  std::string path_;
  backend::BackendSpec spec_;
  std::unique_ptr<backend::BackendRegistry> registry_;
};

TEST_F(SqliteBackend, ShowsItsTables) {
  Sql({"CREATE TABLE \"we ird\" (a INTEGER NOT NULL, \"b\"\"c\" TEXT)",
       "CREATE VIEW seen AS SELECT a FROM \"we ird\""});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  EXPECT_EQ(registry_->Backends()[0].target, "sqlite at " + path_);
  ASSERT_OK_AND_ASSIGN(const auto schemas, backend->Schemas());
  EXPECT_THAT(schemas, ElementsAre("main"));
  ASSERT_OK_AND_ASSIGN(const auto tables, backend->Tables("main"));
  ASSERT_EQ(tables.size(), 2);
  EXPECT_EQ(tables[0].name, "seen");
  EXPECT_TRUE(tables[0].is_view);
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("main", "we ird"));
  EXPECT_TRUE(table->schema()->Equals(
      arrow::schema({arrow::field("a", arrow::int64(), false), arrow::field("b\"c", arrow::utf8())})));
  EXPECT_TRUE(backend->Table("main", "we irt").status().IsKeyError());
  EXPECT_TRUE(backend->Tables("other").status().IsKeyError());
  EXPECT_TRUE(backend->Table("other", "we ird").status().IsKeyError());
}

TEST_F(SqliteBackend, HasTheTypesThatAreDeclaredWhateverTheFirstRowsAre) {
  Sql({"CREATE TABLE t (i BIGINT, r DOUBLE, s VARCHAR(9), b BLOB, d DATE, ts TIMESTAMP, f BOOLEAN, x)",
       "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n LIMIT 3000) INSERT INTO t SELECT NULL, NULL, "
       "NULL, NULL, NULL, NULL, NULL, NULL FROM n",
       "INSERT INTO t VALUES (9223372036854775807, 0.1, 'ä', x'00', '2024-02-29', '1969-12-31 23:59:59.999999', 1, "
       "0.1)",
       "INSERT INTO t VALUES (-9223372036854775808, 7, '', x'', '0001-01-01', '2013-01-01T00:00', 0, "
       "9223372036854775807)",
       "CREATE TABLE none AS SELECT * FROM t WHERE false"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "t"));
  ASSERT_OK_AND_ASSIGN(const auto all, Read(*source, WholeOf(*source)));
  ASSERT_OK(all->ValidateFull());
  ASSERT_EQ(all->num_rows(), 3'002);
  EXPECT_EQ(all->column(0)->null_count(), 3'000);
  const auto last = all->Slice(3'000);
  EXPECT_THAT(Column(*last, 0), ElementsAre("9223372036854775807", "-9223372036854775808"));
  EXPECT_THAT(Column(*last, 1), ElementsAre("0.1", "7"));
  EXPECT_THAT(Column(*last, 2), ElementsAre("ä", ""));
  EXPECT_THAT(Column(*last, 4), ElementsAre("2024-02-29", "0001-01-01"));
  EXPECT_THAT(Column(*last, 5), ElementsAre("1969-12-31 23:59:59.999999", "2013-01-01 00:00:00.000000"));
  EXPECT_THAT(Column(*last, 6), ElementsAre("true", "false"));
  EXPECT_EQ(std::strtod(Column(*last, 7)[0].c_str(), nullptr), 0.1);
  EXPECT_EQ(Column(*last, 7)[1], "9223372036854775807");
  for (const auto* name : {"t", "none"}) {
    ASSERT_OK_AND_ASSIGN(const auto counted, backend->Table("main", name));
    ASSERT_OK_AND_ASSIGN(const auto reader, counted->Scan({}));
    std::int64_t rows = 0;
    for (auto batch = reader->Next().ValueOrDie(); batch != nullptr; batch = reader->Next().ValueOrDie())
      rows += batch->num_rows();
    EXPECT_EQ(rows, std::string(name) == "t" ? 3'002 : 0);
  }
  ASSERT_OK_AND_ASSIGN(const auto none, backend->Table("main", "none"));
  ASSERT_OK_AND_ASSIGN(const auto empty, Read(*none, WholeOf(*none)));
  EXPECT_EQ(empty->num_rows(), 0);
  EXPECT_TRUE(empty->schema()->Equals(*none->schema()));
}

TEST_F(SqliteBackend, HasTheTypesOfTheDocument) {
  const auto types = DocumentedTypes("SQLite");
  EXPECT_GE(types.size(), 8);
  std::string columns;
  std::vector<std::string> expected;
  for (const auto& [names, arrow] : types) {
    for (const auto& name : names) {
      columns += (columns.empty() ? "c" : ", c") + std::to_string(expected.size()) + " " + name;
      expected.push_back(arrow);
    }
  }
  Sql({"CREATE TABLE t (" + columns + ")"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "t"));
  ASSERT_EQ(source->schema()->num_fields(), static_cast<int>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(source->schema()->field(static_cast<int>(i))->type()->ToString(), expected[i]) << i << ": " << columns;
  }
}

TEST_F(SqliteBackend, RefusesValuesOfAnotherClassThanTheirColumn) {
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  int number = 0;
  for (const auto& [type, value] :
       std::vector<std::pair<std::string, std::string>>{{"INTEGER", "1.5"},
                                                        {"INTEGER", "'one'"},
                                                        {"TEXT", "x'00'"},
                                                        {"BLOB", "'a'"},
                                                        {"DOUBLE", "'a'"},
                                                        {"NUMERIC", "9007199254740993"},
                                                        {"BOOLEAN", "2"},
                                                        {"DATE", "'2023-02-29'"},
                                                        {"DATE", "20130101"},
                                                        {"TIMESTAMP", "'2013-01-01 25:00'"},
                                                        {"TIMESTAMP", "'2013-01-01 00:00:00.1234567'"},
                                                        {"TIMESTAMP", "'2013-01-01 00:00:00+01'"}}) {
    const std::string name = "t" + std::to_string(number++);
    Sql({"CREATE TABLE " + name + " (v " + type + ", ok INTEGER)",
         "INSERT INTO " + name + " VALUES (NULL, 1), (" + value + ", 2)"});
    ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", name));
    const auto status = Read(*source, WholeOf(*source)).status();
    EXPECT_TRUE(status.IsInvalid()) << type << " " << value;
    EXPECT_THAT(status.message(), HasSubstr("local: Column v has a value ")) << type << " " << value;
    EXPECT_OK(Read(*source, {.projection = {1}}));
  }
}

TEST_F(SqliteBackend, SendsConditionsThatMeanTheSame) {
  Sql({"CREATE TABLE t (i INTEGER, s TEXT COLLATE NOCASE, d DATE, r REAL)",
       "INSERT INTO t VALUES (1, 'a', '2013-01-01', 0.5), (2, 'A', '2013-01-02', 1.5), (3, NULL, NULL, NULL), (NULL, "
       "'it''s', '2013-01-03', 2.5)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "t"));
  const auto count = [&](const ColumnFilter& filter) {
    EXPECT_TRUE(source->FindsExactly({filter}));
    auto request = WholeOf(*source);
    request.filters = {filter};
    const auto rows = Read(*source, request);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.ok() ? (*rows)->num_rows() : -1;
  };
  const auto day = std::make_shared<arrow::Date32Scalar>(15'707);  // 2013-01-02
  EXPECT_EQ(count({.column = 0, .op = Op::kGreaterEqual, .value = arrow::MakeScalar(std::int64_t{2})}), 2);
  EXPECT_EQ(count({.column = 0, .op = Op::kIsNull}), 1);
  EXPECT_EQ(count({.column = 1, .op = Op::kEqual, .value = arrow::MakeScalar("a")}), 1) << "bytes are compared";
  EXPECT_EQ(count({.column = 1, .op = Op::kIn, .values = {arrow::MakeScalar("it's"), arrow::MakeScalar("A")}}), 2);
  EXPECT_EQ(count({.column = 2, .op = Op::kLess, .value = day}), 1);
  EXPECT_FALSE(source->FindsExactly({{.column = 3, .op = Op::kEqual, .value = arrow::MakeScalar(0.5)}}));
}

TEST_F(SqliteBackend, PassesStatementsOn) {
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Query("SELECT 1 AS one, 'a' AS text, 0.5 AS half", {}));
  ASSERT_OK_AND_ASSIGN(const auto rows, Read(*source, WholeOf(*source)));
  EXPECT_EQ(Column(*rows, 1)[0], "a");
  EXPECT_THAT(backend->Query("SELECT FROM", {}).status().message(),
              AllOf(HasSubstr("local: "), HasSubstr("syntax error")));
}

TEST_F(SqliteBackend, LetsNoStatementThatIsPassedOnChangeAnything) {
  Sql({"CREATE TABLE t (i INTEGER)", "INSERT INTO t VALUES (1)"});
  const std::string other = path_ + "-other";
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  for (const std::string& sql :
       {"VACUUM INTO '" + other + "'", "ATTACH '" + other + "' AS o", std::string("PRAGMA query_only = off"),
        "/* */ -- \n /**/vacuum into '" + other + "'", std::string("INSERT INTO t VALUES (2) RETURNING i"),
        std::string("-- SELECT"), std::string("/* SELECT")}) {
    EXPECT_THAT(backend->Query(sql, {}).status().message(), HasSubstr("local: a statement begins with")) << sql;
  }
  EXPECT_FALSE(std::filesystem::exists(other));
  const auto deletes = backend->Query("WITH one AS (SELECT 1) DELETE FROM t RETURNING i", {});
  EXPECT_THAT(deletes.status().message(), HasSubstr("readonly"));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Query(" /* all */ -- of them\n SELECT count(*) AS n FROM t", {}));
  ASSERT_OK_AND_ASSIGN(const auto rows, Read(*source, WholeOf(*source)));
  EXPECT_EQ(Column(*rows, 0)[0], "1");
}

TEST_F(SqliteBackend, StopsForWhoIsGoneBetweenBatches) {
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(
      const auto source,
      backend->Query("WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) SELECT k FROM n", {}));
  std::atomic<bool> gone = false;
  auto request = WholeOf(*source);
  request.cancelled = [&] { return gone.load(); };
  ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan(request));
  ASSERT_OK(reader->Next());
  gone = true;
  EXPECT_TRUE(reader->ToTable().status().IsCancelled());
  EXPECT_EQ(registry_->Backends()[0].pool_in_use, 0);
}

TEST_F(SqliteBackend, RefusesWhatIsNoDatabase) {
  std::ofstream(path_)
      << "this is no database, though it has more bytes than the header of one, which has a hundred bytes or so";
  const auto backend = registry_->Attach(spec_);
  const auto status = backend.ok() ? (*backend)->Tables("main").status() : backend.status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), AllOf(HasSubstr("local"), HasSubstr("not a database")));
}

}  // namespace
}  // namespace hyprstream::testing
