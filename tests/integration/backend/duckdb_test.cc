// DuckDB files as backends.
#include <arrow/array/array_binary.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "backend/backend_registry.h"
#include "backend/driver.h"
#include "documented_types.h"
#include "remote_queries.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Op = ColumnFilter::Op;

// More rows than anybody waits for.
constexpr const char* kEndless =
    "CREATE VIEW endless AS SELECT count(*) AS n FROM range(10000000000) a, range(10000000000) b WHERE a.range <> "
    "b.range";

class DuckdbBackend : public ::testing::Test {
 protected:
  DuckdbBackend()
      : folder_(std::filesystem::temp_directory_path() / ("hyprstream-duckdb-" + std::to_string(getpid()))),
        path_((folder_ / "old.duckdb").string()) {
    std::filesystem::create_directory(folder_);
    registry_ = backend::BackendRegistry::Make({.own_database = (folder_ / "own.duckdb").string()});
    spec_ = SpecOf("old", path_);
  }
  ~DuckdbBackend() override {
    registry_.reset();
    std::filesystem::remove_all(folder_);
  }

  static backend::BackendSpec SpecOf(const std::string& name, const std::string& path) {
    backend::BackendSpec spec;
    spec.name = name;
    spec.driver = "duckdb";
    spec.driver_options["uri"] = path;
    return spec;
  }

