#include "cli/table_name.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hyprstream::cli {
namespace {

using ::testing::ElementsAre;

TEST(TableName, PartsAreSplitAtDotsOutsideQuotes) {
  EXPECT_THAT(ParseTableName("t").ValueOrDie(), ElementsAre("t"));
  EXPECT_THAT(ParseTableName("s.my table").ValueOrDie(), ElementsAre("s", "my table"));
  EXPECT_THAT(ParseTableName(R"("a.b"."c""d")").ValueOrDie(), ElementsAre("a.b", "c\"d"));
  for (const char* bad : {"", ".", "a.", ".a", "a.b.c", "\"a"}) EXPECT_FALSE(ParseTableName(bad).ok()) << bad;
}

}  // namespace
}  // namespace hyprstream::cli
