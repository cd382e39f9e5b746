// Changing tables of a DuckDB file: what goes in is what comes out, or nothing goes in.
#include <arrow/array/util.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "backend/backend_registry.h"
#include "backend/driver.h"
#include "core/backend_writer.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using TypePtr = std::shared_ptr<arrow::DataType>;

const TableRef kTable{.schema = "main", .name = "t"};

std::shared_ptr<arrow::RecordBatchReader> Rows(const arrow::FieldVector& fields,
                                               const std::vector<std::string>& columns) {
  arrow::ArrayVector arrays;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    arrays.push_back(arrow::json::ArrayFromJSONString(fields[i]->type(), columns[i]).ValueOrDie());
  }
  const auto schema = arrow::schema(fields);
  auto batch = arrow::RecordBatch::Make(schema, arrays.at(0)->length(), arrays);
  return arrow::RecordBatchReader::Make({std::move(batch)}, schema).ValueOrDie();
}

std::shared_ptr<arrow::RecordBatchReader> Column(const TypePtr& type, const std::string& json) {
  return Rows({arrow::field("v", type)}, {json});
}

class DuckdbWriting : public ::testing::Test {
 protected:
  DuckdbWriting()
      : folder_(std::filesystem::temp_directory_path() / ("hyprstream-duckdb-writing-" + std::to_string(getpid()))) {
    std::filesystem::create_directory(folder_);
    spec_.name = "old";
    spec_.driver = "duckdb";
    spec_.driver_options["uri"] = (folder_ / "old.duckdb").string();
    registry_ = backend::BackendRegistry::Make({.own_database = (folder_ / "own.duckdb").string()});
  }
  ~DuckdbWriting() override {
    backend_.reset();
    registry_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Apart from the backend, which must not have the file open.
  void Sql(const std::vector<std::string>& statements) {
    if (backend_ != nullptr) ASSERT_OK(registry_->Detach("old"));
    backend_.reset();
    auto made = spec_;
    made.driver_options["access_mode"] = "READ_WRITE";
    {
      auto database = backend::DriverDatabase::Open(made, "duckdb");
      ASSERT_OK(database);
      auto connection = backend::DriverConnection::Connect(*database);
      ASSERT_OK(connection);
      for (const auto& sql : statements) ASSERT_OK((*connection)->Run(sql));
    }
    ASSERT_OK_AND_ASSIGN(backend_, registry_->Attach(spec_));
  }
  arrow::Result<std::int64_t> Append(const std::shared_ptr<arrow::RecordBatchReader>& rows) const {
    ARROW_ASSIGN_OR_RAISE(const auto writer, backend_->BeginWriting({}));
    ARROW_ASSIGN_OR_RAISE(const auto added, writer->Append(kTable, *rows));
    ARROW_RETURN_NOT_OK(writer->Commit());
    return added;
  }
  // One text of all rows that a statement has.
  std::string Texts(const std::string& select) const {
    const auto texts = [&]() -> arrow::Result<std::string> {
      ARROW_ASSIGN_OR_RAISE(const auto source, backend_->Query(select, {}));
      ARROW_ASSIGN_OR_RAISE(const auto reader, source->Scan({.projection = {0}, .filters = {}}));
      ARROW_ASSIGN_OR_RAISE(const auto table, reader->ToTable());
      std::string all;
      for (std::int64_t row = 0; row < table->num_rows(); ++row) {
        ARROW_ASSIGN_OR_RAISE(const auto value, table->column(0)->GetScalar(row));
        all += (row == 0 ? "" : ";") + value->ToString();
      }
      return all;
    }();
    return texts.ok() ? *texts : texts.status().ToString();
  }
  // What the column `v` of a table holds as text when it was written, or why it was not.
  std::string Written(const std::string& type, const TypePtr& given, const std::string& json) {
    Sql({"CREATE OR REPLACE TABLE t (v " + type + ")"});
    const auto written = Append(Column(given, json));
    if (written.ok()) return Texts("SELECT replace(v::VARCHAR, chr(0), '\\0') FROM t");
    EXPECT_EQ(Texts("SELECT count(*) FROM t"), "0") << type << " " << given->ToString();
    return written.status().message();
  }

  const std::filesystem::path folder_;
  backend::BackendSpec spec_;
  std::unique_ptr<backend::BackendRegistry> registry_;
  std::shared_ptr<Backend> backend_;
};

const auto kMicros = arrow::timestamp(arrow::TimeUnit::MICRO);
const auto kNanos = arrow::timestamp(arrow::TimeUnit::NANO);

TEST_F(DuckdbWriting, ValuesOfEachTypeAreHeldExactly) {
  struct Case {
    const char* type;
    TypePtr given;
    const char* json;
    const char* held;
  };
  const std::vector<Case> cases = {
      {"BOOLEAN", arrow::boolean(), "[true, null]", "true;null"},
      {"TINYINT", arrow::int64(), "[-128, 127]", "-128;127"},
      {"SMALLINT", arrow::int16(), "[-32768]", "-32768"},
      {"INTEGER", arrow::int64(), "[-2147483648, 2147483647]", "-2147483648;2147483647"},
      {"BIGINT", arrow::int64(), "[-9223372036854775808]", "-9223372036854775808"},
      {"UTINYINT", arrow::int32(), "[0, 255]", "0;255"},
      {"USMALLINT", arrow::uint16(), "[65535]", "65535"},
      {"UINTEGER", arrow::int64(), "[4294967295]", "4294967295"},
      {"UBIGINT", arrow::uint64(), "[18446744073709551615]", "18446744073709551615"},
      {"HUGEINT", arrow::decimal128(38, 0), "[\"-99999999999999999999999999999999999999\"]",
       "-99999999999999999999999999999999999999"},
      {"HUGEINT", arrow::uint64(), "[18446744073709551615]", "18446744073709551615"},
      {"FLOAT", arrow::float64(), "[1.5]", "1.5"},
      {"DOUBLE", arrow::int64(), "[9007199254740992]", "9007199254740992.0"},
      {"DECIMAL(4,1)", arrow::decimal128(20, 4), "[\"-999.9000\"]", "-999.9"},
      {"VARCHAR", arrow::utf8(), "[\"ä\", \"\", \"x\\u0000y\"]", "ä;;x\\0y"},
      {"BLOB", arrow::binary(), "[\"a\\u0000b\"]", "a\\x00b"},
      {"UUID", arrow::utf8(), "[\"550E8400-e29b-41d4-a716-446655440000\"]", "550e8400-e29b-41d4-a716-446655440000"},
      {"JSON", arrow::utf8(), "[\"{\\\"a\\\":  1}\", null]", "{\"a\":  1};null"},
      {"ENUM ('sad', 'glad')", arrow::utf8(), "[\"glad\"]", "glad"},
      {"DATE", arrow::date32(), "[-719162, 2147483647]", "0001-01-01;infinity"},
      {"TIME", arrow::time64(arrow::TimeUnit::MICRO), "[86399999999]", "23:59:59.999999"},
      {"TIME_NS", arrow::time64(arrow::TimeUnit::NANO), "[1]", "00:00:00.000000001"},
      {"TIMESTAMP", kNanos, "[1000]", "1970-01-01 00:00:00.000001"},
      {"TIMESTAMP", kMicros, "[9223372036854775807, -9223372036854775807]", "infinity;-infinity"},
      {"TIMESTAMP_S", kMicros, "[1000000]", "1970-01-01 00:00:01"},
      {"TIMESTAMP_MS", kMicros, "[1000]", "1970-01-01 00:00:00.001"},
      {"TIMESTAMP_NS", kNanos, "[1]", "1970-01-01 00:00:00.000000001"},
      {"TIMESTAMPTZ", arrow::timestamp(arrow::TimeUnit::MICRO, "Europe/Paris"), "[1]", "1970-01-01 00:00:00.000001+00"},
      {"INTERVAL", arrow::month_day_nano_interval(), "[[-2, 3, 1000]]", "-2 months 3 days 00:00:00.000001"},
      {"INTEGER[]", arrow::list(arrow::int64()), "[[1, null], [], null]", "[1, NULL];[];null"},
      {"VARCHAR[]", arrow::list(arrow::utf8()), "[[\"a\", null]]", "[a, NULL]"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(Written(one.type, one.given, one.json), one.held) << one.type << " of " << one.given->ToString();
  }
}

TEST_F(DuckdbWriting, WhatAColumnWouldChangeIsRefusedWithItsPlace) {
  const auto refused = [](const std::string& value) {
    return AllOf(HasSubstr("Column v, row 1"), HasSubstr(value), HasSubstr("nothing was written"));
  };
  EXPECT_THAT(Written("TINYINT", arrow::int64(), "[1, 128]"), refused("128"));
  EXPECT_THAT(Written("UBIGINT", arrow::int64(), "[1, -1]"), refused("-1"));
  EXPECT_THAT(Written("BIGINT", arrow::uint64(), "[1, 18446744073709551615]"), refused("18446744073709551615"));
  EXPECT_THAT(Written("INTEGER", arrow::float64(), "[1, 1.5]"), refused("1.5"));
  EXPECT_THAT(Written("DOUBLE", arrow::int64(), "[1, 9007199254740993]"), refused("9007199254740993"));
  EXPECT_THAT(Written("FLOAT", arrow::float64(), "[1, 1e300]"), refused("1e+300"));
  EXPECT_THAT(Written("DECIMAL(4,1)", arrow::decimal128(20, 2), "[\"1.00\", \"1.25\"]"), refused("1.25"));
  EXPECT_THAT(Written("TIMESTAMP", kNanos, "[0, -1]"), refused("1969-12-31 23:59:59.999999999"));
  EXPECT_THAT(Written("TIMESTAMP_S", kMicros, "[0, 1]"), refused("00:00:00.000001"));
  EXPECT_THAT(Written("TIMESTAMP_NS", kMicros, "[0, 9223372036854775807]"), refused(""));
  EXPECT_THAT(Written("TIME", arrow::time64(arrow::TimeUnit::MICRO), "[0, 86400000001]"), refused(""));
  EXPECT_THAT(Written("INTERVAL", arrow::month_day_nano_interval(), "[[0, 0, 0], [0, 0, 1]]"), refused(""));
  EXPECT_THAT(Written("UUID", arrow::utf8(), "[\"550e8400-e29b-41d4-a716-446655440000\", \"nope\"]"), refused("nope"));
  EXPECT_THAT(Written("JSON", arrow::utf8(), "[\"{}\", \"{\"]"),
              AllOf(HasSubstr("Column v, row 1: {"), HasSubstr("JSON")));
  EXPECT_THAT(Written("ENUM ('sad', 'glad')", arrow::utf8(), "[\"sad\", \"so-so\"]"),
              HasSubstr("Column v, row 1: so-so"));
  EXPECT_THAT(Written("INTEGER NOT NULL", arrow::int32(), "[1, null]"), HasSubstr("Column v, row 1"));
  EXPECT_THAT(Written("DATE", arrow::date64(), "[0, 1]"), HasSubstr("row 1"));
  EXPECT_THAT(Written("TIMESTAMP", arrow::int64(), "[7]"), HasSubstr("does not take values of type int64"));
  EXPECT_THAT(Written("TIMESTAMPTZ", kMicros, "[7]"), HasSubstr("does not take values of type timestamp[us]"));
  for (const char* type : {"UHUGEINT", "TIMETZ", "BIT", "STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)", "INTEGER[2]"}) {
    EXPECT_THAT(Written(type, arrow::utf8(), "[\"1\"]"), HasSubstr("cannot be written")) << type;
  }
}

// The driver appends by place: two columns of one type would change theirs.
TEST_F(DuckdbWriting, ColumnsGoByNameAndTheOthersTakeTheirDefaults) {
  Sql(
      {"CREATE TABLE t (a INTEGER, b INTEGER, c INTEGER DEFAULT 7, d INTEGER NOT NULL, e INTEGER GENERATED ALWAYS AS "
       "(a + 1))"});
  const auto int32 = [](const char* name) { return arrow::field(name, arrow::int32()); };
  EXPECT_EQ(Append(Rows({int32("D"), int32("a")}, {"[4, 40]", "[1, null]"})).ValueOr(-1), 2);
  EXPECT_EQ(
      Append(Rows({int32("b"), int32("a"), int32("c"), int32("d")}, {"[20]", "[10]", "[30]", "[40]"})).ValueOr(-1), 1);
  EXPECT_EQ(
      Append(Rows({int32("a"), int32("b"), int32("c"), int32("d")}, {"[11]", "[21]", "[null]", "[41]"})).ValueOr(-1),
      1);
  EXPECT_EQ(Texts("SELECT concat_ws(',', coalesce(a, -1), coalesce(b, -1), coalesce(c, -1), d, coalesce(e, -1)) FROM t "
                  "ORDER BY d"),
            "1,-1,7,4,2;-1,-1,7,40,-1;10,20,30,40,11;11,21,-1,41,12");
  EXPECT_THAT(Append(Column(arrow::int32(), "[1]")).status().message(), HasSubstr("has no column v"));
  EXPECT_THAT(Append(Rows({int32("a")}, {"[1]"})).status().message(), HasSubstr("Column d"));
  EXPECT_THAT(Append(Rows({int32("d"), int32("e")}, {"[1]", "[1]"})).status().message(), HasSubstr("is computed"));
}

TEST_F(DuckdbWriting, WhatIsNotCommittedIsNotThere) {
  Sql({"CREATE TABLE t (v INTEGER PRIMARY KEY)"});
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
    ASSERT_OK(writer->Append(kTable, *Column(arrow::int32(), "[1, 2]")));
    ASSERT_OK_AND_ASSIGN(const auto seen, writer->Table(kTable));
    ASSERT_OK_AND_ASSIGN(const auto reader, seen->Scan({.projection = {0}, .filters = {}}));
    ASSERT_OK_AND_ASSIGN(const auto rows, reader->ToTable());
    EXPECT_EQ(rows->num_rows(), 2) << "it sees its own";
    EXPECT_EQ(Texts("SELECT count(*) FROM t"), "0") << "and nobody else";
  }
  EXPECT_EQ(Texts("SELECT count(*) FROM t"), "0");
  ASSERT_OK(Append(Column(arrow::int32(), "[1]")));
  const auto twice = Append(Column(arrow::int32(), "[5, 6, 1]")).status();
  EXPECT_THAT(twice.message(), AllOf(HasSubstr("old: "), HasSubstr("primary key")));
  EXPECT_EQ(Texts("SELECT v FROM t"), "1");
  EXPECT_EQ(registry_->Backends()[0].pool_in_use, 0);
  EXPECT_EQ(registry_->Backends()[0].state, backend::BackendState::kAvailable);
}

// Of two that change one row the second learns of it, at its statement or at its COMMIT.
TEST_F(DuckdbWriting, TwoTransactionsDoNotOverwriteEachOther) {
  Sql({"CREATE TABLE t (v INTEGER PRIMARY KEY, s VARCHAR)", "INSERT INTO t VALUES (1, 'a')"});
  const auto merge = [&](BackendWriter& writer, const std::string& text) {
    return writer.Merge(kTable, {.key = {"v"}, .updated = {"s"}},
                        *Rows({arrow::field("v", arrow::int32()), arrow::field("s", arrow::utf8())}, {"[1]", text}));
  };
  ASSERT_OK_AND_ASSIGN(const auto one, backend_->BeginWriting({}));
  ASSERT_OK_AND_ASSIGN(const auto other, backend_->BeginWriting({}));
  ASSERT_OK(merge(*one, "[\"one\"]"));
  const auto second = merge(*other, "[\"other\"]");
  ASSERT_OK(one->Commit());
  EXPECT_FALSE(second.ok() && other->Commit().ok());
  EXPECT_EQ(Texts("SELECT s FROM t"), "one");
}

TEST_F(DuckdbWriting, RowsAreMergedUpdatedAndDeleted) {
  Sql({"CREATE TABLE t (k INTEGER PRIMARY KEY, e ENUM ('a', 'b', 'c'), n HUGEINT)",
       "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)"});
  ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
  const auto row = [](const char* keys, const char* enums) {
    return Rows({arrow::field("k", arrow::int64()), arrow::field("e", arrow::utf8())}, {keys, enums});
  };
  EXPECT_EQ(writer->Merge(kTable, {.key = {"K"}, .updated = {"e"}}, *row("[2, 3]", "[\"c\", \"a\"]")).ValueOr(-1), 2);
  EXPECT_EQ(writer->Merge(kTable, {.key = {}, .updated = {}}, *row("[1, 4]", "[\"c\", \"c\"]")).ValueOr(-1), 1);
  ASSERT_OK_AND_ASSIGN(const auto source, writer->Rows(kTable));
  ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan({.projection = {0, 1}, .filters = {}}));
  ASSERT_OK_AND_ASSIGN(const auto rows, reader->ToTable());
  ASSERT_EQ(rows->num_rows(), 4);
  std::string second;
  std::string third;
  for (int i = 0; i < 4; ++i) {
    const auto key = rows->column(1)->GetScalar(i).ValueOrDie()->ToString();
    auto& name = key == "2" ? second : third;
    if (key == "2" || key == "3") name = rows->column(0)->GetScalar(i).ValueOrDie()->ToString();
  }
  const auto named = arrow::field(kRowNameColumn, arrow::utf8());
  EXPECT_EQ(writer->Update(kTable, *Rows({named, arrow::field("n", arrow::int64())}, {"[\"" + second + "\"]", "[22]"}))
                .ValueOr(-1),
            1);
  EXPECT_EQ(writer->Delete(kTable, *Rows({named}, {"[\"" + third + "\"]"})).ValueOr(-1), 1);
  ASSERT_OK(writer->Commit());
  EXPECT_EQ(Texts("SELECT concat_ws(',', k, e, n) FROM t ORDER BY k"), "1,a,1;2,c,22;4,c");
  EXPECT_EQ(Texts("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'hyprstream%'"), "0");
}