  // Apart from any backend, which must not have it open.
  void Sql(const std::vector<std::string>& statements) const {
    auto made = spec_;
    made.driver_options["access_mode"] = "READ_WRITE";
    auto database = backend::DriverDatabase::Open(made, "duckdb");
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
  // The values of a table with the one column `v`.
  std::vector<std::string> Values(const Backend& backend, const std::string& table) const {
    auto source = backend.Table("main", table);
    EXPECT_OK(source);
    const auto rows = Read(**source, WholeOf(**source));
    EXPECT_OK(rows);
    EXPECT_OK((*rows)->ValidateFull());
    return Column(**rows, 0);
  }

  const std::filesystem::path folder_;
  const std::string path_;
  backend::BackendSpec spec_;
  std::unique_ptr<backend::BackendRegistry> registry_;
};

TEST_F(DuckdbBackend, ShowsItsTables) {
  Sql({"CREATE TABLE \"we ird\" (a INTEGER NOT NULL, \"b\"\"c\" VARCHAR)", "INSERT INTO \"we ird\" VALUES (1, 'x')",
       "CREATE VIEW seen AS SELECT a FROM \"we ird\"", "CREATE SCHEMA s2", "CREATE TABLE s2.t (i BIGINT)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  EXPECT_EQ(registry_->Backends()[0].target, "duckdb at " + path_);
  EXPECT_THAT(registry_->Backends()[0].driver_version, HasSubstr("2."));
  ASSERT_OK_AND_ASSIGN(const auto schemas, backend->Schemas());
  EXPECT_THAT(schemas, ElementsAre("main", "s2"));
  ASSERT_OK_AND_ASSIGN(const auto tables, backend->Tables("main"));
  ASSERT_EQ(tables.size(), 2);
  EXPECT_EQ(tables[0].name, "seen");
  EXPECT_TRUE(tables[0].is_view);
  EXPECT_FALSE(tables[1].is_view);
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("main", "we ird"));
  EXPECT_TRUE(table->schema()->Equals(
      arrow::schema({arrow::field("a", arrow::int32(), false), arrow::field("b\"c", arrow::utf8())})));
  EXPECT_EQ(table->EstimatedRows(), 1);
  EXPECT_OK(backend->Table("s2", "t"));
  EXPECT_THAT(Values(*backend, "seen"), ElementsAre("1"));
  EXPECT_TRUE(backend->Table("main", "we irt").status().IsKeyError());
  EXPECT_TRUE(backend->Tables("other").status().IsKeyError());
  EXPECT_TRUE(backend->Table("other", "we ird").status().IsKeyError());
}

TEST_F(DuckdbBackend, HasTheTypesOfTheDocument) {
  const auto types = DocumentedTypes("DuckDB");
  EXPECT_GE(types.size(), 20);
  std::string columns;
  std::vector<std::string> expected;
  for (const auto& [names, arrow] : types) {
    for (const auto& name : names) {
      columns += (columns.empty() ? "c" : ", c") + std::to_string(expected.size()) + " " + name;
      expected.push_back(arrow);
    }
  }
  Sql({"CREATE TABLE t (" + columns + ")", "INSERT INTO t (c0) VALUES (NULL)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "t"));
  ASSERT_EQ(source->schema()->num_fields(), static_cast<int>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(source->schema()->field(static_cast<int>(i))->type()->ToString(), expected[i]) << i << ": " << columns;
  }
  ASSERT_OK_AND_ASSIGN(const auto rows, Read(*source, WholeOf(*source)));
  EXPECT_TRUE(rows->schema()->Equals(*source->schema()));
}

struct Case {
  const char* type;
  std::vector<const char*> values;
  std::vector<std::string> read;
};

TEST_F(DuckdbBackend, ReadsEveryValueAsItIs) {
  const std::vector<Case> cases = {
      {"TINYINT", {"-128", "127"}, {"-128", "127"}},
      {"UBIGINT", {"18446744073709551615"}, {"18446744073709551615"}},
      {"BIGINT", {"-9223372036854775808"}, {"-9223372036854775808"}},
      {"HUGEINT", {"-99999999999999999999999999999999999999"}, {"-99999999999999999999999999999999999999"}},
      {"FLOAT", {"'nan'", "'-inf'", "0.1"}, {"nan", "-inf", "0.1"}},
      {"DOUBLE", {"'nan'", "'inf'", "5e-324"}, {"nan", "inf", "5e-324"}},
      {"DECIMAL(38,2)", {"999999999999999999999999999999999999.99"}, {"999999999999999999999999999999999999.99"}},
      {"DECIMAL(4,1)", {"-999.9"}, {"-999.9"}},
      {"VARCHAR", {"'ä'", "''", "'it''s'"}, {"ä", "", "it's"}},
      {"BLOB", {"'\\x00a'"}, {std::string("\0a", 2)}},
      {"DATE", {"'0001-01-01'", "'9999-12-31'"}, {"0001-01-01", "9999-12-31"}},
      {"TIME", {"'23:59:59.999999'"}, {"23:59:59.999999"}},
      {"TIMESTAMP", {"'1969-12-31 23:59:59.999999'"}, {"1969-12-31 23:59:59.999999"}},
      {"TIMESTAMP_S", {"'2024-02-29 00:00:01'"}, {"2024-02-29 00:00:01"}},
      {"TIMESTAMP_MS", {"'2024-02-29 00:00:01.001'"}, {"2024-02-29 00:00:01.001"}},
      {"TIMESTAMP_NS", {"'2024-02-29 00:00:01.000000001'"}, {"2024-02-29 00:00:01.000000001"}},
      {"TIMESTAMPTZ", {"'2024-02-29 00:00:01+02'"}, {"2024-02-28 22:00:01.000000Z"}},
      {"TIMETZ", {"'10:00:00+02'"}, {"10:00:00+02"}},
      {"INTERVAL", {"'-2 months 3 days 1 microsecond'"}, {"-2M3d1000ns"}},
      {"UUID",
       {"'ffffffff-0000-4000-8000-000000000001'"},
       {std::string("\xFF\xFF\xFF\xFF\0\0\x40\0\x80\0\0\0\0\0\0\x01", 16)}},
      {"BIT", {"'0101'"}, {"0101"}},
      {"BIGNUM",
       {"'123456789012345678901234567890123456789012345678901234567890'"},
       {"123456789012345678901234567890123456789012345678901234567890"}},
      {"ENUM('sad', 'glad')", {"'glad'"}, {"glad"}},
      {"UNION(n INTEGER, s VARCHAR)", {"5", "'x'"}, {"5", "x"}},
      {"HUGEINT[]", {"[1, NULL]"}, {"[1, NULL]"}},
  };
  std::vector<std::string> statements;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto table = "t" + std::to_string(i);
    statements.push_back("CREATE TABLE " + table + " (v " + cases[i].type + ")");
    for (const auto* value : cases[i].values) statements.push_back("INSERT INTO " + table + " VALUES (" + value + ")");
    statements.push_back("INSERT INTO " + table + " VALUES (NULL)");
  }
  Sql(statements);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    auto expected = cases[i].read;
    expected.emplace_back("null");
    EXPECT_EQ(Values(*backend, "t" + std::to_string(i)), expected) << cases[i].type;
  }
}

TEST_F(DuckdbBackend, ReadsNestedValuesAsTheyAre) {
  Sql({"CREATE TABLE a (v INTEGER[])", "INSERT INTO a VALUES ([1, NULL]), ([]), (NULL)",
       "CREATE TABLE b (v STRUCT(a INTEGER, \"b c\" TIMESTAMPTZ[]))",
       "INSERT INTO b VALUES ({'a': 1, 'b c': ['2024-01-01 00:00:00+00']}), (NULL)",
       "CREATE TABLE c (v MAP(VARCHAR, DOUBLE))", "INSERT INTO c VALUES (MAP {'x': 0.5}), (NULL)",
       "CREATE TABLE d (v DOUBLE[3])", "INSERT INTO d VALUES ([1, 2, NULL]), (NULL)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  EXPECT_EQ(Values(*backend, "a").size(), 3);
  for (const auto& [table, type] :
       std::vector<std::pair<std::string, arrow::Type::type>>{{"a", arrow::Type::LIST},
                                                              {"b", arrow::Type::STRUCT},
                                                              {"c", arrow::Type::MAP},
                                                              {"d", arrow::Type::FIXED_SIZE_LIST}}) {
    ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", table));
    EXPECT_EQ(source->schema()->field(0)->type()->id(), type);
    ASSERT_OK_AND_ASSIGN(const auto rows, Read(*source, WholeOf(*source)));
    EXPECT_EQ(rows->column(0)->null_count(), 1) << table;
  }
  EXPECT_THAT(Values(*backend, "b")[0], AllOf(HasSubstr("a:int32 = 1"), HasSubstr("2024-01-01")));
}

TEST_F(DuckdbBackend, InfinitiesAreTheEnginesOwn) {
  Sql({"CREATE TABLE t (v TIMESTAMP)", "INSERT INTO t VALUES ('infinity'), ('-infinity')", "CREATE TABLE d (v DATE)",
       "INSERT INTO d VALUES ('infinity'), ('-infinity')"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  const auto numbers = [&](const std::string& table, const std::shared_ptr<arrow::DataType>& as) {
    const auto source = backend->Table("main", table).ValueOrDie();
    const auto rows = Read(*source, WholeOf(*source)).ValueOrDie();
    return rows->column(0)->chunk(0)->View(as).ValueOrDie()->ToString();
  };
  EXPECT_THAT(numbers("t", arrow::int64()),
              AllOf(HasSubstr(" 9223372036854775807"), HasSubstr("-9223372036854775807")));
  EXPECT_THAT(numbers("d", arrow::int32()), AllOf(HasSubstr(" 2147483647"), HasSubstr("-2147483647")));
}

TEST_F(DuckdbBackend, RefusesValuesThatArrowCannotHold) {
  Sql({"CREATE TABLE h (v HUGEINT, ok INTEGER)",
       "INSERT INTO h VALUES (NULL, 1), (170141183460469231731687303715884105727, 2)",
       "CREATE TABLE u (v UHUGEINT, ok INTEGER)", "INSERT INTO u VALUES (340282366920938463463374607431768211455, 1)",
       "CREATE TABLE i (v INTERVAL, ok INTEGER)", "INSERT INTO i VALUES (NULL, 1), (-INTERVAL '2562048 hours', 2)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  for (const auto* table : {"h", "u", "i"}) {
    ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", table));
    const auto status = Read(*source, WholeOf(*source)).status();
    EXPECT_TRUE(status.IsInvalid()) << table;
    EXPECT_THAT(status.message(), HasSubstr("old: Column v has a")) << table;
    EXPECT_OK(Read(*source, {.projection = {1}}));
  }
}

TEST_F(DuckdbBackend, SendsConditionsThatMeanTheSame) {
  Sql(
      {"CREATE TABLE t (i BIGINT, s VARCHAR COLLATE NOCASE, d DATE, r DOUBLE, ts TIMESTAMPTZ, u UUID, c DECIMAL(5,2), "
       "b UBIGINT)",
       "INSERT INTO t VALUES (1, 'a', '2013-01-01', 'nan', '2013-01-01 00:00:00+00', "
       "'00000000-0000-0000-0000-000000000001', 1.25, 18446744073709551615), (2, 'A', '2013-01-02', 1.5, "
       "'2013-01-02 00:00:00+00', NULL, 2.5, 0), (-9223372036854775808, NULL, NULL, NULL, NULL, NULL, NULL, NULL), "
       "(NULL, 'it''s', 'infinity', -0.0, 'infinity', NULL, -1, 1)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "t"));
  const auto count = [&](const ColumnFilter& filter) {
    EXPECT_TRUE(source->FindsExactly({filter}));
    auto request = WholeOf(*source);
    request.filters = {filter};
    const auto rows = Read(*source, request);
    EXPECT_OK(rows);
    return rows.ok() ? (*rows)->num_rows() : -1;
  };
  const auto day = std::make_shared<arrow::Date32Scalar>(15'707);  // 2013-01-02
  const auto time =
      std::make_shared<arrow::TimestampScalar>(1'357'084'800'000'000, arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"));
  const auto lowest = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(count({.column = 0, .op = Op::kGreaterEqual, .value = arrow::MakeScalar(std::int64_t{2})}), 1);
  EXPECT_EQ(count({.column = 0, .op = Op::kEqual, .value = arrow::MakeScalar(lowest)}), 1);
  EXPECT_EQ(count({.column = 0, .op = Op::kIsNull}), 1);
  EXPECT_EQ(count({.column = 1, .op = Op::kEqual, .value = arrow::MakeScalar("a")}), 1) << "bytes are compared";
  EXPECT_EQ(count({.column = 1, .op = Op::kIn, .values = {arrow::MakeScalar("it's"), arrow::MakeScalar("A")}}), 2);
  EXPECT_EQ(count({.column = 2, .op = Op::kLess, .value = day}), 1);
  EXPECT_EQ(count({.column = 2, .op = Op::kGreaterEqual, .value = day}), 2) << "infinity is the greatest";
  EXPECT_EQ(count({.column = 3, .op = Op::kGreater, .value = arrow::MakeScalar(1.5)}), 1) << "NaN is the greatest";
  EXPECT_EQ(count({.column = 3, .op = Op::kEqual, .value = arrow::MakeScalar(0.0)}), 1);
  EXPECT_EQ(count({.column = 4, .op = Op::kLessEqual, .value = time}), 2);
  EXPECT_EQ(
      count({.column = 6,
             .op = Op::kEqual,
             .value = std::make_shared<arrow::Decimal128Scalar>(arrow::Decimal128(125), arrow::decimal128(5, 2))}),
      1);
  EXPECT_EQ(count({.column = 7, .op = Op::kGreater, .value = arrow::MakeScalar(std::uint64_t{1})}), 1);
  auto limited = WholeOf(*source);
  limited.rows_max = 2;
  ASSERT_OK_AND_ASSIGN(const auto two, Read(*source, limited));
  EXPECT_EQ(two->num_rows(), 2);
}

// A query that is answered there as a whole means what it means here.
TEST_F(DuckdbBackend, AnswersQueries) {
  Sql({"CREATE TABLE t (s VARCHAR COLLATE NOCASE, u UUID, e ENUM ('z', 'a'))",
       "INSERT INTO t VALUES ('a', '00000000-0000-0000-0000-000000000002', 'z'), "
       "('B', 'f0000000-0000-0000-0000-000000000001', 'a')",
       "CREATE TABLE h (v HUGEINT)", "INSERT INTO h VALUES (1), (NULL)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("main", "t"));
  auto least = Aggregate(table, "min", arrow::utf8());
  least.aggregates[1].type = arrow::fixed_size_binary(16);
  const auto texts = FirstRow(*backend, least);
  EXPECT_TRUE(texts.starts_with("B,")) << "by bytes: " << texts;
  EXPECT_TRUE(texts.ends_with(",a")) << "an enum by its text: " << texts;
  EXPECT_THAT(texts, HasSubstr(std::string("\0\0\x02", 3)));
  ASSERT_OK_AND_ASSIGN(const auto plan, backend->Plan(least));
  EXPECT_THAT(plan.statement, HasSubstr("COLLATE \"binary\" AS c0"));
}

TEST_F(DuckdbBackend, ANumberOfTooManyDigitsIsAnErrorInAQueryToo) {
  Sql({"CREATE TABLE h (v HUGEINT)", "INSERT INTO h VALUES (1), (NULL), (170141183460469231731687303715884105727)",
       "CREATE TABLE i (v INTERVAL)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("main", "h"));
  EXPECT_THAT(FirstRow(*backend, Aggregate(table, "max", arrow::decimal128(38, 0))), HasSubstr("Conversion Error"));
  ASSERT_OK_AND_ASSIGN(const auto intervals, backend->Table("main", "i"));
  EXPECT_THAT(FirstRow(*backend, Aggregate(intervals, "count", arrow::int64())),
              HasSubstr("column v is looked at value by value"));
}

TEST_F(DuckdbBackend, StopsForWhoIsGone) {
  Sql({kEndless});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "endless"));
  auto request = WholeOf(*source);
  std::atomic<bool> asked = false;
  request.cancelled = [&] { return asked.exchange(true); };
  const auto status = Read(*source, request).status();
  EXPECT_TRUE(status.IsCancelled()) << status;
  EXPECT_EQ(registry_->Backends()[0].pool_in_use, 0);
}

TEST_F(DuckdbBackend, EndsAStatementWhoseTimeIsUp) {
  Sql({kEndless, "CREATE TABLE t AS SELECT 7 AS v"});
  spec_.statement_timeout = std::chrono::milliseconds(200);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "endless"));
  const auto status = Read(*source, WholeOf(*source)).status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(), HasSubstr("old had not answered within its statement_timeout of 200 ms"));
  EXPECT_THAT(Values(*backend, "t"), ElementsAre("7"));
}

TEST_F(DuckdbBackend, AnErrorOnTheWayIsNoLossOfAConnection) {
  Sql({"CREATE TABLE t AS SELECT range::VARCHAR AS s FROM range(100000)", "INSERT INTO t VALUES ('x')",
       "CREATE VIEW wrong AS SELECT s::INTEGER AS v FROM t"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "wrong"));
  const auto status = Read(*source, WholeOf(*source)).status();
  EXPECT_TRUE(status.IsInvalid()) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr("old: Conversion Error"), Not(HasSubstr("LINE 1"))));
  EXPECT_EQ(registry_->Backends()[0].state, backend::BackendState::kAvailable);
}

TEST_F(DuckdbBackend, AFileIsAttachedOnce) {
  Sql({"CREATE TABLE t AS SELECT 7 AS v"});
  ASSERT_OK(registry_->Attach(spec_));
  std::filesystem::create_symlink(path_, folder_ / "link.duckdb");
  std::filesystem::create_hard_link(path_, folder_ / "hard.duckdb");
  for (const auto* name : {"old.duckdb", "link.duckdb", "hard.duckdb", "./old.duckdb"}) {
    const auto second = registry_->Attach(SpecOf("second", folder_.string() + "/" + name)).status();
    EXPECT_TRUE(second.IsAlreadyExists()) << second;
    EXPECT_THAT(second.message(), HasSubstr("is open already, as old")) << name;
  }
  ASSERT_OK(registry_->Detach("old"));
  ASSERT_OK_AND_ASSIGN(const auto again, registry_->Attach(SpecOf("second", path_)));
  EXPECT_THAT(Values(*again, "t"), ElementsAre("7"));
}

TEST_F(DuckdbBackend, AFileIsTakenWhileADetachedBackendIsRead) {
  Sql({"CREATE TABLE t AS SELECT range AS v FROM range(100000)"});
  ASSERT_OK_AND_ASSIGN(auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(auto source, backend->Table("main", "t"));
  ASSERT_OK_AND_ASSIGN(auto reader, source->Scan(WholeOf(*source)));
  backend.reset();
  source.reset();
  ASSERT_OK(registry_->Detach("old"));
  EXPECT_TRUE(registry_->Attach(spec_).status().IsAlreadyExists());
  reader.reset();
  EXPECT_OK(registry_->Attach(spec_));
}

// Plans are remembered, and with them what they read.
TEST_F(DuckdbBackend, AFileIsNotTakenWhereItsTablesAreOnlyKnown) {
  Sql({"CREATE TABLE t AS SELECT range AS v FROM range(10)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("main", "t"));
  ASSERT_OK_AND_ASSIGN(const auto statement, backend->Query("FROM t", {}));
  ASSERT_OK(Read(*statement, WholeOf(*statement)));
  ASSERT_OK(registry_->Detach("old"));
  ASSERT_OK(registry_->Attach(spec_));
  EXPECT_TRUE(Read(*table, WholeOf(*table)).status().IsCancelled());
  EXPECT_TRUE(Read(*statement, WholeOf(*statement)).status().IsCancelled());
}

TEST_F(DuckdbBackend, TheServersOwnFileIsNoBackend) {
  Sql({"CREATE TABLE t AS SELECT 7 AS v"});
  std::filesystem::rename(path_, folder_ / "own.duckdb");
  const auto own = registry_->Attach(SpecOf("own", folder_ / "own.duckdb")).status();
  EXPECT_THAT(own.message(), HasSubstr("the server's own database"));
}

TEST_F(DuckdbBackend, AFileThatIsNotThereIsNotMade) {
  const auto missing = registry_->Attach(spec_).status();
  EXPECT_TRUE(missing.IsIOError());
  EXPECT_THAT(missing.message(), AllOf(HasSubstr("old: "), HasSubstr("No such file")));
  EXPECT_FALSE(std::filesystem::exists(path_));
  spec_.may_be_down = true;
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  EXPECT_THAT(backend->Tables("main").status().message(), HasSubstr("old is unavailable"));
}

TEST_F(DuckdbBackend, RefusesWhatIsNoDatabase) {
  std::ofstream(path_) << std::string(10'000, 'x');
  const auto status = registry_->Attach(spec_).status();
  EXPECT_THAT(status.message(), AllOf(HasSubstr("old: "), HasSubstr("not a valid DuckDB database file")));
  // The file was given back.
  std::filesystem::remove(path_);
  Sql({"CREATE TABLE t (i INTEGER)"});
  EXPECT_OK(registry_->Attach(spec_));
}

TEST_F(DuckdbBackend, NothingThatItRunsReachesAnotherFile) {
  std::ofstream(folder_ / "secret.csv") << "hidden\n1\n";
  const auto secret = (folder_ / "secret.csv").string();
  Sql({"CREATE TABLE t AS SELECT 7 AS v"});
  ASSERT_OK_AND_ASSIGN(auto database, backend::DriverDatabase::Open(spec_, "duckdb"));
  ASSERT_OK_AND_ASSIGN(auto connection, backend::DriverConnection::Connect(database));
  for (const std::string& sql :
       {"CREATE TABLE x AS FROM read_csv('" + secret + "')", "CREATE TABLE x AS FROM '" + secret + "'",
        "COPY t TO '" + secret + "'", "ATTACH '" + (folder_ / "other.duckdb").string() + "' AS o",
        std::string("SET enable_external_access = true"), std::string("SET lock_configuration = false"),
        std::string("SET memory_limit = '100GB'"), std::string("SET TimeZone = 'Europe/Paris'"),
        std::string("INSTALL httpfs")}) {
    EXPECT_FALSE(connection->Run(sql).ok()) << sql;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "other.duckdb"));
}

TEST_F(DuckdbBackend, IsReadOnlyWhereThatIsAskedFor) {
  Sql({"CREATE TABLE t AS SELECT 7 AS v"});
  const auto written = std::filesystem::last_write_time(path_);
  spec_.driver_options["access_mode"] = "READ_ONLY";
  {
    ASSERT_OK_AND_ASSIGN(auto database, backend::DriverDatabase::Open(spec_, "duckdb"));
    ASSERT_OK_AND_ASSIGN(auto connection, backend::DriverConnection::Connect(database));
    EXPECT_THAT(connection->Run("INSERT INTO t VALUES (8)").message(), HasSubstr("read-only"));
  }
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  EXPECT_THAT(Values(*backend, "t"), ElementsAre("7"));
  EXPECT_EQ(std::filesystem::last_write_time(path_), written);
}

TEST_F(DuckdbBackend, PassesStatementsOnUntouched) {
  Sql({"CREATE TABLE t AS SELECT range AS v FROM range(10000)", "CREATE TABLE u (v INTEGER, s VARCHAR)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  const auto rows = [&](const std::string& statement) -> arrow::Result<std::shared_ptr<arrow::Table>> {
    ARROW_ASSIGN_OR_RAISE(const auto source, backend->Query(statement, {}));
    ARROW_ASSIGN_OR_RAISE(auto table, Read(*source, WholeOf(*source)));
    EXPECT_TRUE(table->schema()->Equals(*source->schema()));
    EXPECT_OK(table->ValidateFull());
    return table;
  };
  // The types are those of tables, duplicate names are told apart, a comment may end it.
  ASSERT_OK_AND_ASSIGN(
      const auto table,
      rows("SELECT sum(v) AS a, 'it''s' AS a, uuid() AS \"u \"\"x\", 'g'::ENUM ('g') AS e, [1, NULL] AS l, "
           "NULL::TIMETZ AS z, INTERVAL 1 DAY AS i FROM t; -- the end"));
  EXPECT_EQ(table->schema()->ToString(),
            "a: decimal128(38, 0)\na_1: string\nu \"x: fixed_size_binary[16]\ne: string\nl: list<l: int32>\nz: string\n"
            "i: month_day_nano_interval");
  EXPECT_THAT(Column(*table, 0), ElementsAre("49995000"));
  EXPECT_THAT(Column(*table, 1), ElementsAre("it's"));
  EXPECT_THAT(Column(*table, 3), ElementsAre("g"));
  for (const char* statement :
       {"FROM t LIMIT 2", "VALUES (1), (2)", "TABLE t LIMIT 2", "SHOW TABLES", "WITH two AS (FROM range(2)) FROM two",
        "DESCRIBE u", "PIVOT (FROM range(2)) ON range IN (0, 1) USING count(*) GROUP BY range"}) {
    ASSERT_OK_AND_ASSIGN(const auto two, rows(statement));
    EXPECT_EQ(two->num_rows(), 2) << statement;
  }
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Query("SELECT v, v + 1 AS w FROM t ORDER BY v", {}));
  ASSERT_OK_AND_ASSIGN(const auto second, Read(*source, {.projection = {1}, .filters = {}, .rows_max = 3}));
  EXPECT_THAT(Column(*second, 0), ElementsAre("1", "2", "3"));
  ASSERT_OK_AND_ASSIGN(const auto none, Read(*source, {.projection = {}, .filters = {}}));
  EXPECT_EQ(none->num_rows(), 10'000);
}

TEST_F(DuckdbBackend, SaysWhatIsWrongWithAStatement) {
  Sql({"CREATE TABLE t AS SELECT 7 AS v, 170141183460469231731687303715884105727 AS h"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  const auto refusal = [&](const std::string& statement) {
    const auto source = backend->Query(statement, {});
    return source.ok() ? Read(**source, WholeOf(**source)).status().message() : source.status().message();
  };
  EXPECT_THAT(refusal("SELEC 1"), HasSubstr("old: Parser Error: syntax error at or near \"SELEC\""));
  EXPECT_THAT(refusal("SELECT * FROM nosuch"), HasSubstr("old: Catalog Error: Table with name nosuch"));
  EXPECT_THAT(refusal("SELECT w FROM t"), HasSubstr("old: Binder Error"));
  EXPECT_THAT(refusal("SELECT 'x'::INTEGER + v FROM t"), HasSubstr("old: Conversion Error"));
  EXPECT_THAT(refusal("SELECT h FROM t"), HasSubstr("more than 38 digits"));
  EXPECT_THAT(refusal("SELECT v + ? FROM t"), HasSubstr("the statement has parameters"));
  EXPECT_THAT(refusal("SELECT v + $x FROM t"), HasSubstr("the statement has parameters"));
  EXPECT_EQ(registry_->Backends()[0].state, backend::BackendState::kAvailable);
  ASSERT_OK_AND_ASSIGN(const auto still, backend->Query("SELECT v FROM t", {}));
  EXPECT_OK(Read(*still, WholeOf(*still)));
}

// Whatever it is, it reads the one file, and changes neither that nor what the instance may do.
TEST_F(DuckdbBackend, AStatementThatIsPassedOnOnlyReads) {
  const auto inside = [&](const char* name) { return (folder_ / name).string(); };
  std::ofstream(inside("secret.csv")) << "hidden\n1\n";
  const auto secret = "'" + inside("secret.csv") + "'";
  Sql({"CREATE TABLE t AS SELECT 7 AS v", "CREATE SEQUENCE q"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  const std::vector<std::string> statements = {
      // more than one, and what is no SELECT
      "", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t", "INSERT INTO t VALUES (8)",
      "INSERT INTO t VALUES (8) RETURNING v", "WITH x AS (INSERT INTO t VALUES (8) RETURNING v) FROM x",
      "UPDATE t SET v = 8", "DELETE FROM t", "TRUNCATE t",
      "MERGE INTO t USING t AS s ON t.v = s.v WHEN MATCHED THEN DELETE", "DROP TABLE t", "CREATE TABLE u (i INTEGER)",
      "CREATE TABLE u AS SELECT 1 AS i", "CREATE VIEW u AS SELECT 1 AS i", "CREATE MACRO u() AS 1",
      "ALTER TABLE t ADD COLUMN w INTEGER", "BEGIN", "COMMIT", "ROLLBACK", "PREPARE p AS SELECT 1", "EXECUTE p",
      "CHECKPOINT", "VACUUM", "ANALYZE", "EXPLAIN SELECT 1", "CALL pragma_version()", "CALL force_checkpoint()",
      "PRAGMA force_checkpoint",
      // other files
      "ATTACH '" + inside("other.duckdb") + "' AS o", "DETACH old", "USE memory", "COPY t TO " + secret,
      "COPY t FROM " + secret, "EXPORT DATABASE '" + inside("out") + "'", "IMPORT DATABASE '" + inside("out") + "'",
      "FROM " + secret, "FROM read_csv(" + secret + ")", "FROM read_text(" + secret + ")",
      "FROM read_blob(" + secret + ")", "FROM read_json(" + secret + ")", "FROM read_parquet(" + secret + ")",
      "FROM read_duckdb('" + inside("own.duckdb") + "')", "FROM sniff_csv(" + secret + ")",
      "FROM parquet_metadata(" + secret + ")", "FROM glob('" + folder_.string() + "/*')",
      "SELECT content FROM read_text('/proc/self/environ')", "FROM duckdb_secrets()",
      // extensions and settings
      "INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true", "SET lock_configuration = false",
      "RESET threads", "SET threads = 64", "SET memory_limit = '100GB'", "SET temp_directory = '/tmp'",
      "SET VARIABLE x = 1", "CREATE SECRET (TYPE s3, KEY_ID 'a')", "FROM enable_logging()", "FROM disable_logging()",
      "FROM enable_logging(storage = 'file', storage_path = '" + inside("log") + "')",
      "FROM enable_profiling(save_location = '" + inside("profile.json") + "')", "SELECT getenv('HOME')",
      // functions that do something
      "SELECT nextval('q')", "FROM checkpoint()", "FROM force_checkpoint()", "FROM main.CheckPoint()",
      "FROM truncate_duckdb_logs()", "SELECT write_log('x')", "FROM query('SELECT 1')",
      "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))", "FROM create_external_resource('x')",
      "FROM destroy_external_resource('range', '1')", "FROM register_external_resource('a', 'b', MAP {'c': 'd'})",
      "FROM register_external_resource_type('x', kind := 'y', create_function := 'range')",
      "FROM deregister_external_resource('x')", "FROM arrow_scan(1, 2, 3)", "FROM seq_scan()"};
  for (const auto& statement : statements) {
    const auto source = backend->Query(statement, {});
    EXPECT_FALSE(source.ok() && Read(**source, WholeOf(**source)).ok()) << statement;
  }
  for (const char* name : {"other.duckdb", "out", "log", "profile.json"}) {
    EXPECT_FALSE(std::filesystem::exists(folder_ / name)) << name;
  }
  EXPECT_THAT(Values(*backend, "t"), ElementsAre("7"));
  ASSERT_OK_AND_ASSIGN(const auto tables, backend->Tables("main"));
  EXPECT_EQ(tables.size(), 1);
  ASSERT_OK_AND_ASSIGN(
      const auto sequences,
      backend->Query("SELECT coalesce(last_value, 0) FROM duckdb_sequences() WHERE sequence_name = 'q'", {}));
  ASSERT_OK_AND_ASSIGN(const auto moved, Read(*sequences, WholeOf(*sequences)));
  EXPECT_THAT(Column(*moved, 0), ElementsAre("0"));
  EXPECT_EQ(registry_->Backends()[0].pool_in_use, 0);
}

}  // namespace
}  // namespace hyprstream::testing
