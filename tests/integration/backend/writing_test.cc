// Changing tables of PostgreSQL and SQLite: what goes in is what comes out, or nothing goes in. With the driver in the
// server, and in a process of its own.
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "postgres_backend.h"

namespace hyprstream::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::shared_ptr<arrow::RecordBatch> Batch(const arrow::FieldVector& fields, const std::vector<std::string>& columns) {
  arrow::ArrayVector arrays;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    arrays.push_back(arrow::json::ArrayFromJSONString(fields[i]->type(), columns[i]).ValueOrDie());
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), arrays.at(0)->length(), arrays);
}

std::shared_ptr<arrow::RecordBatchReader> Rows(const std::shared_ptr<arrow::RecordBatch>& batch) {
  return arrow::RecordBatchReader::Make({batch}, batch->schema()).ValueOrDie();
}

// A column `v` of the type.
std::shared_ptr<arrow::RecordBatch> Column(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return Batch({arrow::field("v", type)}, {json});
}

arrow::Result<std::int64_t> Append(const Backend& backend, const TableRef& table,
                                   const std::shared_ptr<arrow::RecordBatch>& batch) {
  ARROW_ASSIGN_OR_RAISE(const auto writer, backend.BeginWriting({}));
  ARROW_ASSIGN_OR_RAISE(const auto rows, writer->Append(table, *Rows(batch)));
  ARROW_RETURN_NOT_OK(writer->Commit());
  return rows;
}

const auto kPlacesOfDriver = ::testing::Bool();  // a process of its own?

std::string NameOfPlace(const ::testing::TestParamInfo<bool>& place) { return place.param ? "isolated" : "here"; }

class PostgresWriting : public PostgresBackend, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    auto spec = Spec();
    spec.isolate = GetParam();
    ASSERT_OK_AND_ASSIGN(backend_, registry_->Attach(spec));
    table_ = {.schema = "public", .name = application()};
    name_ = "public.\"" + application() + "\"";
  }
  void Make(const std::string& columns) { Sql("DROP TABLE IF EXISTS " + name_ + "; CREATE TABLE " + name_ + columns); }
  arrow::Result<std::int64_t> Append(const std::shared_ptr<arrow::RecordBatch>& batch) {
    return hyprstream::testing::Append(*backend_, table_, batch);
  }
  // What the column `v` of a table holds as text when it was written, or why it was not.
  std::string Written(const std::string& type, const std::shared_ptr<arrow::DataType>& given, const std::string& json) {
    Make(" (v " + type + ")");
    const auto written = Append(Column(given, json));
    auto rows = Sql("SELECT string_agg(v::text, ';') FROM " + name_);
    if (written.ok()) return rows;
    EXPECT_EQ(rows, "") << type << " " << given->ToString();
    return written.status().message();
  }

  std::shared_ptr<Backend> backend_;
  TableRef table_;
  std::string name_;
};

const auto kMicros = arrow::timestamp(arrow::TimeUnit::MICRO);
const auto kNanos = arrow::timestamp(arrow::TimeUnit::NANO);

