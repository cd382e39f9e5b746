#include "base/time_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace hyprstream {
namespace {

TEST(TimeText, OfDays) {
  EXPECT_EQ(DateText(0), "1970-01-01");
  EXPECT_EQ(DateText(-1), "1969-12-31");
  EXPECT_EQ(DateText(11'016), "2000-02-29");
  EXPECT_EQ(DateText(2'932'896), "9999-12-31");
  EXPECT_EQ(DateText(2'932'897), "10000-01-01");
  EXPECT_EQ(DateText(35'804'722), "100000-01-01");
  EXPECT_EQ(DateText(-719'162), "0001-01-01");
  EXPECT_EQ(DateText(-719'163), "0001-12-31 (BC)");
  EXPECT_EQ(DateText(-735'160), "0044-03-15 (BC)");
}

// Both ends of what DuckDB takes for a DATE.
TEST(TimeText, OfTheEndsOfDates) {
  EXPECT_EQ(DateText(2'147'483'646), "5881580-07-10");
  EXPECT_EQ(DateText(-2'147'483'646), "5877642-06-25 (BC)");
  EXPECT_EQ(DateText(2'147'483'647), "infinity");
  EXPECT_EQ(DateText(-2'147'483'647), "-infinity");
}

TEST(TimeText, OfTimes) {
  EXPECT_EQ(TimestampText(0, 1), "1970-01-01 00:00:00");
  EXPECT_EQ(TimestampText(-1, 1'000), "1969-12-31 23:59:59.999");
  EXPECT_EQ(TimestampText(1'356'998'400'500'000, 1'000'000), "2013-01-01 00:00:00.5");
  EXPECT_EQ(TimestampText(-62'135'596'801, 1), "0001-12-31 (BC) 23:59:59");
  EXPECT_EQ(TimestampText(1, 1'000'000'000), "1970-01-01 00:00:00.000000001");
}

TEST(TimeText, OfTheDay) {
  EXPECT_EQ(TimeOfDayText(0, 1), "00:00:00");
  EXPECT_EQ(TimeOfDayText(18'367'500'000, 1'000'000), "05:06:07.5");
  EXPECT_EQ(TimeOfDayText(86'399'999'999'999, 1'000'000'000), "23:59:59.999999999");
  EXPECT_EQ(TimeOfDayText(86'400'000'000, 1'000'000), "24:00:00");
}

TEST(TimeText, OfTheEndsOfTimes) {
  constexpr auto kInfinity = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(TimestampText(kInfinity, 1'000'000), "infinity");
  EXPECT_EQ(TimestampText(-kInfinity, 1), "-infinity");
  EXPECT_EQ(TimestampText(kInfinity - 1, 1'000'000), "294247-01-10 04:00:54.775806");
  EXPECT_EQ(TimestampText(-9'223'372'022'400'000'000, 1'000'000), "290309-12-22 (BC) 00:00:00");
  EXPECT_EQ(TimestampText(10'000'000'000'000, 1), "318857-05-20 17:46:40");
}

}  // namespace
}  // namespace hyprstream
