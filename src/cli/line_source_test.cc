#include "cli/line_source.h"

#include <arrow/array/array_base.h>
#include <arrow/compute/initialize.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hyprstream::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Given {
  std::string text;
  std::shared_ptr<arrow::Schema> table = nullptr;
  bool skips = false;
  bool json = false;
  std::int64_t block_bytes = 4 << 20;
};

struct Outcome {
  std::string rows;  // values with a blank behind each, `-` for a null; `| ` behind each row
  std::string error;
  std::vector<std::string> skipped;
};

void AppendRows(const arrow::RecordBatch& batch, std::string& rows) {
  for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
    for (const auto& column : batch.columns()) {
      rows += column->IsNull(row) ? "-" : column->GetScalar(row).ValueOrDie()->ToString();
      rows += ' ';
    }
    rows += "| ";
  }
}

Outcome Read(const Given& given) {
  static const bool ready = arrow::compute::Initialize().ok();
  EXPECT_TRUE(ready);
  Outcome outcome;
  auto source =
      LineSource::Open({.name = "t",
                        .stream = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(given.text)),
                        .format = given.json ? MakeJsonFormat(given.table) : MakeCsvFormat(given.table),
                        .infers = given.table == nullptr,
                        .on_error = given.skips ? config::OnError::kSkip : config::OnError::kStop,
                        .on_skip = [&](const std::string& why) { outcome.skipped.push_back(why); },
                        .block_bytes = given.block_bytes});
  if (!source.ok()) {
    outcome.error = source.status().message();
    return outcome;
  }
  while (true) {
    const auto batch = (*source)->Next();
    if (!batch.ok()) outcome.error = batch.status().message();
    if (!batch.ok() || *batch == nullptr) return outcome;
    AppendRows(**batch, outcome.rows);
  }
}

std::shared_ptr<arrow::Schema> Table() {
  return arrow::schema({arrow::field("a", arrow::int32()), arrow::field("s", arrow::utf8()),
                        arrow::field("d", arrow::float64()), arrow::field("f", arrow::float32()),
                        arrow::field("m", arrow::decimal128(5, 2))});
}

// Whatever the places where the text is cut.
void ExpectRows(const std::string& text, const std::string& rows) {
  for (std::int64_t block_bytes = 1; block_bytes <= static_cast<std::int64_t>(text.size()); ++block_bytes) {
    const auto outcome = Read({.text = text, .table = Table(), .block_bytes = block_bytes});
    EXPECT_EQ(outcome.rows, rows) << text << " in blocks of " << block_bytes;
    EXPECT_EQ(outcome.error, "") << text << " in blocks of " << block_bytes;
  }
}

TEST(LineSource, CsvRecordsEndWithEachKindOfLineEnd) {
  ExpectRows("a,s\n1,x\n2,y\n", "1 x | 2 y | ");
  ExpectRows("a,s\r1,x\r2,y\r", "1 x | 2 y | ");
  ExpectRows("a,s\r1,x\r2,y", "1 x | 2 y | ");
  ExpectRows("a,s\r\n1,x\r\n2,y\r\n", "1 x | 2 y | ");
  ExpectRows("a,s\r\n\r\n1,x\r\r2,\"y\r\n\"\n", "1 x | 2 y\r\n | ");
}

TEST(LineSource, LinesAreCountedWhateverEndsThem) {
  for (const std::string end : {"\n", "\r", "\r\n"}) {
    const auto outcome = Read({.text = "a,s" + end + "1,\"x" + end + "\"" + end + "bad,y" + end + "2,z" + end,
                               .table = Table(),
                               .skips = true});
    EXPECT_THAT(outcome.skipped, ElementsAre(HasSubstr("t, line 4, column a")));
    EXPECT_THAT(outcome.rows, HasSubstr("2 z | "));
  }
}

TEST(LineSource, AQuoteInsideAnUnquotedFieldIsText) {
  const std::string text = "a,s\n1,a\n2,b\n3,6\" nail\n4,c\n5,d\n";
  ExpectRows(text, "1 a | 2 b | 3 6\" nail | 4 c | 5 d | ");
  ExpectRows("a,s\n1,\"x\"y\"z\n2,\"\"\"\n,\"\n3,\" \"\n", "1 xy\"z | 2 \"\n, | 3   | ");
  const auto outcome = Read({.text = text + "bad,e\n6,f\n", .table = Table(), .skips = true});
  EXPECT_EQ(outcome.rows, "1 a | 2 b | 3 6\" nail | 4 c | 5 d | 6 f | ");
  EXPECT_THAT(outcome.skipped, ElementsAre(HasSubstr("t, line 7, column a: ")));
}

TEST(LineSource, AQuoteMayFollowAByteOrderMark) {
  EXPECT_EQ(Read({.text = "\xEF\xBB\xBF\"a\nb\",s\n1,x\n", .block_bytes = 4}).rows, "1 x | ");
}

