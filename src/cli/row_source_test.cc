#include "cli/row_source.h"

#include <arrow/array/array_base.h>
#include <arrow/compute/initialize.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "cli/line_source.h"

namespace hyprstream::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RowSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(arrow::compute::Initialize().ok());
    folder_ =
        std::filesystem::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  RowSourceOptions File(const std::string& name, const std::string& text) {
    RowSourceOptions options;
    options.path = (folder_ / name).string();
    std::ofstream(options.path, std::ios::binary) << text;
    options.on_skip = [this](const std::string& why) { skipped_.push_back(why.substr(why.find(name_of_file_))); };
    name_of_file_ = name;
    return options;
  }
  // All rows as text, and the error that ended them.
  std::pair<std::string, std::string> Read(RowSourceOptions options) {
    auto source = RowSource::Open(std::move(options));
    if (!source.ok()) return {"", source.status().message()};
    std::string rows;
    while (true) {
      const auto batch = (*source)->Next();
      if (!batch.ok()) return {rows, batch.status().message()};
      if (*batch == nullptr) return {rows, ""};
      for (std::int64_t row = 0; row < (*batch)->num_rows(); ++row) {
        for (const auto& column : (*batch)->columns()) rows += column->GetScalar(row).ValueOrDie()->ToString() + " ";
        rows += "| ";
      }
    }
  }

  std::filesystem::path folder_;
  std::string name_of_file_;
  std::vector<std::string> skipped_;
};

TEST_F(RowSourceTest, CsvTypesAreInferred) {
  auto options = File("t.csv",
                      "\xEF\xBB\xBF"
                      "a,b,c,d\n1,x,2013-01-01 05:00:00,\n2,\"y\n,z\",2013-01-01 05:00:01.5,\n");
  const auto source = RowSource::Open(options).ValueOrDie();
  EXPECT_EQ(source->schema()->ToString(), "a: int64\nb: string\nc: timestamp[us]\nd: string");
  EXPECT_THAT(Read(options).first, HasSubstr("2 y\n,z 2013-01-01 05:00:01.500000 null |"));
}

TEST_F(RowSourceTest, CsvTypesComeFromTheTable) {
  auto options = File("t.csv", "A,b\n1,2\n");
  options.table = arrow::schema({arrow::field("a", arrow::float64()), arrow::field("b", arrow::utf8())});
  EXPECT_EQ(RowSource::Open(options).ValueOrDie()->schema()->ToString(), "A: double\nb: string");
}

TEST_F(RowSourceTest, ABadCsvLineIsNamed) {
  auto options = File("t.csv", "a,b\n1,x\n2,\"y\n\"\nthree,z\n4,w\n");
  options.table = arrow::schema({arrow::field("a", arrow::int64())});
  const auto [rows, error] = Read(options);
  EXPECT_EQ(rows, "1 x | 2 y\n | ");
  EXPECT_THAT(error, HasSubstr("t.csv, line 5, column a: CSV conversion error to int64: invalid value 'three'"));
}

TEST_F(RowSourceTest, BadCsvLinesAreSkippedOnRequest) {
  auto options = File("t.csv", "a,b\n1,x\n2\n3,y\nfour,z\n5,w");
  options.table = arrow::schema({arrow::field("a", arrow::int64())});
  options.on_error = config::OnError::kSkip;
  const auto [rows, error] = Read(options);
  EXPECT_EQ(error, "");
  EXPECT_EQ(rows, "1 x | 3 y | 5 w | ");
  EXPECT_THAT(skipped_, ElementsAre(HasSubstr("t.csv, line 3, CSV parse error: Expected 2 columns, got 1"),
                                    HasSubstr("t.csv, line 5, column a")));
}

