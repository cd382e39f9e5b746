#include "backend/value_reading.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/c/bridge.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gmock/gmock.h>

#include "support/status_assertions.h"

namespace hyprstream::backend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ArrayPtr = std::shared_ptr<arrow::Array>;

ArrayPtr Json(const std::shared_ptr<arrow::DataType>& type, const std::string& text) {
  return arrow::json::ArrayFromJSONString(type, text).ValueOrDie();
}

// A layout of one column.
TableLayout Layout(const std::shared_ptr<arrow::DataType>& arriving, Reading reading,
                   const std::shared_ptr<arrow::DataType>& type, const std::string& check = {}) {
  TableLayout layout;
  layout.schema = arrow::schema({arrow::field("v", type)});
  layout.columns.push_back({.name = "v",
                            .expression = "v",
                            .arriving = arriving,
                            .reading = reading,
                            .check = check,
                            .refusal = "is refused"});
  return layout;
}

arrow::Result<ArrayPtr> Read(const TableLayout& layout, const arrow::ArrayVector& arriving) {
  arrow::FieldVector fields;
  for (const auto& array : arriving) fields.push_back(arrow::field("v", array->type()));
  const auto schema = arrow::schema(fields);
  ARROW_ASSIGN_OR_RAISE(const auto reading, ValueReading::Make(layout, {0}, *schema));
  ArrowArray exported{};
  ARROW_RETURN_NOT_OK(
      arrow::ExportRecordBatch(*arrow::RecordBatch::Make(schema, arriving[0]->length(), arriving), &exported));
  ARROW_ASSIGN_OR_RAISE(const auto batch, reading.Read(&exported));
  ARROW_RETURN_NOT_OK(batch->ValidateFull());
  return batch->column(0);
}

TEST(ValueReading, OfDecimals) {
  const auto layout = Layout(arrow::utf8(), Reading::kDecimalText, arrow::decimal128(38, 2));
  ASSERT_OK_AND_ASSIGN(
      const auto read,
      Read(layout,
           {Json(arrow::utf8(), R"(["1", "-0.5", "0.05", null, "999999999999999999999999999999999999.99", "-0"])")}));
  EXPECT_TRUE(
      read->Equals(Json(arrow::decimal128(38, 2),
                        R"(["1.00", "-0.50", "0.05", null, "999999999999999999999999999999999999.99", "0.00"])")))
      << read->ToString();
  for (const auto* bad :
       {"NaN", "", "-", "1.234", "1e5", "1000000000000000000000000000000000000", "Infinity", "1.2.3", " 1"}) {
    EXPECT_THAT(Read(layout, {Json(arrow::utf8(), "[\"" + std::string(bad) + "\"]")}).status().message(),
                HasSubstr("Column v has a value that is no decimal128(38, 2)"))
        << bad;
  }
}

TEST(ValueReading, OfTimesInListsAsWell) {
  const auto times = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto lists = arrow::list(arrow::field("item", times));
  const auto arriving = Json(arrow::list(arrow::field("item", arrow::int64())),
                             "[[-9222425352054775809, 5, null], null, [-9222425352054775808]]");
  ASSERT_OK_AND_ASSIGN(const auto as_times, arriving->View(lists));
  ASSERT_OK_AND_ASSIGN(const auto read, Read(Layout(lists, Reading::kTimestamp, lists), {as_times}));
  ASSERT_OK_AND_ASSIGN(const auto numbers, read->View(arriving->type()));
  EXPECT_TRUE(numbers->Equals(Json(arriving->type(), "[[9223372036854775807, 5, null], null, [-9223372036854775807]]")))
      << numbers->ToString();
  ASSERT_OK_AND_ASSIGN(const auto too_late, Json(arrow::int64(), "[-9222426057710551616]")->View(times));
  EXPECT_THAT(Read(Layout(times, Reading::kTimestamp, times), {too_late}).status().message(), HasSubstr("too late"));
}

TEST(ValueReading, OfTextsOfTimes) {
  const auto times = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto layout = Layout(arrow::utf8(), Reading::kTimeText, times);
  ASSERT_OK_AND_ASSIGN(
      const auto read,
      Read(layout, {Json(arrow::utf8(), R"(["1970-01-02", "1969-12-31T23:59", "1970-01-01 00:00:01.5"])")}));
  ASSERT_OK_AND_ASSIGN(const auto numbers, read->View(arrow::int64()));
  EXPECT_TRUE(numbers->Equals(Json(arrow::int64(), "[86400000000, -60000000, 1500000]"))) << numbers->ToString();
  for (const auto* bad :
       {"", "1970-1-1", "1970-02-30", "1970-01-01 24:00", "1970-01-01 00:00:00.", "1970-01-01 00:00:00.1234567",
        "1970-01-01 00:00:00Z", "1970-01-01 00:0", "1970-01-01x00:00", "-970-01-01", "+970-01-01"}) {
    EXPECT_FALSE(Read(layout, {Json(arrow::utf8(), "[\"" + std::string(bad) + "\"]")}).ok()) << bad;
  }
}

