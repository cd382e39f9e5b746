// Redis and Valkey as backends, against a real Valkey.
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>

#include <atomic>
#include <limits>

#include "backend/backend_registry.h"
#include "backend/driver.h"
#include "documented_types.h"
#include "support/eventually.h"
#include "support/status_assertions.h"
#include "support/valkey_server.h"

namespace hyprstream::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Op = ColumnFilter::Op;

constexpr const char* kPassword = "m4rker-of-the-password";

class RedisBackend : public ::testing::Test {
 protected:
  RedisBackend() : valkey_(ValkeyServer::Start(kPassword).ValueOrDie()), registry_(backend::BackendRegistry::Make({})) {
    spec_.name = "hot";
    spec_.driver = "redis";
    spec_.driver_options["uri"] = valkey_->uri();
  }

  // Apart from any backend.
  void Sql(const std::vector<std::string>& statements) const {
    ASSERT_OK_AND_ASSIGN(auto database, backend::DriverDatabase::Open(spec_, "redis"));
    ASSERT_OK_AND_ASSIGN(auto connection, backend::DriverConnection::Connect(database));
    for (const auto& sql : statements) ASSERT_OK(connection->Run(sql));
  }
  // `rows` rows with ids from 0, one a second from 2024 on.
  void Sensors(int rows) const {
    std::string values;
    for (int i = 0; i < rows; ++i) {
      values += (i == 0 ? "(" : ", (") + std::to_string(i) + ", '2024-01-01 " + (i / 3600 < 10 ? "0" : "") +
                std::to_string(i / 3600) + ":" + (i / 60 % 60 < 10 ? "0" : "") + std::to_string(i / 60 % 60) + ":" +
                (i % 60 < 10 ? "0" : "") + std::to_string(i % 60) + "', " + std::to_string(i) + ".5, 's" +
                std::to_string(i) + "')";
    }
    Sql({"CREATE TABLE sensors (id BIGINT PRIMARY KEY, ts TIMESTAMP NOT NULL, v DOUBLE, s TEXT) WITH (time = 'ts')",
         "INSERT INTO sensors VALUES " + values});
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

  const std::unique_ptr<ValkeyServer> valkey_;
  backend::BackendSpec spec_;
  std::unique_ptr<backend::BackendRegistry> registry_;
};

TEST_F(RedisBackend, ShowsItsTables) {
  Sql({"CREATE TABLE sensors (id BIGINT PRIMARY KEY, v DOUBLE NOT NULL)", "CREATE TABLE \"we ird\" (a INTEGER)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  const auto info = registry_->Backends()[0];
  EXPECT_THAT(info.target, AllOf(HasSubstr(valkey_->socket_path()), Not(HasSubstr(kPassword))));
  EXPECT_THAT(info.driver_version, HasSubstr("."));
  ASSERT_OK_AND_ASSIGN(const auto schemas, backend->Schemas());
  EXPECT_THAT(schemas, ElementsAre("main"));
  ASSERT_OK_AND_ASSIGN(const auto tables, backend->Tables("main"));
  ASSERT_EQ(tables.size(), 2);
  EXPECT_EQ(tables[0].name, "sensors");
  EXPECT_EQ(tables[1].name, "we ird");
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("main", "sensors"));
  EXPECT_TRUE(table->schema()->Equals(
      arrow::schema({arrow::field("id", arrow::int64(), false), arrow::field("v", arrow::float64())})));
  const auto unknown = backend->Table("main", "sensor").status();
  EXPECT_TRUE(unknown.IsKeyError());
  EXPECT_THAT(unknown.message(), HasSubstr("did you mean sensors?"));
  EXPECT_TRUE(backend->Tables("other").status().IsKeyError());
  EXPECT_TRUE(backend->Table("other", "sensors").status().IsKeyError());
  // What is made later is found, although the tables are remembered.
  Sql({"CREATE TABLE later (a INTEGER)"});
  EXPECT_OK(backend->Table("main", "later"));
}

TEST_F(RedisBackend, HasTheTypesOfTheDocument) {
  const auto types = DocumentedTypes("Redis");
  EXPECT_GE(types.size(), 15);
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
  EXPECT_EQ(rows->num_rows(), 1);
}

TEST_F(RedisBackend, ReadsEveryValueAsItIs) {
  Sql({"CREATE TABLE t (i BIGINT, u UBIGINT, d DECIMAL(38,2), f DOUBLE, s TEXT, b BLOB, day DATE, ts TIMESTAMP(9))",
       "INSERT INTO t VALUES (-9223372036854775808, 18446744073709551615, 999999999999999999999999999999999999.99, "
       "0.1, "
       "'it''s ä', x'00ff', '0001-01-01', '1969-12-31 23:59:59.999999999')",
       "INSERT INTO t (i) VALUES (1)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "t"));
  ASSERT_OK_AND_ASSIGN(const auto rows, Read(*source, WholeOf(*source)));
  ASSERT_OK(rows->ValidateFull());
  EXPECT_THAT(Column(*rows, 0), ElementsAre("-9223372036854775808", "1"));
  EXPECT_THAT(Column(*rows, 1), ElementsAre("18446744073709551615", "null"));
  EXPECT_THAT(Column(*rows, 2), ElementsAre("999999999999999999999999999999999999.99", "null"));
  EXPECT_THAT(Column(*rows, 3), ElementsAre("0.1", "null"));
  EXPECT_THAT(Column(*rows, 4), ElementsAre("it's ä", "null"));
  EXPECT_EQ(Column(*rows, 5)[0], std::string("\0\xff", 2));
  EXPECT_THAT(Column(*rows, 6), ElementsAre("0001-01-01", "null"));
  EXPECT_THAT(Column(*rows, 7), ElementsAre("1969-12-31 23:59:59.999999999", "null"));
}

TEST_F(RedisBackend, SendsWhatTheDriverAnswersAndNothingElse) {
  Sensors(100);
  Sql({"CREATE TABLE named (name TEXT PRIMARY KEY, day DATE NOT NULL, n INTEGER) WITH (time = 'day')",
       "INSERT INTO named VALUES ('it''s', '2024-01-01', 1), ('A', '2024-01-02', 2), ('a', '2024-01-03', NULL)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto sensors, backend->Table("main", "sensors"));
  ASSERT_OK_AND_ASSIGN(const auto named, backend->Table("main", "named"));
  const auto count = [](const TableSource& source, const std::vector<ColumnFilter>& filters) {
    EXPECT_TRUE(source.FindsExactly(filters));
    auto request = WholeOf(source);
    request.filters = filters;
    const auto rows = Read(source, request);
    EXPECT_OK(rows);
    return rows.ok() ? (*rows)->num_rows() : -1;
  };
  const auto id = [](std::int64_t value) { return arrow::MakeScalar(value); };
  const auto at = [](int second) {
    return std::make_shared<arrow::TimestampScalar>((1'704'067'200LL + second) * 1'000'000,
                                                    arrow::timestamp(arrow::TimeUnit::MICRO));
  };
  const auto day = std::make_shared<arrow::Date32Scalar>(19'724);  // 2024-01-02
  EXPECT_EQ(count(*sensors, {{.column = 0, .op = Op::kEqual, .value = id(7)}}), 1);
  EXPECT_EQ(count(*sensors, {{.column = 0, .op = Op::kEqual, .value = id(-7)}}), 0);
  EXPECT_EQ(count(*sensors, {{.column = 0, .op = Op::kIn, .values = {id(7), id(8), nullptr, id(1000)}}}), 2);
  EXPECT_EQ(count(*sensors, {{.column = 1, .op = Op::kGreaterEqual, .value = at(90)}}), 10);
  EXPECT_EQ(count(*sensors, {{.column = 1, .op = Op::kGreater, .value = at(90)},
                             {.column = 1, .op = Op::kLess, .value = at(95)},
                             {.column = 0, .op = Op::kIn, .values = {id(91), id(94), id(95)}}}),
            2);
  EXPECT_EQ(count(*sensors, {{.column = 1, .op = Op::kEqual, .value = at(5)}}), 1);
  EXPECT_EQ(count(*named, {{.column = 0, .op = Op::kEqual, .value = arrow::MakeScalar("it's")}}), 1);
  EXPECT_EQ(count(*named, {{.column = 0, .op = Op::kIn, .values = {arrow::MakeScalar("a")}}}), 1);
  EXPECT_EQ(count(*named, {{.column = 1, .op = Op::kLessEqual, .value = day}}), 2);

  // What it does not certainly answer is left to the engine, and the rows are read.
  const std::vector<ColumnFilter> kept = {
      {.column = 0, .op = Op::kGreater, .value = id(7)},
      {.column = 0, .op = Op::kEqual, .value = std::make_shared<arrow::Int64Scalar>()},
      {.column = 0, .op = Op::kIn, .values = {nullptr}},
      {.column = 0, .op = Op::kIsNull},
      {.column = 1, .op = Op::kIn, .values = {at(1)}},
      {.column = 1,
       .op = Op::kLess,
       .value = std::make_shared<arrow::TimestampScalar>(std::numeric_limits<std::int64_t>::max(),
                                                         arrow::timestamp(arrow::TimeUnit::MICRO))},
      {.column = 2, .op = Op::kEqual, .value = arrow::MakeScalar(1.5)},
      {.column = 3, .op = Op::kEqual, .value = arrow::MakeScalar("s1")}};
  for (const auto& filter : kept) {
    EXPECT_FALSE(sensors->FindsExactly({filter})) << filter.column;
    auto request = WholeOf(*sensors);
    request.filters = {filter};
    request.rows_max = 1;  // not before the filter
    ASSERT_OK_AND_ASSIGN(const auto rows, Read(*sensors, request));
    EXPECT_EQ(rows->num_rows(), 100) << filter.column;
  }
}

TEST_F(RedisBackend, SendsProjectionsAndLimitsAndCounts) {
  Sensors(100);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "sensors"));
  ScanRequest request{.projection = {3, 0}};
  request.rows_max = 5;
  ASSERT_OK_AND_ASSIGN(const auto few, Read(*source, request));
  EXPECT_EQ(few->num_rows(), 5);
  EXPECT_EQ(few->schema()->field_names(), (std::vector<std::string>{"s", "id"}));
  for (const std::int64_t expected : {100, 3}) {
    ScanRequest count;
    if (expected == 3) {
      count.filters = {{.column = 0,
                        .op = Op::kIn,
                        .values = {arrow::MakeScalar(std::int64_t{1}), arrow::MakeScalar(std::int64_t{2}),
                                   arrow::MakeScalar(std::int64_t{3})}}};
    }
    ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan(count));
    std::int64_t rows = 0;
    while (true) {
      ASSERT_OK_AND_ASSIGN(const auto batch, reader->Next());
      if (batch == nullptr) break;
      rows += batch->num_rows();
    }
    EXPECT_EQ(rows, expected);
  }
}

TEST_F(RedisBackend, PassesStatementsOnThatOnlyRead) {
  Sensors(10);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Query("SELECT id, v FROM sensors ORDER BY ts DESC LIMIT 2", {}));
  ASSERT_OK_AND_ASSIGN(const auto rows, Read(*source, WholeOf(*source)));
  EXPECT_THAT(Column(*rows, 0), ElementsAre("9", "8"));
  for (const auto* sql : {"DELETE FROM sensors", "DROP TABLE sensors", "CREATE TABLE x (a INTEGER)",
                          "INSERT INTO sensors VALUES (100, '2024-01-01', 1, 's')"}) {
    EXPECT_THAT(backend->Query(sql, {}).status().message(), HasSubstr("hot: the statement gives no rows")) << sql;
  }
  EXPECT_TRUE(backend->Query("SELECT count(*) FROM sensors", {}).status().IsNotImplemented());
  EXPECT_FALSE(backend->Query("SELECT id FROM sensors; DROP TABLE sensors", {}).ok());
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("main", "sensors"));
  ASSERT_OK_AND_ASSIGN(const auto all, Read(*table, WholeOf(*table)));
  EXPECT_EQ(all->num_rows(), 10);
}

TEST_F(RedisBackend, ATableThatIsMadeAnewIsLookedUpForTheNextStatement) {
  Sql({"CREATE TABLE t (a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)"});
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto old, backend->Table("main", "t"));
  Sql({"DROP TABLE t"});
  EXPECT_THAT(Read(*old, WholeOf(*old)).status().message(), HasSubstr("the table has changed"));
  Sql({"CREATE TABLE t (b TEXT)", "INSERT INTO t VALUES ('x')"});
  ASSERT_OK_AND_ASSIGN(const auto fresh, backend->Table("main", "t"));
  ASSERT_OK_AND_ASSIGN(const auto rows, Read(*fresh, WholeOf(*fresh)));
  EXPECT_THAT(Column(*rows, 0), ElementsAre("x"));
}

TEST_F(RedisBackend, StopsForWhoIsGoneWhileTheServerHangs) {
  Sensors(5'000);
  spec_.driver_options["adbc.redis.batch_rows"] = "100";
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "sensors"));
  std::atomic<bool> gone = false;
  auto request = WholeOf(*source);
  request.cancelled = [&] { return gone.load(); };
  ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan(request));
  ASSERT_OK(reader->Next());
  valkey_->Freeze();
  gone = true;
  const auto status = reader->ToTable().status();
  EXPECT_TRUE(status.IsCancelled()) << status;
  EXPECT_EQ(registry_->Backends()[0].pool_in_use, 0);
  valkey_->Thaw();
  EXPECT_OK(Read(*source, WholeOf(*source)));
}

