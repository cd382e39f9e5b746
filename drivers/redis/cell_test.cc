#include "cell.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <arrow/util/utf8.h>
#include <gtest/gtest.h>

#include <string>

#include "status_expectations.h"

namespace adbc_redis {
namespace {

std::shared_ptr<arrow::Array> Values(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

// Written and read again, every value is the same.
struct RoundTrip {
  std::shared_ptr<arrow::DataType> type;
  const char* json;
  const char* text;  // of the last value
};

class Cells : public ::testing::TestWithParam<RoundTrip> {
 protected:
  void SetUp() override { arrow::util::InitializeUTF8(); }
};

TEST_P(Cells, AreExactBothWays) {
  const auto values = Values(GetParam().type, GetParam().json);
  auto reader = ColumnReader::Make(GetParam().type).ValueOrDie();
  std::string text;
  for (int64_t row = 0; row < values->length(); ++row) {
    ASSERT_THAT(WriteCell(*values, row, *GetParam().type, text), IsOk());
    ASSERT_THAT(reader->Append(text), IsOk()) << text;
  }
  EXPECT_EQ(text, GetParam().text);
  const auto read = reader->Finish().ValueOrDie();
  EXPECT_TRUE(read->Equals(values, arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false)))
      << read->ToString() << values->ToString();
}

using arrow::TimeUnit;
INSTANTIATE_TEST_SUITE_P(
    Types, Cells,
    ::testing::Values(
        RoundTrip{arrow::boolean(), "[true, false]", "false"}, RoundTrip{arrow::int8(), "[127, -128]", "-128"},
        RoundTrip{arrow::int16(), "[32767, -32768]", "-32768"},
        RoundTrip{arrow::int32(), "[2147483647, -2147483648]", "-2147483648"},
        RoundTrip{arrow::int64(), "[9223372036854775807, -9223372036854775808]", "-9223372036854775808"},
        RoundTrip{arrow::uint8(), "[0, 255]", "255"}, RoundTrip{arrow::uint16(), "[0, 65535]", "65535"},
        RoundTrip{arrow::uint32(), "[0, 4294967295]", "4294967295"},
        RoundTrip{arrow::uint64(), "[0, 18446744073709551615]", "18446744073709551615"},
        RoundTrip{arrow::float32(), "[3.4028235e38, 1e-45, -0.0, NaN, Inf, -Inf, 0.1]", "0.1"},
        RoundTrip{arrow::float64(), "[1.7976931348623157e308, 5e-324, -0.0, NaN, -Inf, Inf]", "inf"},
        RoundTrip{arrow::decimal128(38, 0), "[\"99999999999999999999999999999999999999\", \"-1\"]", "-1"},
        RoundTrip{arrow::decimal128(38, 38),
                  "[\"0.99999999999999999999999999999999999999\", \"-0.00000000000000000000000000000000000001\"]",
                  "-0.00000000000000000000000000000000000001"},
        RoundTrip{arrow::decimal128(10, 2), "[\"-99999999.99\", \"0.00\", \"-0.05\"]", "-0.05"},
        RoundTrip{arrow::utf8(), "[\"\", \"a b\\r\\n*1\", \"\\u0000x\", \"žluťoučký\"]", "žluťoučký"},
        RoundTrip{arrow::date32(), "[2147483647, -2147483648, 0]", "0"},
        RoundTrip{arrow::timestamp(TimeUnit::SECOND), "[9223372036854775807, -1]", "-1"},
        RoundTrip{arrow::timestamp(TimeUnit::MILLI), "[-9223372036854775808, 1]", "1"},
        RoundTrip{arrow::timestamp(TimeUnit::MICRO, "UTC"), "[9223372036854775807, -1]", "-1"},
        RoundTrip{arrow::timestamp(TimeUnit::NANO, "Europe/Prague"), "[9223372036854775807, -1]", "-1"}));

std::string Written(const sql::Value& literal, const std::shared_ptr<arrow::DataType>& type) {
  std::string text;
  const arrow::Status status = WriteCell(literal, *type, text);
  return status.ok() ? text : "error: " + status.message();
}

sql::Value Number(std::string text) { return {.kind = sql::Value::Kind::kNumber, .text = std::move(text)}; }
sql::Value String(std::string text) { return {.kind = sql::Value::Kind::kString, .text = std::move(text)}; }

TEST(Literals, TakeTheirMeaningFromTheColumn) {
  EXPECT_EQ(Written(Number("18446744073709551615"), arrow::uint64()), "18446744073709551615");
  EXPECT_EQ(Written(Number("1.5e3"), arrow::float64()), "1500");
  EXPECT_EQ(Written(Number("1.5"), arrow::decimal128(10, 3)), "1.500");
  EXPECT_EQ(Written(Number("0.1"), arrow::float32()), "0.1");
  EXPECT_EQ(Written(String("2026-01-31"), arrow::date32()), "20484");
  EXPECT_EQ(Written(String("1970-01-01 00:00:01.5"), arrow::timestamp(TimeUnit::MILLI)), "1500");
  EXPECT_EQ(Written(String("1970-01-01 01:00:00+01:00"), arrow::timestamp(TimeUnit::SECOND, "UTC")), "0");
}

TEST(Literals, AreRefusedWhereTheyDoNotFit) {
  EXPECT_THAT(Written(Number("128"), arrow::int8()), ::testing::HasSubstr("128 cannot be kept exactly as int8"));
  EXPECT_THAT(Written(Number("1.5"), arrow::int8()), ::testing::HasSubstr("floating-point number is given for int8"));
  EXPECT_THAT(Written(Number("9007199254740993"), arrow::float64()), ::testing::HasSubstr("exactly as double"));
  EXPECT_THAT(Written(Number("1.005"), arrow::decimal128(4, 2)), ::testing::HasSubstr("exactly as decimal128(4, 2)"));
  EXPECT_THAT(Written(String("1"), arrow::int64()), ::testing::HasSubstr("text is given for int64"));
  EXPECT_THAT(Written(String("yesterday"), arrow::timestamp(TimeUnit::MICRO)),
              ::testing::HasSubstr("write '2026-01-31 12:00:00'"));
  EXPECT_THAT(Written(String("1970-01-01 00:00:00Z"), arrow::timestamp(TimeUnit::MICRO)),
              ::testing::HasSubstr("names a zone"));
}

TEST(Times, OfAnyYearMayHaveAFraction) {
  const auto at = [](const char* text, arrow::TimeUnit::type unit) {
    return ReadTime({.kind = sql::Value::Kind::kString, .text = text}, *arrow::timestamp(unit)).ValueOr(0);
  };
  constexpr Wide kLastSecond = Wide{253'402'300'799} * 1'000'000'000;
  EXPECT_TRUE(at("9999-12-31 23:59:59.000000", arrow::TimeUnit::SECOND) == kLastSecond);
  EXPECT_TRUE(at("9999-12-31 23:59:59.500", arrow::TimeUnit::NANO) == kLastSecond + 500'000'000);
  EXPECT_TRUE(at("1970-01-01 00:00:00.000000001", arrow::TimeUnit::SECOND) == 1);
}

TEST(Values, AreNotRoundedSilently) {
  std::string text;
  EXPECT_THAT(WriteCell(*Values(arrow::timestamp(TimeUnit::NANO), "[-1]"), 0, *arrow::timestamp(TimeUnit::MICRO), text),
              FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "-1 cannot be kept exactly as timestamp[us]"));
  EXPECT_THAT(WriteCell(*Values(arrow::float64(), "[1e300]"), 0, *arrow::float32(), text),
              FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "1e+300"));
  EXPECT_THAT(WriteCell(*Values(arrow::int64(), "[300]"), 0, *arrow::uint8(), text),
              FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "300"));
  EXPECT_THAT(WriteCell(*Values(arrow::timestamp(TimeUnit::SECOND), "[9223372036854775807]"), 0,
                        *arrow::timestamp(TimeUnit::NANO), text),
              FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "exactly"));
  EXPECT_THAT(WriteCell(*Values(arrow::timestamp(TimeUnit::SECOND, "UTC"), "[1]"), 0,
                        *arrow::timestamp(TimeUnit::SECOND), text),
              FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "cast it first"));
}