// The silent losses of its driver's COPY, each by what goes in and where to.
TEST_P(PostgresWriting, ValuesAreHeldExactlyOrRefused) {
  const auto refused = [](const std::string& value) {
    return AllOf(HasSubstr("Column v, row 1"), HasSubstr(value), HasSubstr("nothing was written"));
  };
  EXPECT_THAT(Written("int8", arrow::uint64(), "[1, 18446744073709551615]"), refused("18446744073709551615"));
  EXPECT_EQ(Written("numeric(20,0)", arrow::uint64(), "[18446744073709551615]"), "18446744073709551615");
  EXPECT_EQ(Written("float8", arrow::int64(), "[7]"), "7");
  EXPECT_THAT(Written("float8", arrow::int64(), "[1, 9007199254740993]"), refused("9007199254740993"));
  EXPECT_THAT(Written("int8", arrow::float64(), "[1, 1.5]"), refused("1.5"));
  EXPECT_EQ(Written("int4", arrow::int64(), "[-2147483648, 2147483647]"), "-2147483648;2147483647");
  EXPECT_THAT(Written("int4", arrow::int64(), "[1, 2147483648]"), refused("2147483648"));
  EXPECT_THAT(Written("int2", arrow::int32(), "[1, 32768]"), refused("32768"));
  EXPECT_THAT(Written("float4", arrow::float64(), "[1, 1e300]"), refused("1e+300"));
  EXPECT_EQ(Written("float4", arrow::float64(), "[1.5]"), "1.5");
  EXPECT_EQ(Written("numeric(10,2)", arrow::decimal128(20, 4), "[\"1.2300\"]"), "1.23");
  EXPECT_THAT(Written("numeric(10,2)", arrow::decimal128(20, 4), "[\"1.2300\", \"1.2399\"]"), refused("1.2399"));
  EXPECT_THAT(Written("numeric(4,2)", arrow::decimal128(20, 2), "[\"1.00\", \"100.00\"]"), refused("100.00"));
  EXPECT_EQ(Written("timestamp", kNanos, "[1000]"), "1970-01-01 00:00:00.000001");
  EXPECT_THAT(Written("timestamp", kNanos, "[0, -1]"), refused("1969-12-31 23:59:59.999999999"));
  EXPECT_THAT(Written("timestamp(3)", kMicros, "[1000, 1]"), refused("00:00:00.000001"));
  EXPECT_THAT(Written("varchar(2)", arrow::utf8(), "[\"ab\", \"abc\"]"), refused("abc"));
  EXPECT_EQ(Written("varchar(2)", arrow::utf8(), "[\"äö\"]"), "äö");
  EXPECT_THAT(Written("text", arrow::utf8(), "[\"a\", \"x\\u0000y\"]"),
              AllOf(HasSubstr("Column v, row 1"), HasSubstr("NUL")));
  EXPECT_THAT(Written("date", arrow::date64(), "[0, 1]"), HasSubstr("row 1"));
  // Types that share no values at all.
  EXPECT_THAT(Written("timestamp", arrow::int64(), "[7]"), HasSubstr("does not take values of type int64"));
  EXPECT_THAT(Written("int8", kMicros, "[1000000]"), HasSubstr("does not take values of type timestamp"));
  EXPECT_THAT(Written("int4", arrow::date32(), "[20000]"), HasSubstr("does not take values of type date32"));
  EXPECT_THAT(Written("timestamptz", kMicros, "[1]"), HasSubstr("does not take values of type timestamp[us]"));
  EXPECT_THAT(Written("bool", arrow::int8(), "[1]"), HasSubstr("does not take values of type int8"));
}

