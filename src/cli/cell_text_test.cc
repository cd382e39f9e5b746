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

TEST(CellText, ShowsTimesOfTheDay) {
  const auto micros = arrow::time64(arrow::TimeUnit::MICRO);
  EXPECT_EQ(Text(micros, "[18367500000]"), "05:06:07.5");
  EXPECT_EQ(Text(micros, "[0]"), "00:00:00");
  EXPECT_EQ(Text(micros, "[86400000000]"), "24:00:00");
  EXPECT_EQ(Text(arrow::time64(arrow::TimeUnit::NANO), "[1]"), "00:00:00.000000001");
  EXPECT_EQ(Text(arrow::time32(arrow::TimeUnit::SECOND), "[86399]"), "23:59:59");
  EXPECT_EQ(Text(arrow::time32(arrow::TimeUnit::MILLI), "[10]"), "00:00:00.01");
  EXPECT_EQ(Json(arrow::list(micros), "[[86400000000, null]]"), R"(["24:00:00",null])");
}

// A distance with seconds, as before standard times, is one that few can read back.
TEST(CellText, ShowsTimesInUtcWhereTheDistanceHasSeconds) {
  const auto berlin = arrow::timestamp(arrow::TimeUnit::SECOND, "Europe/Berlin");
  EXPECT_EQ(Text(berlin, "[-2840140800]"), "1880-01-01 00:00:00+00");
  EXPECT_EQ(Text(berlin, "[-2422054408]"), "1893-04-01 00:06:32+01");
  EXPECT_EQ(Text(berlin, "[-2422054409]"), "1893-03-31 23:06:31+00");
  const auto millis = arrow::timestamp(arrow::TimeUnit::MILLI, "Europe/Berlin");
  EXPECT_EQ(Text(millis, "[-2422054408001]"), "1893-03-31 23:06:31.999+00");
}

TEST(CellText, ShowsDecimalsInPlainDigits) {
  EXPECT_EQ(Text(arrow::decimal128(18, 10), R"(["0.0000000000"])"), "0.0000000000");
  EXPECT_EQ(Text(arrow::decimal128(18, 10), R"(["-0.0000000001"])"), "-0.0000000001");
  EXPECT_EQ(Text(arrow::decimal128(18, 10), R"(["-12.5000000000"])"), "-12.5000000000");
  EXPECT_EQ(Text(arrow::decimal128(38, 0), R"(["-99999999999999999999999999999999999999"])"),
            "-99999999999999999999999999999999999999");
  EXPECT_EQ(Text(arrow::decimal128(38, 38), R"(["-0.00000000000000000000000000000000000001"])"),
            "-0.00000000000000000000000000000000000001");
  EXPECT_EQ(Text(arrow::decimal256(40, 9), R"(["0.000000001"])"), "0.000000001");
  EXPECT_EQ(Text(arrow::decimal32(9, 9), R"(["0.000000001"])"), "0.000000001");
  EXPECT_EQ(Text(arrow::decimal64(18, 9), R"(["-1.000000001"])"), "-1.000000001");
  EXPECT_EQ(Json(arrow::list(arrow::decimal128(18, 10)), R"([["0.0000000001"]])"), "[0.0000000001]");
}

TEST(CellText, ShowsTheMemberThatAUnionHas) {
  const arrow::FieldVector members = {arrow::field("num", arrow::int32()), arrow::field("text", arrow::utf8())};
  for (const auto& type : {arrow::dense_union(members), arrow::sparse_union(members)}) {
    const auto array = Array(type, R"([[0, 2], [1, "x"], [0, null], [1, "y"]])");
    std::string texts, json;
    for (const std::int64_t row : {0, 1, 3}) AppendText(*array, row, texts);
    EXPECT_EQ(texts, "2xy");
    for (std::int64_t row = 0; row < 4; ++row) AppendJson(*array, row, json);
    EXPECT_EQ(json, R"(2"x"null"y")");
    json.clear();
    AppendJson(*array->Slice(2), 1, json);
    EXPECT_EQ(json, R"("y")");
    EXPECT_EQ(Text(arrow::list(type), R"([[[0, 2], [1, "x"]]])"), R"([2,"x"])");
  }
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
