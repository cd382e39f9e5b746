#include "config/config_values.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gtest/gtest.h>

#include <limits>

namespace hyprstream::config {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

TEST(ConfigValues, BytesTakeUnits) {
  EXPECT_EQ(ParseBytes("1000000", 0, kMost).ValueOrDie(), 1000000);
  EXPECT_EQ(ParseBytes("8GiB", 0, kMost).ValueOrDie(), 8LL << 30);
  EXPECT_EQ(ParseBytes("1.5 gib", 0, kMost).ValueOrDie(), 3LL << 29);
  EXPECT_EQ(ParseBytes("2GB", 0, kMost).ValueOrDie(), 2'000'000'000);
  for (const char* bad : {"", "GiB", "8G", "8XB", "-1", "1e30", "nan", "inf"}) {
    EXPECT_FALSE(ParseBytes(bad, 0, kMost).ok()) << bad;
  }
  EXPECT_EQ(ParseBytes("1KiB", 2048, 1 << 20).status().message(), "1KiB is out of range; use 2KiB to 1MiB");
}

TEST(ConfigValues, BytesAreWrittenWithoutLoss) {
  EXPECT_EQ(FormatBytes(8LL << 30), "8GiB");
  EXPECT_EQ(FormatBytes(3LL << 29), "1536MiB");
  EXPECT_EQ(FormatBytes(1000), "1000");
  EXPECT_EQ(FormatBytes(0), "0");
}

TEST(ConfigValues, IntegersAndTruths) {
  EXPECT_EQ(ParseInteger("42", 0, 100).ValueOrDie(), 42);
  for (const char* bad : {"", "4x", " 4", "101", "-1", "99999999999999999999"}) {
    EXPECT_FALSE(ParseInteger(bad, 0, 100).ok()) << bad;
  }
  EXPECT_TRUE(ParseBoolean("Yes").ValueOrDie());
  EXPECT_FALSE(ParseBoolean("off").ValueOrDie());
  EXPECT_FALSE(ParseBoolean("maybe").ok());
}

}  // namespace
}  // namespace hyprstream::config
