#include "cli/result_printer.h"

#include <arrow/array/array_base.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace hyprstream::cli {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<arrow::RecordBatch> Sample() {
  const auto schema = arrow::schema({arrow::field("name", arrow::utf8()), arrow::field("n", arrow::int64())});
  const auto names = arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["b\"c,", "Zürich", "", null])").ValueOrDie();
  const auto numbers = arrow::json::ArrayFromJSONString(arrow::int64(), "[1, 1000, null, -3]").ValueOrDie();
  return arrow::RecordBatch::Make(schema, 4, {names, numbers});
}

std::string Print(PrinterOptions options, const arrow::RecordBatch& batch, int times = 1) {
  char* text = nullptr;
  std::size_t size = 0;
  options.out = open_memstream(&text, &size);
  const auto printer = ResultPrinter::Make(options, batch.schema());
  for (int i = 0; i < times; ++i) {
    if (!printer->Add(batch).ValueOrDie()) break;
  }
  EXPECT_TRUE(printer->Finish().ok());
  std::fclose(options.out);
  std::string printed(text, size);
  std::free(text);
  return printed;
}

TEST(ResultPrinter, TablesAreAlignedByType) {
  EXPECT_EQ(Print({.format = config::OutputFormat::kTable}, *Sample()),
            "name       n\n"
            "b\"c,       1\n"
            "Zürich  1000\n"
            "        NULL\n"
            "NULL      -3\n");
}

TEST(ResultPrinter, ACellOfSeveralLinesKeepsThem) {
  const auto schema = arrow::schema({arrow::field("key", arrow::utf8()), arrow::field("plan", arrow::utf8())});
  const auto keys = arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["physical", "route"])").ValueOrDie();
  const auto plans = arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["SCAN\n  t\n", "local"])").ValueOrDie();
  EXPECT_EQ(Print({.format = config::OutputFormat::kTable}, *arrow::RecordBatch::Make(schema, 2, {keys, plans})),
            "key       plan\n"
            "physical  SCAN\n"
            "            t\n"
            "route     local\n");
}

TEST(ResultPrinter, BlanksAloneAreQuotedInCsv) {
  const auto schema = arrow::schema({arrow::field(" ", arrow::utf8())});
  const auto texts = arrow::json::ArrayFromJSONString(arrow::utf8(), R"([" ", "", null, "a b"])").ValueOrDie();
  EXPECT_EQ(Print({.format = config::OutputFormat::kCsv}, *arrow::RecordBatch::Make(schema, 4, {texts})),
            "\" \"\n\" \"\n\"\"\n\na b\n");
}

TEST(ResultPrinter, InteractiveTablesCountAndCut) {
  EXPECT_THAT(Print({.interactive = true}, *Sample()), HasSubstr("───────┼─────\n"));
  EXPECT_THAT(Print({.interactive = true}, *Sample()), HasSubstr("Zürich │ 1000\n"));
  EXPECT_THAT(Print({.interactive = true}, *Sample()), HasSubstr("(4 rows)\n"));
  EXPECT_THAT(Print({.interactive = true}, *Sample(), 1000), HasSubstr("(the first 100 rows;"));
}

TEST(ResultPrinter, CsvQuotesAndTellsNullFromEmpty) {
  EXPECT_EQ(Print({.format = config::OutputFormat::kCsv}, *Sample()),
            "name,n\n\"b\"\"c,\",1\nZürich,1000\n\"\",\n,-3\n");
  EXPECT_EQ(Print({.format = config::OutputFormat::kCsv}, *Sample(), 0), "name,n\n");
}

TEST(ResultPrinter, JsonIsOneObjectALine) {
  EXPECT_EQ(Print({.format = config::OutputFormat::kJson}, *Sample()),
            "{\"name\":\"b\\\"c,\",\"n\":1}\n{\"name\":\"Zürich\",\"n\":1000}\n{\"name\":\"\",\"n\":null}\n"
            "{\"name\":null,\"n\":-3}\n");
}

TEST(ResultPrinter, ArrowIsAStreamThatReadsBack) {
  const std::string bytes = Print({.format = config::OutputFormat::kArrow}, *Sample(), 2);
  auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes));
  auto reader = arrow::ipc::RecordBatchStreamReader::Open(input).ValueOrDie();
  const auto batches = reader->ToRecordBatches().ValueOrDie();
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_TRUE(batches[1]->Equals(*Sample()));
}

}  // namespace
}  // namespace hyprstream::cli