TEST_F(RowSourceTest, JsonLinesAreReadAndBadOnesNamed) {
  auto options = File("t.jsonl", "{\"a\": 1, \"b\": \"x\"}\n\n{\"a\": 2}\n{\"a\": 3, \n{\"a\": \"4\"}\n{\"a\": 5}\n");
  EXPECT_THAT(Read(options).second, HasSubstr("t.jsonl, line 4, character"));
  EXPECT_EQ(Read(options).first, "1 x | 2 null | ");
  options.on_error = config::OnError::kSkip;
  EXPECT_EQ(Read(options).first, "1 x | 2 null | 5 null | ");
  EXPECT_THAT(skipped_, ElementsAre(HasSubstr("line 4, character"), HasSubstr("line 5, column a")));
}

TEST_F(RowSourceTest, JsonTypesComeFromTheTable) {
  auto options = File(
      "t.jsonl", R"({"d": 1.25, "h": 12345678901234567890123, "dt": "2013-01-02", "ti": "05:06:07.5", "b": "\\x01fF"})"
                 "\n"
                 R"({"d": 2, "dt": "2013-02-30"})"
                 "\n");
  options.table =
      arrow::schema({arrow::field("d", arrow::decimal128(10, 2)), arrow::field("h", arrow::decimal128(38, 0)),
                     arrow::field("dt", arrow::date32()), arrow::field("ti", arrow::time64(arrow::TimeUnit::MICRO)),
                     arrow::field("b", arrow::binary())});
  const auto [rows, error] = Read(options);
  EXPECT_EQ(rows, "1.25 12345678901234567890123 2013-01-02 05:06:07.500000 \x1\xFF | ");
  EXPECT_THAT(error, HasSubstr("t.jsonl, line 2, column dt: Failed to parse string: '2013-02-30'"));
}

TEST_F(RowSourceTest, JsonIsKnownByItsFirstLetter) {
  for (const std::string before : {"", "\n", " \r\n\n\t ", "\xEF\xBB\xBF", "\xEF\xBB\xBF\n"}) {
    EXPECT_EQ(Read(File("text", before + "{\"a\": 7}\n")), std::pair(std::string("7 | "), std::string())) << before;
  }
  EXPECT_EQ(Read(File("text", "\n\na\n{\n")).first, "{ | ");
}

TEST_F(RowSourceTest, IntegersBeyondBigintKeepTheirDigits) {
  const auto options =
      File("t.csv", "a,b,c,d\n18446744073709551615,-1,1.5,1\nbad\n,9223372036854775808,9223372036854775808,2\n");
  EXPECT_EQ(RowSource::Open(options).ValueOrDie()->schema()->ToString(),
            "a: uint64\nb: decimal128(38, 0)\nc: double\nd: int64");
}

TEST_F(RowSourceTest, BytesInCsvAreWrittenInFull) {
  auto options = File("t.csv", "a,b\n1,\\x01\n2,\\x0\n");
  options.table = arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::binary())});
  const auto [rows, error] = Read(options);
  EXPECT_EQ(rows, "1 \x1 | ");
  EXPECT_THAT(error, HasSubstr("t.csv, line 3, column b: '\\x0' is no BLOB"));
}

TEST_F(RowSourceTest, RowsOfOtherColumnsAreNotJoined) {
  auto options = File("t.jsonl", "{\"a\": 1}\n" + std::string(5 << 20, ' ') + "\n{\"b\": 2}\n{\"a\": 3}\n");
  options.table = arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::int64())});
  const auto source = RowSource::Open(options).ValueOrDie();
  EXPECT_EQ(source->Next().ValueOrDie()->schema()->ToString(), "a: int64");
  const auto later = source->Next().ValueOrDie();
  EXPECT_EQ(later->schema()->ToString(), "a: int64\nb: int64");
  EXPECT_EQ(later->num_rows(), 2);
  EXPECT_EQ(source->Next().ValueOrDie(), nullptr);
}

TEST_F(RowSourceTest, AnEmptyJsonTextHoldsNoRowsOfAKnownTable) {
  auto options = File("t.jsonl", "\n\n");
  EXPECT_THAT(Read(options).second, HasSubstr("t.jsonl: the file is empty"));
  options.table = arrow::schema({arrow::field("a", arrow::int64())});
  EXPECT_EQ(Read(options), std::pair(std::string(), std::string()));
}

