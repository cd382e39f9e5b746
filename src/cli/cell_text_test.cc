#include "cli/cell_text.h"

#include <arrow/array/array_base.h>
#include <arrow/json/from_string.h>
#include <arrow/result.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

namespace hyprstream::cli {
namespace {

std::shared_ptr<arrow::Array> Array(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

std::string Text(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  std::string out;
  AppendText(*Array(type, json), 0, out);
  return out;
}

std::string Json(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  std::string out;
  AppendJson(*Array(type, json), 0, out);
  return out;
}

TEST(CellText, IsWhatAPersonReads) {
  EXPECT_EQ(Text(arrow::utf8(), R"(["a\"b"])"), "a\"b");
  EXPECT_EQ(Text(arrow::int64(), "[-5]"), "-5");
  EXPECT_EQ(Text(arrow::uint8(), "[200]"), "200");
  EXPECT_EQ(Text(arrow::float64(), "[0.1]"), "0.1");
  EXPECT_EQ(Text(arrow::float64(), "[1e300]"), "1e+300");
  EXPECT_EQ(Text(arrow::decimal128(10, 2), R"(["12.50"])"), "12.50");
  EXPECT_EQ(Text(arrow::boolean(), "[true]"), "true");
  EXPECT_EQ(Text(arrow::date32(), "[15706]"), "2013-01-01");
  EXPECT_EQ(Text(arrow::timestamp(arrow::TimeUnit::MICRO), "[1356998400500000]"), "2013-01-01 00:00:00.5");
  EXPECT_EQ(Text(arrow::timestamp(arrow::TimeUnit::SECOND, "UTC"), "[-1]"), "1969-12-31 23:59:59+00");
  EXPECT_EQ(Text(arrow::timestamp(arrow::TimeUnit::MICRO, "Europe/Berlin"), "[1372680000000000]"),
            "2013-07-01 14:00:00+02");
  EXPECT_EQ(Text(arrow::timestamp(arrow::TimeUnit::MILLI, "America/St_Johns"), "[1356998400500]"),
            "2012-12-31 20:30:00.5-03:30");
  EXPECT_EQ(Text(arrow::timestamp(arrow::TimeUnit::SECOND, "No/Where"), "[0]"), "1970-01-01 00:00:00+00");
  EXPECT_EQ(Text(arrow::month_day_nano_interval(), "[[14, 3, 14706500000000]]"), "1 year 2 months 3 days 04:05:06.5");
  EXPECT_EQ(Text(arrow::month_day_nano_interval(), "[[0, 0, 0]]"), "00:00:00");
  EXPECT_EQ(Text(arrow::list(arrow::utf8()), R"([["a", null]])"), R"(["a",null])");
  EXPECT_EQ(Text(arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["x"])"), "x");
}

TEST(CellText, ShowsTimesThatAreFarAway) {
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO);
  EXPECT_EQ(Text(micros, "[9223372036854775807]"), "infinity");
  EXPECT_EQ(Text(micros, "[-9223372036854775807]"), "-infinity");
  EXPECT_EQ(Text(micros, "[3093527980800000000]"), "100000-01-01 00:00:00");
  EXPECT_EQ(Text(arrow::timestamp(arrow::TimeUnit::MICRO, "Europe/Berlin"), "[9223372036854775807]"), "infinity");
  EXPECT_EQ(Text(arrow::timestamp(arrow::TimeUnit::MICRO, "Asia/Tokyo"), "[9223372036854775806]"),
            "294247-01-10 04:00:54.775806+00");
  EXPECT_EQ(Text(arrow::date32(), "[2147483647]"), "infinity");
  EXPECT_EQ(Text(arrow::date32(), "[35804722]"), "100000-01-01");
  EXPECT_EQ(Json(arrow::date32(), "[-719163]"), "\"0001-12-31 (BC)\"");
}

TEST(CellText, JsonKeepsTypesApart) {
  EXPECT_EQ(Json(arrow::utf8(), R"(["a\"b\n"])"), R"("a\"b\n")");
  EXPECT_EQ(Json(arrow::int64(), "[null]"), "null");
  EXPECT_EQ(Json(arrow::int64(), "[9007199254740993]"), "9007199254740993");
  EXPECT_EQ(Json(arrow::boolean(), "[false]"), "false");
  EXPECT_EQ(Json(arrow::date32(), "[0]"), R"("1970-01-01")");
  EXPECT_EQ(Json(arrow::struct_({arrow::field("a", arrow::int32()), arrow::field("b", arrow::list(arrow::int32()))}),
                 R"([{"a": 1, "b": [2, 3]}])"),
            R"({"a":1,"b":[2,3]})");
}

}  // namespace
}  // namespace hyprstream::cli