TEST_P(PostgresWriting, TypesThatCopyDoesNotTakeGoThroughTheStage) {
  EXPECT_EQ(Written("jsonb", arrow::utf8(), "[\"{\\\"a\\\": 1}\"]"), "{\"a\": 1}");
  EXPECT_THAT(Written("jsonb", arrow::utf8(), "[\"{}\", \"{\"]"),
              AllOf(HasSubstr("Column v, row 1: {"), HasSubstr("jsonb")));
  EXPECT_EQ(Written("uuid", arrow::utf8(), "[\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"]"),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
  EXPECT_THAT(Written("uuid", arrow::utf8(), "[\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\", \"nope\"]"),
              HasSubstr("Column v, row 1: nope"));
  EXPECT_EQ(Written("inet", arrow::utf8(), "[\"10.0.0.1\"]"), "10.0.0.1/32");
  EXPECT_EQ(Written("numeric", arrow::utf8(), "[\"1.234567890123456789012345678901234567890123\"]"),
            "1.234567890123456789012345678901234567890123");
  EXPECT_THAT(Written("numeric(40,2)", arrow::utf8(), "[\"1.5\", \"1.239\"]"), HasSubstr("Column v, row 1: 1.239"));
  Sql("DROP TYPE IF EXISTS mood CASCADE; CREATE TYPE mood AS ENUM ('good', 'bad')");
  EXPECT_EQ(Written("mood", arrow::utf8(), "[\"good\", null]"), "good");
  EXPECT_THAT(Written("mood", arrow::utf8(), "[\"good\", \"so-so\"]"), HasSubstr("Column v, row 1: so-so"));
  EXPECT_THAT(Written("money", arrow::utf8(), "[\"1.00\"]"), HasSubstr("cannot be written"));
}

TEST_P(PostgresWriting, ColumnsGoByNameAndTheOthersTakeTheirDefaults) {
  Make(" (a int, b int, c int DEFAULT 7, d int NOT NULL)");
  ASSERT_OK_AND_ASSIGN(
      const auto rows,
      Append(Batch({arrow::field("d", arrow::int32()), arrow::field("a", arrow::int32())}, {"[4, 40]", "[1, null]"})));
  EXPECT_EQ(rows, 2);
  EXPECT_EQ(Sql("SELECT string_agg(t::text, ' ') FROM " + name_ + " t"), "(1,,7,4) (,,7,40)");
  EXPECT_THAT(Append(Column(arrow::int32(), "[1]")).status().message(), HasSubstr("has no column v"));
  EXPECT_THAT(Append(Batch({arrow::field("a", arrow::int32())}, {"[1]"})).status().message(), HasSubstr("Column d"));
  EXPECT_THAT(Append(Batch({arrow::field("d", arrow::int32())}, {"[1, null]"})).status().message(),
              AllOf(HasSubstr("Column d, row 1"), HasSubstr("NOT NULL")));
}

TEST_P(PostgresWriting, WhatIsNotCommittedIsNotThere) {
  Make(" (v int PRIMARY KEY)");
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
    ASSERT_OK(writer->Append(table_, *Rows(Column(arrow::int32(), "[1, 2]"))));
    ASSERT_OK_AND_ASSIGN(const auto seen, writer->Table(table_));
    ASSERT_OK_AND_ASSIGN(const auto rows, Read(*seen));
    EXPECT_EQ(rows->num_rows(), 2) << "it sees its own";
  }
  EXPECT_EQ(Sql("SELECT count(*) FROM " + name_), "0");
  ASSERT_OK(Append(Column(arrow::int32(), "[1]")));
  // One ingest is written whole or not at all.
  const auto twice = Append(Column(arrow::int32(), "[5, 6, 1]")).status();
  EXPECT_THAT(twice.message(), HasSubstr("duplicate key"));
  EXPECT_EQ(Sql("SELECT string_agg(v::text, ' ') FROM " + name_), "1");
}

TEST_P(PostgresWriting, CommitAfterAnErrorIsAnError) {
  Make(" (v int PRIMARY KEY)");
  ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
  ASSERT_OK(writer->Append(table_, *Rows(Column(arrow::int32(), "[1]"))));
  EXPECT_FALSE(writer->Append(table_, *Rows(Column(arrow::int32(), "[1]"))).ok());
  EXPECT_FALSE(writer->Append(table_, *Rows(Column(arrow::int32(), "[2]"))).ok());
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_EQ(Sql("SELECT count(*) FROM " + name_), "0");
}

TEST_P(PostgresWriting, TheConnectionOnlyReadsAgainAfterwards) {
  Make(" (v int)");
  for (int i = 0; i < 20; ++i) ASSERT_OK(Append(Column(arrow::int32(), "[1]")));
  EXPECT_EQ(Connections(), 1) << "one connection, used again";
  const auto status =
      ReadQuery(*backend_, "WITH x AS (DELETE FROM " + name_ + " RETURNING v) SELECT * FROM x").status();
  EXPECT_THAT(status.message(), HasSubstr("read-only transaction"));
  EXPECT_EQ(Sql("SELECT count(*) FROM " + name_), "20");
}