TEST(LineSource, NamesMayBeThereTwice) { EXPECT_EQ(Read({.text = "d,d\ninf,-inf\n"}).rows, "inf -inf | "); }

TEST(LineSource, AQuoteThatIsNeverClosedMakesABadRecord) {
  Given given{.text = "a,s\n1,ok\n2,\"open\n3,lost\n", .table = Table()};
  const auto stopped = Read(given);
  EXPECT_EQ(stopped.rows, "1 ok | ");
  EXPECT_THAT(stopped.error, HasSubstr("t, line 3, a quote is opened that nothing closes"));
  given.skips = true;
  const auto skipped = Read(given);
  EXPECT_EQ(skipped.rows, "1 ok | ");
  EXPECT_EQ(skipped.error, "");
  EXPECT_THAT(skipped.skipped, ElementsAre(HasSubstr("the whole rest of the file is one record; is a quote missing?")));
  EXPECT_THAT(Read({.text = "\"a,s\n1,x\n"}).error, HasSubstr("t, in the header a quote is opened"));
}

TEST(LineSource, OnlyAnEmptyCsvCellIsNull) {
  ExpectRows("a,s,d\n1,NA,nan\n2,null,-inf\n3,,\n4,\"\",NaN\n", "1 NA nan | 2 null -inf | 3 - - | 4  nan | ");
  EXPECT_THAT(Read({.text = "a\nNA\n", .table = Table()}).error, HasSubstr("line 2, column a: "));
  EXPECT_EQ(Read({.text = "country,n\nNA,1\nDE,\n"}).rows, "NA 1 | DE - | ");
}

TEST(LineSource, ABlankLineOfOneCsvColumnIsANull) {
  ExpectRows("a\n1\n\n3\n", "1 | - | 3 | ");
  ExpectRows("a\n\n\n", "- | - | ");
  ExpectRows("a\r\n\r\n2", "- | 2 | ");
  EXPECT_EQ(Read({.text = "n\n\n1\n\n"}).rows, "- | 1 | - | ");
  const auto outcome = Read({.text = "a\n\nbad\n\n4\n", .table = Table(), .skips = true});
  EXPECT_EQ(outcome.rows, "- | - | 4 | ");
  EXPECT_THAT(outcome.skipped, ElementsAre(HasSubstr("line 3")));
}

TEST(LineSource, BlankLinesBeforeACsvHeaderAreNothing) {
  ExpectRows("\n \r\na,s\n\n1,x\n\n", "1 x | ");
  ExpectRows("\r\ra\r1\r", "1 | ");
  EXPECT_THAT(Read({.text = "\n\na,s\nbad,x\n", .table = Table()}).error, HasSubstr("line 4, column a"));
}

TEST(LineSource, ACsvNumberOutOfRangeIsNoInfinity) {
  ExpectRows("d,f\ninf,-Infinity\n1e308,1e38\n", "inf -inf | 1e+308 1e+38 | ");
  for (const std::string text : {"d\n1e400\n", "d\n-1e400\n", "f\n1e39\n", "f\ninf\n 4e38 \n"}) {
    EXPECT_THAT(Read({.text = text, .table = Table()}).error, HasSubstr("is out of range of ")) << text;
  }
  const auto outcome = Read({.text = "a,d\n1,inf\n2,1e400\n3,4\n", .table = Table(), .skips = true});
  EXPECT_EQ(outcome.rows, "1 inf | 3 4 | ");
  EXPECT_THAT(outcome.skipped, ElementsAre("t, line 3, column d: '1e400' is out of range of double"));
  EXPECT_THAT(Read({.text = "d\n1\n1e400\n"}).error, HasSubstr("line 3, column d: '1e400' is out of range"));
}

TEST(LineSource, WhatDoesNotFitItsTypeIsABadRecord) {
  const auto decimals = Read({.text = "a,m\n1,1.5\n2,12345\n3,2.5\n", .table = Table(), .skips = true});
  EXPECT_EQ(decimals.rows, "1 1.50 | 3 2.50 | ");
  EXPECT_THAT(decimals.skipped, ElementsAre(HasSubstr("t, line 3, column m: ")));
  const auto texts = Read({.text = "a,s\n1,caf\xe9\n2,x\n", .table = Table(), .skips = true});
  EXPECT_EQ(texts.rows, "2 x | ");
  EXPECT_THAT(texts.skipped, ElementsAre(HasSubstr("t, line 2, column s: ")));
  const auto json = Read(
      {.text = "{\"a\":1,\"s\":\"caf\xe9\"}\n{\"a\":2,\"s\":\"x\"}\n", .table = Table(), .skips = true, .json = true});
  EXPECT_THAT(json.rows, HasSubstr("2 x "));
  EXPECT_THAT(json.skipped, ElementsAre(HasSubstr("t, line 1, ")));
}

}  // namespace
}  // namespace hyprstream::cli
