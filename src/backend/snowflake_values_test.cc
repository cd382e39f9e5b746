#include "backend/snowflake_values.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

namespace hyprstream::backend {
namespace {

// The text of the only value of `json`, which the driver would be given for a column of this type.
std::string TextOf(const std::string& declared, const std::string& json) {
  const auto column = SnowflakeColumn("c", declared);
  return SnowflakeText(column, *arrow::json::ArrayFromJSONString(column.type, json).ValueOrDie(), 0);
}

TEST(SnowflakeValues, ATextStaysWhatItIs) {
  EXPECT_EQ(TextOf("VARCHAR(10)", R"(["it's \\"])"), R"('it''s \\')");
  EXPECT_EQ(TextOf("VARCHAR(10)", "[null]"), "NULL");
  EXPECT_EQ(SnowflakeLiteral("\\' --"), "'\\\\'' --'");
}

TEST(SnowflakeValues, NumbersHaveAllTheirDigits) {
  EXPECT_EQ(TextOf("NUMBER(38,38)", "[\"-0.00000000000000000000000000000000000001\"]"),
            "'-0.00000000000000000000000000000000000001'");
  EXPECT_EQ(TextOf("NUMBER(20,0)", "[\"18446744073709551615\"]"), "'18446744073709551615'");
  EXPECT_EQ(TextOf("FLOAT", "[5e-324]"), "'5e-324'");
  EXPECT_EQ(TextOf("FLOAT", "[-Inf]"), "'-inf'");
}

TEST(SnowflakeValues, TimesHaveNineDigitsBehindTheSecond) {
  EXPECT_EQ(TextOf("TIMESTAMP_NTZ(9)", "[-1]"), "'1969-12-31 23:59:59.999999999'");
  EXPECT_EQ(TextOf("TIMESTAMP_TZ(9)", "[0]"), "'1970-01-01 00:00:00.000000000 +00:00'");
  EXPECT_EQ(TextOf("TIME(9)", "[86399999999999]"), "'23:59:59.999999999'");
  EXPECT_EQ(TextOf("DATE", "[-719162]"), "'0001-01-01'");
  EXPECT_EQ(SnowflakeColumn("c", "TIMESTAMP_NTZ(3)").bounds.multiple_of, 1'000'000);
  EXPECT_EQ(SnowflakeColumn("c", "TIME(0)").bounds.multiple_of, 1'000'000'000);
}

TEST(SnowflakeValues, NoValueDependsOnASettingOfTheSession) {
  const auto value = [](const std::string& declared) { return SnowflakeValue(SnowflakeColumn("c", declared), "x"); };
  EXPECT_EQ(value("DATE"), "TO_DATE(x, 'YYYY-MM-DD')");
  EXPECT_EQ(value("TIMESTAMP_LTZ(6)"), "TO_TIMESTAMP_LTZ(x, 'YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM')");
  EXPECT_EQ(value("BINARY(8388608)"), "TO_BINARY(x, 'HEX')");
  EXPECT_EQ(value("NUMBER(20,4)"), "CAST(x AS NUMBER(20,4))");
  EXPECT_EQ(value("VARCHAR(5) COLLATE 'en-ci'"), "CAST(x AS VARCHAR)");
}

TEST(SnowflakeValues, WhatIsNotKnownIsOnlyRead) {
  for (const char* declared : {"VARIANT", "OBJECT", "ARRAY", "GEOGRAPHY", "VECTOR(FLOAT, 3)", "DECFLOAT(38)", "NUMBER",
                               "MAP(VARCHAR(16777216), NUMBER(38,0))", ""}) {
    EXPECT_EQ(SnowflakeColumn("c", declared).type, nullptr) << declared;
  }
}

TEST(SnowflakeValues, NamesThatNeedNoQuotesAreInCapitals) {
  EXPECT_EQ(SnowflakeName("orders_2$"), "ORDERS_2$");
  EXPECT_EQ(SnowflakeName("2orders"), "2orders");
  EXPECT_EQ(SnowflakeName("od d"), "od d");
  EXPECT_EQ(SnowflakeName("grün"), "grün");
  EXPECT_EQ(SnowflakeName(""), "");
}

}  // namespace
}  // namespace hyprstream::backend