TEST_P(PostgresWriting, RowsAreDeletedAndUpdatedByTheirNames) {
  Make(" (id int PRIMARY KEY, v text)");
  Sql("INSERT INTO " + name_ + " SELECT i, 'x' FROM generate_series(1, 1000) i");
  ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
  ASSERT_OK_AND_ASSIGN(const auto source, writer->Rows(table_));
  ScanRequest request{.projection = {0}, .filters = {}};
  request.filters = {};
  ASSERT_OK_AND_ASSIGN(const auto named, Read(*source, request));
  ASSERT_EQ(named->num_rows(), 1000);
  const auto part = named->Slice(0, 10)->CombineChunksToBatch().ValueOrDie();
  ASSERT_OK_AND_ASSIGN(const auto deleted, writer->Delete(table_, *Rows(part)));
  EXPECT_EQ(deleted, 10);
  const auto others = named->Slice(10, 5)->CombineChunksToBatch().ValueOrDie();
  const auto changed = arrow::RecordBatch::Make(
      arrow::schema({others->schema()->field(0), arrow::field("v", arrow::utf8())}), 5,
      {others->column(0),
       arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["a", "b", null, "d", "e"])").ValueOrDie()});
  ASSERT_OK_AND_ASSIGN(const auto updated, writer->Update(table_, *Rows(changed)));
  EXPECT_EQ(updated, 5);
  ASSERT_OK(writer->Commit());
  EXPECT_EQ(Sql("SELECT count(*), count(*) FILTER (WHERE v IS DISTINCT FROM 'x') FROM " + name_), "990|5");
}

TEST_P(PostgresWriting, ARowThatSomebodyElseHasChangedIsNotOverwritten) {
  Make(" (id int PRIMARY KEY, v text)");
  Sql("INSERT INTO " + name_ + " VALUES (1, 'x')");
  ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
  ASSERT_OK_AND_ASSIGN(const auto source, writer->Rows(table_));
  ASSERT_OK_AND_ASSIGN(const auto named, Read(*source, {.projection = {0}, .filters = {}}));
  Sql("UPDATE " + name_ + " SET v = 'theirs'");
  const auto status = writer->Delete(table_, *Rows(named->CombineChunksToBatch().ValueOrDie())).status();
  EXPECT_THAT(status.message(), HasSubstr("could not serialize access"));
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_EQ(Sql("SELECT v FROM " + name_), "theirs");
}

TEST_P(PostgresWriting, MergesByAKey) {
  Make(" (id int PRIMARY KEY, v text, n int DEFAULT 3)");
  Sql("INSERT INTO " + name_ + " VALUES (1, 'old', 1), (2, 'old', 2)");
  const auto rows =
      Batch({arrow::field("id", arrow::int64()), arrow::field("v", arrow::utf8())}, {"[2, 3]", R"(["new", "new"])"});
  ASSERT_OK_AND_ASSIGN(auto writer, backend_->BeginWriting({}));
  ASSERT_OK_AND_ASSIGN(const auto changed, writer->Merge(table_, {.key = {"id"}, .updated = {"v"}}, *Rows(rows)));
  EXPECT_EQ(changed, 2);
  ASSERT_OK(writer->Commit());
  EXPECT_EQ(Sql("SELECT string_agg(t::text, ' ' ORDER BY id) FROM " + name_ + " t"), "(1,old,1) (2,new,2) (3,new,3)");
  ASSERT_OK_AND_ASSIGN(writer, backend_->BeginWriting({}));
  ASSERT_OK_AND_ASSIGN(const auto added, writer->Merge(table_, {.key = {"id"}}, *Rows(rows)));
  EXPECT_EQ(added, 0);
  ASSERT_OK(writer->Commit());
}

TEST_P(PostgresWriting, TablesAreMadeAndDropped) {
  Sql("DROP TABLE IF EXISTS " + name_);
  const auto columns = arrow::schema({arrow::field("id", arrow::int32(), false), arrow::field("u", arrow::uint64()),
                                      arrow::field("d", arrow::decimal128(9, 2)), arrow::field("t", kNanos),
                                      arrow::field("l", arrow::list(arrow::int32()))});
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
    ASSERT_OK(writer->CreateTable({.table = table_, .columns = columns, .primary_key = {"id"}}));
    const auto rows =
        Batch(columns->fields(), {"[1]", "[18446744073709551615]", "[\"1.25\"]", "[1000]", "[[1, null]]"});
    ASSERT_OK(writer->Append(table_, *Rows(rows)));
    ASSERT_OK(writer->Commit());
  }
  EXPECT_EQ(Sql("SELECT made::text FROM " + name_ + " made"),
            "(1,18446744073709551615,1.25,\"1970-01-01 00:00:00.000001\",\"{1,NULL}\")");
  ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
  EXPECT_TRUE(writer
                  ->CreateTable({.table = {.schema = "public", .name = "x"},
                                 .columns = arrow::schema({arrow::field("s", arrow::struct_({}))})})
                  .IsNotImplemented());
  ASSERT_OK(writer->DropTable(table_));
  EXPECT_TRUE(writer->Append(table_, *Rows(Column(arrow::int32(), "[1]"))).status().IsKeyError());
  ASSERT_OK(writer->Commit());
  EXPECT_TRUE(backend_->Table(table_.schema, table_.name).status().IsKeyError());
}