TEST(Values, OfOtherLayoutsAreKeptAsThePlainType) {
  EXPECT_TRUE(StoredType(*arrow::large_utf8()).ValueOrDie()->Equals(arrow::utf8()));
  EXPECT_TRUE(StoredType(*arrow::dictionary(arrow::int8(), arrow::large_utf8())).ValueOrDie()->Equals(arrow::utf8()));
  EXPECT_TRUE(StoredType(*arrow::fixed_size_binary(3)).ValueOrDie()->Equals(arrow::binary()));
  EXPECT_THAT(StoredType(*arrow::list(arrow::int8())), FailsWith(ADBC_STATUS_NOT_IMPLEMENTED, "list"));
  std::string text;
  ASSERT_THAT(
      WriteCell(*Values(arrow::utf8_view(), R"(["a long text that has no room in a view"])"), 0, *arrow::utf8(), text),
      IsOk());
  EXPECT_EQ(text, "a long text that has no room in a view");
}

TEST(ReadingCells, RefusesWhatIsNoValue) {
  arrow::util::InitializeUTF8();
  const std::vector<std::pair<std::shared_ptr<arrow::DataType>, std::vector<std::string>>> cases = {
      {arrow::int32(), {"", " 1", "1 ", "0x1", "1.0", "2147483648", std::string("1\0", 2)}},
      {arrow::uint8(), {"-1", "256"}},
      {arrow::float64(), {"", "1,5", "one"}},
      {arrow::boolean(), {"", "yes", "TRUE"}},
      {arrow::decimal128(4, 2), {"", "1.234", "100.00", "abc"}},
      {arrow::utf8(), {"\xff", "\xc3"}},
      {arrow::date32(), {"", "2026-02-30", "2147483648"}},
      {arrow::timestamp(TimeUnit::SECOND), {"", "2026-01-01 00:00:00Z", "now", "9223372036854775808"}}};
  for (const auto& [type, texts] : cases) {
    const auto reader = ColumnReader::Make(type).ValueOrDie();
    for (const std::string& text : texts) {
      EXPECT_THAT(reader->Append(text), FailsWith(ADBC_STATUS_INVALID_DATA, "is no value of type"))
          << type->ToString() << ": " << text;
    }
    EXPECT_EQ(reader->Finish().ValueOrDie()->length(), 0);
  }
}

TEST(ReadingCells, KnowsWhatOthersWrite) {
  const auto dates = ColumnReader::Make(arrow::date32()).ValueOrDie();
  ASSERT_THAT(dates->Append("1970-01-02"), IsOk());
  EXPECT_TRUE(dates->Finish().ValueOrDie()->Equals(Values(arrow::date32(), "[1]")));
  const auto times = ColumnReader::Make(arrow::timestamp(TimeUnit::MILLI, "UTC")).ValueOrDie();
  ASSERT_THAT(times->Append("1970-01-01T00:00:00.007Z"), IsOk());
  EXPECT_TRUE(times->Finish().ValueOrDie()->Equals(Values(arrow::timestamp(TimeUnit::MILLI, "UTC"), "[7]")));
}

TEST(Printable, ShowsBytesAndIsShort) {
  EXPECT_EQ(Printable(std::string("a\0\x1b[31m", 7)), "a\\x00\\x1b[31m");
  EXPECT_EQ(Printable(std::string(100, 'x')), std::string(40, 'x') + "…");
}

}  // namespace
}  // namespace adbc_redis
