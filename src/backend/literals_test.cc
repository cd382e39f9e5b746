#include "backend/literals.h"

#include <gtest/gtest.h>

#include <limits>

namespace hyprstream::backend {
namespace {

TEST(Literals, OfDatesAndTimes) {
  EXPECT_EQ(DateText(0), "1970-01-01");
  EXPECT_EQ(DateText(-1), "1969-12-31");
  EXPECT_EQ(DateText(19'782), "2024-02-29");
  EXPECT_EQ(DateText(-719'162), "0001-01-01");
  EXPECT_EQ(DateText(-719'163), "0001-12-31 BC");
  EXPECT_EQ(DateText(-2'440'588), "4714-11-24 BC");  // PostgreSQL's first day
  EXPECT_EQ(DateText(2'932'897), "10000-01-01");
  EXPECT_EQ(DateText(2'145'042'905), "5874897-12-31");  // and its last
  EXPECT_EQ(TimestampText(0), "1970-01-01 00:00:00.000000");
  EXPECT_EQ(TimestampText(-1), "1969-12-31 23:59:59.999999");
  EXPECT_EQ(TimestampText(-86'400'000'000), "1969-12-31 00:00:00.000000");
  EXPECT_EQ(TimestampText(-62'135'596'800'000'001), "0001-12-31 23:59:59.999999 BC");
  EXPECT_EQ(TimeText(86'400'000'000), "24:00:00.000000");
  EXPECT_EQ(TimeText(11'045'000'006), "03:04:05.000006");
}

TEST(Literals, OfFloats) {
  EXPECT_EQ(FloatText(0.1F), "0.1");
  EXPECT_EQ(DoubleText(0.1), "0.1");
  EXPECT_EQ(DoubleText(5e-324), "5e-324");
  EXPECT_EQ(DoubleText(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
  EXPECT_EQ(DoubleText(-std::numeric_limits<double>::infinity()), "-Infinity");
  EXPECT_EQ(DoubleText(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

TEST(Literals, OfUuids) {
  EXPECT_EQ(UuidText(std::string_view("\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00", 16)),
            "550e8400-e29b-41d4-a716-446655440000");
}

}  // namespace
}  // namespace hyprstream::backend