TEST_F(RedisBackend, AServerThatHangsCostsTheTimeOut) {
  Sensors(5'000);
  spec_.statement_timeout = std::chrono::milliseconds(300);
  spec_.driver_options["adbc.redis.batch_rows"] = "100";
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "sensors"));
  ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan(WholeOf(*source)));
  ASSERT_OK(reader->Next());
  valkey_->Freeze();
  const auto status = reader->ToTable().status();
  EXPECT_TRUE(status.IsIOError()) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr("hot"), HasSubstr("300 ms"), Not(HasSubstr(kPassword))));
  valkey_->Thaw();
  EXPECT_OK(Read(*source, WholeOf(*source)));
}

TEST_F(RedisBackend, AServerThatStopsInMidStreamIsUsedAgainWhenItIsBack) {
  Sensors(5'000);
  spec_.driver_options["adbc.redis.batch_rows"] = "100";
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("main", "sensors"));
  ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan(WholeOf(*source)));
  ASSERT_OK(reader->Next());
  valkey_->Stop();
  const auto status = reader->ToTable().status();
  EXPECT_TRUE(status.IsIOError()) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr("hot: "), Not(HasSubstr(kPassword))));
  EXPECT_TRUE(Read(*source, WholeOf(*source)).status().IsIOError());
  ASSERT_OK(valkey_->Restart());
  Sensors(10);
  const auto rows_again = [&] {
    const auto rows = Read(*source, WholeOf(*source));
    return rows.ok() && (*rows)->num_rows() == 10;
  };
  EXPECT_TRUE(Eventually(rows_again));
}

TEST_F(RedisBackend, AWrongPasswordIsRefusedAndNotShown) {
  spec_.driver_options["uri"] = "unix://:" + std::string(kPassword) + "-wrong@" + valkey_->socket_path();
  const auto status = registry_->Attach(spec_).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), AllOf(HasSubstr("hot: "), Not(HasSubstr(kPassword))));
  spec_.driver_options["uri"] = "unix://" + valkey_->socket_path();
  spec_.driver_options["password"] = kPassword;
  EXPECT_OK(registry_->Attach(spec_));
}

TEST_F(RedisBackend, AServerThatIsNotThereIsRefused) {
  spec_.driver_options["uri"] = "unix:///nowhere/socket";
  EXPECT_TRUE(registry_->Attach(spec_).status().IsIOError());
}

}  // namespace
}  // namespace hyprstream::testing
