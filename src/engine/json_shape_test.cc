#include <gtest/gtest.h>

#include "engine/json_shape_internal.h"

namespace hyprstream::engine {
namespace {

TEST(JsonShape, CountsValuesAndLevels) {
  EXPECT_EQ(ShapeOfJson("1").depth, 0);
  EXPECT_EQ(ShapeOfJson("[[1], {\"a\": [2, 3]}]").depth, 3);
  EXPECT_GE(ShapeOfJson("[[1], {\"a\": [2, 3]}]").nodes, 8);
}

TEST(JsonShape, LeavesTextsInsideItAlone) {
  EXPECT_EQ(ShapeOfJson("[\"[[[\", \"\\\"[[\", \"\\\\\", [1]]").depth, 2);
  EXPECT_EQ(ShapeOfJson("[\"[").depth, 1);
  EXPECT_EQ(ShapeOfJson("\"\\").depth, 0);
}

TEST(PathShape, FindsWildcards) {
  EXPECT_FALSE(ShapeOfPath("$.a[0].b").wildcard);
  EXPECT_FALSE(ShapeOfPath("$.\"*\".\"..\"").wildcard);
  EXPECT_TRUE(ShapeOfPath("$[*]").wildcard);
  EXPECT_EQ(ShapeOfPath("$.a[*].*").recursive, 0);
  EXPECT_EQ(ShapeOfPath("$..a").recursive, 1);
  EXPECT_EQ(ShapeOfPath("$.**.b..*").recursive, 2);
  EXPECT_EQ(ShapeOfPath("$..*..*..*..*").recursive, 4);
}

// In the middle of a key a quote is a letter, and hides nothing.
TEST(PathShape, IsNotHiddenByQuotes) {
  EXPECT_EQ(ShapeOfPath("$.a\"..*..*").recursive, 2);
  EXPECT_EQ(ShapeOfPath("$.\"a\\\"b\"..*..*").recursive, 2);
  EXPECT_TRUE(ShapeOfPath("$.\"a").recursive == 0);
}

TEST(PathShape, CountsTheStepsBehindTheFirstRecursiveOne) {
  EXPECT_EQ(ShapeOfPath("$.a.b[*]").after, 0);
  EXPECT_EQ(ShapeOfPath("$..a").after, 1);
  EXPECT_EQ(ShapeOfPath("$..a.b[*]").after, 3);
}

}  // namespace
}  // namespace hyprstream::engine
