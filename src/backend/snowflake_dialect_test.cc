#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <gmock/gmock.h>

#include "backend/dialect.h"

namespace hyprstream::backend {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

TEST(SnowflakeDialect, ABackslashInANameEndsNoLiteral) {
  const auto dialect = MakeSnowflakeDialect();
  EXPECT_THAT(
      dialect->ColumnsQuery("s\\", "zz\\' UNION SELECT 1 --"),
      HasSubstr("table_schema = 's\\\\' AND table_name IN ('zz\\\\'' UNION SELECT 1 --', 'zz\\\\'' UNION SELECT 1 "
                "--') ORDER BY"));
  EXPECT_THAT(dialect->TablesQuery("it's\\"), HasSubstr("table_schema = 'it''s\\\\' "));
}

TEST(SnowflakeDialect, ADecimalIsWrittenInPlainDigits) {
  const auto dialect = MakeSnowflakeDialect();
  const auto written = [&](const std::string& text, int scale) {
    const arrow::Decimal128Scalar value(arrow::Decimal128(text), arrow::decimal128(38, scale));
    return dialect->Literal(Comparable::kDecimal, value);
  };
  EXPECT_THAT(written("123", 11), Optional(std::string("0.00000000123")));
  EXPECT_THAT(written("-1", 38), Optional("-0." + std::string(37, '0') + "1"));
  EXPECT_THAT(written("0", 9), Optional(std::string("0.000000000")));
  EXPECT_THAT(written("-12345", 4), Optional(std::string("-1.2345")));
  EXPECT_THAT(written("12345", 0), Optional(std::string("12345")));
  EXPECT_THAT(written(std::string(38, '9'), 38), Optional("0." + std::string(38, '9')));
}

TEST(SnowflakeDialect, ATableIsTheOneThatIsSpelledSo) {
  const auto dialect = MakeSnowflakeDialect();
  EXPECT_THAT(dialect->ColumnsQuery("S", "mixed_1"), HasSubstr("table_name IN ('mixed_1', 'MIXED_1')"));
  const auto column = [](const char* name, const char* table) { return TextRow{name, "TEXT", "YES", {}, {}, table}; };
  const auto from = [&](const TextRows& rows) { return dialect->Layout("S", "t", rows).ValueOrDie(); };
  EXPECT_EQ(from({column("A", "T"), column("B", "T")}).from, "\"S\".\"T\"");
  const auto both = from({column("A", "T"), column("c", "t"), column("B", "T")});
  EXPECT_EQ(both.from, "\"S\".\"t\"");
  EXPECT_EQ(both.columns.size(), 1);
  EXPECT_EQ(both.columns.at(0).name, "c");
}

}  // namespace
}  // namespace hyprstream::backend