TEST_F(DuckdbWriting, TablesAreMadeAndDroppedWithTheTransaction) {
  Sql({"CREATE TABLE keep (l INTEGER[])", "INSERT INTO keep VALUES ([1])", "CREATE VIEW seen AS FROM keep"});
  const auto columns = arrow::schema({arrow::field("v", arrow::uint64(), false), arrow::field("x", kNanos)});
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
    ASSERT_OK(writer->CreateTable({.table = kTable, .columns = columns, .primary_key = {"v"}}));
    ASSERT_OK(writer->DropTable({.schema = "main", .name = "keep"}));
  }
  EXPECT_TRUE(backend_->Table("main", "t").status().IsKeyError());
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
    ASSERT_OK_AND_ASSIGN(const auto lists, writer->Table({.schema = "main", .name = "keep"}));
    EXPECT_EQ(lists->schema()->field(0)->type()->id(), arrow::Type::LIST);
    ASSERT_OK(writer->CreateTable({.table = kTable, .columns = columns, .primary_key = {"v"}}));
    ASSERT_OK(writer->Commit());
  }
  EXPECT_EQ(
      Texts("SELECT string_agg(concat_ws(' ', column_name, data_type, is_nullable), ';') FROM duckdb_columns() WHERE "
            "table_name = 't'"),
      "v UBIGINT false;x TIMESTAMP_NS true");
  ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
  EXPECT_THAT(writer->DropTable({.schema = "main", .name = "seen"}).message(), HasSubstr("no table but a view"));
  EXPECT_THAT(writer
                  ->CreateTable({.table = {.schema = "main", .name = "u"},
                                 .columns = arrow::schema(
                                     {arrow::field("s", arrow::struct_({arrow::field("a", arrow::int32())}))})})
                  .message(),
              HasSubstr("Column s is struct"));
}