// A source whose second batch is never there, until it is told to stop.
class Endless : public arrow::RecordBatchReader {
 public:
  explicit Endless(std::function<void()> between) : between_(std::move(between)) {}
  std::shared_ptr<arrow::Schema> schema() const override { return batch_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    if (count_++ == 3) between_();
    *batch = batch_;
    return arrow::Status::OK();
  }

 private:
  const std::shared_ptr<arrow::RecordBatch> batch_ = Column(arrow::int32(), "[1, 2, 3]");
  const std::function<void()> between_;
  int count_ = 0;
};

TEST_P(PostgresWriting, ACancelEndsTheIngest) {
  Make(" (v int)");
  std::atomic<bool> cancelled = false;
  ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting([&] { return cancelled.load(); }));
  Endless rows([&] { cancelled = true; });
  EXPECT_TRUE(writer->Append(table_, rows).status().IsCancelled());
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_EQ(Sql("SELECT count(*) FROM " + name_), "0");
}

TEST_P(PostgresWriting, AConnectionThatEndsInTheMiddleLeavesNothing) {
  Make(" (v int)");
  ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
  Endless rows([&] {
    Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '" + application() + "'");
  });
  EXPECT_FALSE(writer->Append(table_, rows).ok());
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_EQ(Sql("SELECT count(*) FROM " + name_), "0");
  ASSERT_OK(Append(Column(arrow::int32(), "[1]")));
}

INSTANTIATE_TEST_SUITE_P(Driver, PostgresWriting, kPlacesOfDriver, NameOfPlace);

// ---- SQLite

class SqliteWriting : public ::testing::TestWithParam<bool> {
 protected:
  SqliteWriting()
      : registry_(backend::BackendRegistry::Make(
            {.driver_folder = std::getenv("HYPRSTREAM_ADBC_DRIVERS"), .host_program = HYPRSTREAM_PROGRAM})) {}
  void SetUp() override {
    file_ = std::filesystem::temp_directory_path() / ("hyprstream_writing_" + std::to_string(getpid()) + ".db");
    std::filesystem::remove(file_);
    backend::BackendSpec spec;
    spec.name = "lite";
    spec.driver = "sqlite";
    spec.isolate = GetParam();
    spec.driver_options["uri"] = "file:" + file_.string();
    ASSERT_OK_AND_ASSIGN(backend_, registry_->Attach(spec));
  }
  void TearDown() override {
    backend_.reset();
    registry_.reset();
    std::filesystem::remove(file_);
  }

  // A table `t` with these columns, made from the outside.
  arrow::Status Make(const std::shared_ptr<arrow::Schema>& columns, std::vector<std::string> key = {}) {
    ARROW_ASSIGN_OR_RAISE(const auto writer, backend_->BeginWriting({}));
    if (writer->Table(kTable).ok()) ARROW_RETURN_NOT_OK(writer->DropTable(kTable));
    ARROW_RETURN_NOT_OK(writer->CreateTable({.table = kTable, .columns = columns, .primary_key = std::move(key)}));
    return writer->Commit();
  }
  // `v` as it is read after it was written, or why it was not.
  std::string Written(const std::shared_ptr<arrow::DataType>& column, const std::shared_ptr<arrow::DataType>& given,
                      const std::string& json) {
    EXPECT_OK(Make(arrow::schema({arrow::field("v", column)})));
    const auto written = Append(*backend_, kTable, Column(given, json));
    auto source = backend_->Table("main", "t").ValueOrDie();
    const auto rows = source->Scan({.projection = {0}, .filters = {}}).ValueOrDie()->ToTable().ValueOrDie();
    std::string texts;
    for (std::int64_t row = 0; row < rows->num_rows(); ++row) {
      texts += (row > 0 ? ";" : "") + rows->column(0)->GetScalar(row).ValueOrDie()->ToString();
    }
    if (written.ok()) return texts;
    EXPECT_EQ(texts, "");
    return written.status().message();
  }

  const TableRef kTable{.schema = "main", .name = "t"};
  std::filesystem::path file_;
  std::unique_ptr<backend::BackendRegistry> registry_;
  std::shared_ptr<Backend> backend_;
};