TEST(ValueReading, OfTextsOfUuids) {
  const auto layout = Layout(arrow::utf8(), Reading::kUuidText, arrow::fixed_size_binary(16));
  ASSERT_OK_AND_ASSIGN(const auto read,
                       Read(layout, {Json(arrow::utf8(), R"(["61626364-6566-6768-696A-6b6c6d6e6f70", null])")}));
  EXPECT_TRUE(read->Equals(Json(arrow::fixed_size_binary(16), R"(["abcdefghijklmnop", null])"))) << read->ToString();
  for (const auto* bad : {"", "61626364-6566-6768-696A-6b6c6d6e6f7", "61626364-6566-6768-696A-6b6c6d6e6f7011",
                          "x1626364-6566-6768-696A-6b6c6d6e6f70"}) {
    EXPECT_FALSE(Read(layout, {Json(arrow::utf8(), "[\"" + std::string(bad) + "\"]")}).ok()) << bad;
  }
}

TEST(ValueReading, TakesNullsFromTheCheckWhereverTheValuesBegin) {
  const auto layout = Layout(arrow::int64(), Reading::kAsIs, arrow::int64(), "check");
  const auto values = Json(arrow::int64(), "[9, 1, 0, 3]");
  const auto codes = Json(arrow::int64(), "[2, 0, 1, 0]");
  ASSERT_OK_AND_ASSIGN(const auto read, Read(layout, {values->Slice(1), codes->Slice(1)}));
  EXPECT_TRUE(read->Equals(Json(arrow::int64(), "[1, null, 3]"))) << read->ToString();
  EXPECT_THAT(Read(layout, {values, codes}).status().message(), HasSubstr("Column v is refused"));
  const auto flags = Json(arrow::boolean(), "[false, false, true, false]");
  EXPECT_THAT(Read(layout, {values, flags}).status().message(), HasSubstr("Column v is refused"));
  EXPECT_OK(Read(layout, {values, Json(arrow::boolean(), "[false, false, null, false]")}));
}

TEST(ValueReading, NamesTheColumnsOfAnErrorThatNamesNone) {
  auto layout = Layout(arrow::month_day_nano_interval(), Reading::kAsIs, arrow::month_day_nano_interval());
  layout.schema =
      arrow::schema({arrow::field("v", arrow::month_day_nano_interval()), arrow::field("n", arrow::int64())});
  layout.columns.push_back({.name = "n", .expression = "n", .arriving = arrow::int64()});
  ASSERT_OK_AND_ASSIGN(const auto reading, ValueReading::Make(layout, {0, 1}, *layout.schema));
  const auto failed =
      arrow::Status::IOError("w: ReadRecord failed at row 3: Interval with time value 9 would overflow");
  EXPECT_THAT(
      reading.NameColumn(failed).ToString(),
      AllOf(HasSubstr(failed.ToString() + ": Column v has a value that cannot be read"), Not(HasSubstr(" n "))));
  for (const auto& other : {arrow::Status::OK(), arrow::Status::IOError("Interval with time value 9"),
                            arrow::Status::IOError("ReadRecord failed at row 3: Array value with lower bound 3")}) {
    EXPECT_EQ(reading.NameColumn(other), other);
  }
}

TEST(ValueReading, RefusesTextsThatAreNoUtf8) {
  const auto texts = [](const std::string& second) {
    arrow::StringBuilder builder;
    EXPECT_TRUE(builder.Append("\u00e9").ok() && builder.AppendNull().ok() && builder.Append(second).ok());
    return builder.Finish().ValueOrDie();
  };
  const auto layout = Layout(arrow::utf8(), Reading::kAsIs, arrow::utf8());
  EXPECT_OK(Read(layout, {texts("\u65e5")}));
  EXPECT_THAT(Read(layout, {texts("a\xff")}).status().message(),
              HasSubstr("Column v has a text that is no valid UTF-8"));
}

TEST(ValueReading, SaysWhatArrivesThatWasNotAskedFor) {
  auto layout = Layout(arrow::utf8(), Reading::kAsIs, arrow::utf8());
  EXPECT_THAT(Read(layout, {Json(arrow::int32(), "[1]")}).status().message(),
              HasSubstr("Column v arrives as int32 and not as string"));
  EXPECT_FALSE(Read(layout, {Json(arrow::utf8(), "[]"), Json(arrow::utf8(), "[]")}).ok());
  EXPECT_FALSE(Read(layout, {Json(arrow::int64(), "[]")}).ok());
  layout.types_come_with_rows = true;
  ASSERT_OK_AND_ASSIGN(const auto none, Read(layout, {Json(arrow::int64(), "[]")}));
  EXPECT_EQ(none->length(), 0);
  EXPECT_FALSE(Read(layout, {Json(arrow::int64(), "[1]")}).ok());
}

}  // namespace
}  // namespace hyprstream::backend