TEST_F(DuckdbWriting, AFileThatIsOnlyReadIsNotWritten) {
  Sql({"CREATE TABLE t (v INTEGER)"});
  ASSERT_OK(registry_->Detach("old"));
  spec_.driver_options["access_mode"] = "READ_ONLY";
  ASSERT_OK_AND_ASSIGN(backend_, registry_->Attach(spec_));
  EXPECT_THAT(Append(Column(arrow::int32(), "[1]")).status().message(),
              AllOf(HasSubstr("old: "), HasSubstr("read-only")));
  EXPECT_EQ(Texts("SELECT count(*) FROM t"), "0");
}

// What ends it is asked between the batches of an ingest, and interrupts a statement.
TEST_F(DuckdbWriting, AWriteThatIsCancelledLeavesNothing) {
  Sql({"CREATE TABLE t (v INTEGER)"});
  std::atomic<bool> gone = false;
  ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting([&] { return gone.load(); }));
  ASSERT_OK(writer->Append(kTable, *Column(arrow::int32(), "[1]")));
  gone = true;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  const auto schema = arrow::schema({arrow::field("v", arrow::int32())});
  const auto batch = arrow::RecordBatch::Make(
      schema, 100'000, {arrow::MakeArrayFromScalar(arrow::Int32Scalar(7), 100'000).ValueOrDie()});
  for (int i = 0; i < 2'000; ++i) batches.push_back(batch);
  const auto reader = arrow::RecordBatchReader::Make(batches, schema).ValueOrDie();
  const auto status = writer->Append(kTable, *reader).status();
  EXPECT_TRUE(status.IsCancelled()) << status;
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_EQ(Texts("SELECT count(*) FROM t"), "0");
  EXPECT_EQ(registry_->Backends()[0].pool_in_use, 0);
}

// A commit is in the file whatever becomes of the process.
TEST_F(DuckdbWriting, WhatWasCommittedIsThereAfterwards) {
  Sql({"CREATE TABLE t (v INTEGER)"});
  ASSERT_OK(Append(Column(arrow::int32(), "[1, 2, 3]")));
  std::filesystem::copy(folder_ / "old.duckdb", folder_ / "copy.duckdb");
  if (std::filesystem::exists(folder_ / "old.duckdb.wal")) {
    std::filesystem::copy(folder_ / "old.duckdb.wal", folder_ / "copy.duckdb.wal");
  }
  auto copy = spec_;
  copy.name = "copy";
  copy.driver_options["uri"] = (folder_ / "copy.duckdb").string();
  ASSERT_OK_AND_ASSIGN(backend_, registry_->Attach(copy));
  EXPECT_EQ(Texts("SELECT sum(v) FROM t"), "6");
  backend_.reset();
}

}  // namespace
}  // namespace hyprstream::testing