TEST_F(RowSourceTest, BatchesHaveTheSizeThatIsAskedFor) {
  auto options = File("t.csv", "a\n1\n2\n3\n4\n5\n");
  options.batch_rows = 2;
  const auto source = RowSource::Open(options).ValueOrDie();
  for (const std::int64_t rows : {2, 2, 1}) EXPECT_EQ(source->Next().ValueOrDie()->num_rows(), rows);
  EXPECT_EQ(source->Next().ValueOrDie(), nullptr);
}

TEST_F(RowSourceTest, ANamedPipeIsReadAsItComes) {
  RowSourceOptions options;
  options.path = (folder_ / "pipe").string();
  options.table = arrow::schema({arrow::field("a", arrow::int64())});
  ASSERT_EQ(mkfifo(options.path.c_str(), 0600), 0);
  std::promise<void> first_is_read;
  auto writing = std::async([&] {
    std::ofstream pipe(options.path);
    pipe << "a\n1\n2\n" << std::flush;
    first_is_read.get_future().wait();
    pipe << "3\n";
  });
  const auto source = RowSource::Open(options).ValueOrDie();
  EXPECT_EQ(source->Next().ValueOrDie()->num_rows(), 2);
  first_is_read.set_value();
  EXPECT_EQ(source->Next().ValueOrDie()->num_rows(), 1);
  EXPECT_EQ(source->Next().ValueOrDie(), nullptr);
  writing.get();
}

TEST_F(RowSourceTest, ArrowAndParquetKeepTheirTypes) {
  const auto schema = arrow::schema({arrow::field("n", arrow::int16())});
  const auto batch =
      arrow::RecordBatch::Make(schema, 2, {arrow::json::ArrayFromJSONString(arrow::int16(), "[1, 2]").ValueOrDie()});
  const std::string stream = (folder_ / "s").string(), file = (folder_ / "f").string(),
                    parquet = (folder_ / "p").string();
  {
    auto out = arrow::io::FileOutputStream::Open(stream).ValueOrDie();
    auto writer = arrow::ipc::MakeStreamWriter(out, schema).ValueOrDie();
    ASSERT_TRUE(writer->WriteRecordBatch(*batch).ok() && writer->Close().ok() && out->Close().ok());
    out = arrow::io::FileOutputStream::Open(file).ValueOrDie();
    writer = arrow::ipc::MakeFileWriter(out, schema).ValueOrDie();
    ASSERT_TRUE(writer->WriteRecordBatch(*batch).ok() && writer->Close().ok() && out->Close().ok());
    out = arrow::io::FileOutputStream::Open(parquet).ValueOrDie();
    const auto table = arrow::Table::FromRecordBatches({batch}).ValueOrDie();
    ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out).ok() && out->Close().ok());
  }
  for (const std::string& path : {stream, file, parquet}) {
    RowSourceOptions options;
    options.path = path;
    EXPECT_EQ(Read(options), std::pair(std::string("1 | 2 | "), std::string())) << path;
    EXPECT_EQ(RowSource::Open(options).ValueOrDie()->schema()->field(0)->type()->ToString(), "int16");
  }
}

TEST_F(RowSourceTest, FilesThatAreNotWhatTheySay) {
  EXPECT_THAT(Read(File("t.parquet", "no parquet at all")).second, HasSubstr("t.parquet: "));
  EXPECT_THAT(Read(File("t.arrow", "no arrow at all")).second, HasSubstr("t.arrow: "));
  EXPECT_THAT(Read(File("t.csv", "")).second, HasSubstr("t.csv: the file is empty"));
  RowSourceOptions missing;
  missing.path = "/nowhere/x.csv";
  EXPECT_THAT(Read(missing).second, HasSubstr("Cannot read /nowhere/x.csv: No such file or directory"));
  missing.path = folder_.string();
  EXPECT_THAT(Read(missing).second, HasSubstr("it is a folder; name the files in it"));
}

}  // namespace
}  // namespace hyprstream::cli