TEST_P(SqliteWriting, ValuesAreHeldExactlyOrRefused) {
  EXPECT_EQ(Written(arrow::boolean(), arrow::boolean(), "[true, false, null]"), "true;false;null");
  EXPECT_EQ(Written(arrow::date32(), arrow::date32(), "[0, -719162]"), "1970-01-01;0001-01-01");
  EXPECT_THAT(Written(arrow::date32(), arrow::date32(), "[0, 2932897]"), HasSubstr("Column v, row 1"));
  EXPECT_EQ(Written(kMicros, kMicros, "[0, 1, null]"), "1970-01-01 00:00:00.000000;1970-01-01 00:00:00.000001;null");
  EXPECT_THAT(Written(kMicros, kNanos, "[0, 1]"), HasSubstr("Column v, row 1"));
  EXPECT_EQ(Written(arrow::int64(), arrow::int64(), "[-9223372036854775808, 9223372036854775807]"),
            "-9223372036854775808;9223372036854775807");
  EXPECT_THAT(Written(arrow::int64(), arrow::uint64(), "[0, 9223372036854775808]"), HasSubstr("Column v, row 1"));
  EXPECT_THAT(Written(arrow::int64(), arrow::float64(), "[1, 1.5]"), HasSubstr("Column v, row 1: 1.5"));
  EXPECT_THAT(Written(arrow::float64(), arrow::float64(), "[1, NaN]"), HasSubstr("Column v, row 1"));
  EXPECT_EQ(Written(arrow::float64(), arrow::float64(), "[1e300, 0.1]"), "1e+300;0.1");
  EXPECT_EQ(Written(arrow::utf8(), arrow::utf8(), "[\"0123\", \"\", null]"), "0123;;null");
  EXPECT_EQ(Written(arrow::binary(), arrow::binary(), "[\"ab\"]"), "ab");
  for (const auto& type : {arrow::decimal128(9, 2), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                           arrow::time64(arrow::TimeUnit::MICRO), arrow::list(arrow::int32())}) {
    EXPECT_THAT(Make(arrow::schema({arrow::field("v", type)})).message(), HasSubstr("SQLite cannot hold")) << *type;
  }
}

TEST_P(SqliteWriting, RowsAreMergedUpdatedAndDeleted) {
  const arrow::FieldVector fields{arrow::field("id", arrow::int64(), false), arrow::field("v", arrow::utf8())};
  ASSERT_OK(Make(arrow::schema(fields), {"id"}));
  ASSERT_OK(Append(*backend_, kTable, Batch(fields, {"[1, 2, 3]", R"(["a", "b", "c"])"})));
  EXPECT_THAT(Append(*backend_, kTable, Batch(fields, {"[4, 1]", R"(["a", "b"])"})).status().message(),
              HasSubstr("UNIQUE"));
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend_->BeginWriting({}));
    ASSERT_OK_AND_ASSIGN(const auto merged, writer->Merge(kTable, {.key = {"id"}, .updated = {"v"}},
                                                          *Rows(Batch(fields, {"[3, 4]", R"(["C", "d"])"}))));
    EXPECT_EQ(merged, 2);
    ASSERT_OK_AND_ASSIGN(const auto source, writer->Rows(kTable));
    ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan({.projection = {0}, .filters = {}}));
    ASSERT_OK_AND_ASSIGN(const auto named, reader->ToTable());
    ASSERT_EQ(named->num_rows(), 4);
    ASSERT_OK_AND_ASSIGN(const auto deleted,
                         writer->Delete(kTable, *Rows(named->Slice(0, 1)->CombineChunksToBatch().ValueOrDie())));
    EXPECT_EQ(deleted, 1);
    ASSERT_OK(writer->Commit());
  }
  ASSERT_OK_AND_ASSIGN(const auto source, backend_->Table("main", "t"));
  ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan({.projection = {0, 1}, .filters = {}}));
  ASSERT_OK_AND_ASSIGN(const auto rows, reader->ToTable());
  EXPECT_EQ(rows->num_rows(), 3);
  EXPECT_EQ(rows->column(1)->GetScalar(1).ValueOrDie()->ToString(), "C");
  EXPECT_FALSE(backend_->Query("DELETE FROM t RETURNING id", {}).ok()) << "what is passed on only reads";
}

INSTANTIATE_TEST_SUITE_P(Driver, SqliteWriting, kPlacesOfDriver, NameOfPlace);

}  // namespace
}  // namespace hyprstream::testing
